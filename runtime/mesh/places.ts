/** Where a peer may be reached over the underlay: where it was, by its own seal, and where others and it itself say that it is. */
import { type Endpoint, endpointKey } from "../base/endpoint.ts";

/** Of one peer. Beyond them, the one told first is forgotten. */
export const PLACES_MAX = 8;

export class Places {
  #list: Endpoint[] = [];
  #turn = 0;

  get size(): number {
    return this.#list.length;
  }

  get all(): readonly Endpoint[] {
    return this.#list;
  }

  /** The one to try now. */
  get current(): Endpoint | undefined {
    return this.#list[this.#turn % Math.max(1, this.#list.length)];
  }

  /** Nobody answered there. */
  next(): void {
    this.#turn++;
  }

  /** It was there. */
  settle(endpoint: Endpoint): void {
    this.#list = [endpoint, ...this.#without(endpoint)].slice(0, PLACES_MAX);
    this.#turn = 0;
  }

  /** Somebody says that it may be there; whether that is new. */
  tell(endpoint: Endpoint): boolean {
    if (this.#list.some((e) => endpointKey(e) === endpointKey(endpoint))) return false;
    if (this.#list.length === PLACES_MAX) this.#list.splice(1, 1);
    this.#list.push(endpoint);
    return true;
  }

  #without(endpoint: Endpoint): Endpoint[] {
    return this.#list.filter((e) => endpointKey(e) !== endpointKey(endpoint));
  }
}
