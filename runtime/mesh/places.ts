/** Where a peer may be reached over the underlay: where it was, by its own seal, and where others and it itself say that it is. */
import { type Endpoint, endpointKey } from "../base/endpoint.ts";

/** Of one peer. Beyond them, the one told first is forgotten. */
export const PLACES_MAX = 8;
/** Of these, where it asked from lately: recorded questions must not push out what others say. */
export const NOTICED_MAX = 2;

const isAt = (place: Endpoint) => (e: Endpoint) => endpointKey(e) === endpointKey(place);

export class Places {
  #list: Endpoint[] = [];
  #noticed: Endpoint[] = [];
  #turn = 0;

  get size(): number {
    return this.#list.length;
  }

  /** The one to try now. */
  get current(): Endpoint | undefined {
    return this.#list[this.#turn % Math.max(1, this.#list.length)];
  }

  /** Where it asked from lately, and then the others. */
  get all(): readonly Endpoint[] {
    return [...this.#noticed, ...this.#list.filter((e) => !this.#noticed.some(isAt(e)))];
  }

  /** Nobody answered there. */
  next(): void {
    this.#turn++;
  }

  /** It was there. */
  settle(endpoint: Endpoint): void {
    this.#list = [endpoint, ...this.#list.filter((e) => !isAt(endpoint)(e))].slice(0, PLACES_MAX);
    this.#turn = 0;
  }

  /** Somebody says that it may be there; whether that is new. */
  tell(endpoint: Endpoint): boolean {
    if (this.#list.some(isAt(endpoint))) return false;
    if (this.#list.length === PLACES_MAX) this.#list.splice(1, 1);
    this.#list.push(endpoint);
    return true;
  }

  /** It has asked from there, which the tag under its keys says, and nothing more. */
  notice(endpoint: Endpoint): void {
    this.#noticed = [endpoint, ...this.#noticed.filter((e) => !isAt(endpoint)(e))].slice(0, NOTICED_MAX);
  }
}
