/** Where a peer may be reached over the underlay: where it was, by its own seal, and where others and it itself say that it is. */
import { type Endpoint, sameEndpoint } from "../base/endpoint.ts";

/** Of one peer. Beyond them, the one told first is forgotten. */
export const PLACES_MAX = 8;
/** Of these, where it asked from lately: recorded questions must not push out what others say. */
export const NOTICED_MAX = 2;

const isAt = (place: Endpoint) => (e: Endpoint) => sameEndpoint(e, place);

export class Places {
  #list: Endpoint[] = [];
  #noticed: Endpoint[] = [];
  #merged: { readonly of: readonly Endpoint[]; readonly all: readonly Endpoint[] } | undefined;
  #turn = 0;
  #met = false;

  /** Whether it ever was at one of them, by its own seal. */
  get isMet(): boolean {
    return this.#met;
  }

  get size(): number {
    return this.#list.length;
  }

  /** The one to try now. */
  get current(): Endpoint | undefined {
    return this.#list[this.#turn % Math.max(1, this.#list.length)];
  }

  /** Where it asked from lately, and then the others. The same array as before where nothing has changed. */
  get all(): readonly Endpoint[] {
    if (this.#noticed.length === 0) return this.#list;
    if (this.#merged?.of !== this.#list) {
      const all = [...this.#noticed, ...this.#list.filter((e) => !this.#noticed.some(isAt(e)))];
      this.#merged = { of: this.#list, all };
    }
    return this.#merged.all;
  }

  /** Nobody answered there. */
  next(): void {
    this.#turn++;
  }

  /** It was there. */
  settle(endpoint: Endpoint): void {
    this.#list = [endpoint, ...this.#list.filter((e) => !isAt(endpoint)(e))].slice(0, PLACES_MAX);
    this.#turn = 0;
    this.#met = true;
  }

  /** Somebody says that it may be there; whether that is new. */
  tell(endpoint: Endpoint): boolean {
    if (this.#list.some(isAt(endpoint))) return false;
    const [first, ...rest] = this.#list;
    const kept = this.#list.length === PLACES_MAX && first ? [first, ...rest.slice(1)] : this.#list;
    this.#list = [...kept, endpoint];
    return true;
  }

  /** It has asked from there, which the tag under its keys says, and nothing more. */
  notice(endpoint: Endpoint): void {
    this.#noticed = [endpoint, ...this.#noticed.filter((e) => !isAt(endpoint)(e))].slice(0, NOTICED_MAX);
    this.#merged = undefined;
  }
}
