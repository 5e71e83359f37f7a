/**
 * Which places of a peer the data path tries at a time, and where it answers (links). A link is known by the answer to a question of ours
 * alone: who is told to be somewhere, or was heard from there, is tried there, no more.
 */
import { type Endpoint, endpointKey, isLinkLocal } from "../base/endpoint.ts";
import { type Ms, minutes, seconds } from "../base/time.ts";
import { isThrough } from "./neighbours.ts";

/** Links of one peer that the data path takes, the one at its endpoint included. */
const LINKS_MAX = 4;
/** So long a place has its turn while others wait for theirs; doubled each round. */
const TURN_FIRST = seconds(15);
const TURN_MAX = minutes(10);

export class PeerLinks {
  readonly #alive = new Set<string>();
  #offered = "";
  /** What was looked at last: places are compared with each event, and seldom change. */
  #seen: { readonly endpoint: Endpoint; readonly places: readonly Endpoint[] } | undefined;
  #waiting = false;
  #turn = 0;
  #pause: Ms = TURN_FIRST;
  #nextTurn: Ms = 0;

  /** Whether it answers there. */
  isLink(endpoint: Endpoint): boolean {
    return this.#alive.has(endpointKey(endpoint));
  }

  /** Whether a sealed frame from there tells nothing new: over its links a peer speaks as it likes, and while one lives it is no further away. */
  explains(endpoint: Endpoint): boolean {
    return isThrough(endpoint) ? this.#alive.size > 0 : this.isLink(endpoint);
  }

  heard(endpoint: Endpoint, alive: boolean): void {
    this.#seen = undefined;
    if (alive) this.#alive.add(endpointKey(endpoint));
    else this.#alive.delete(endpointKey(endpoint));
  }

  /**
   * Whether to keep to `current` although it is heard, or could be spoken to, at `endpoint`. A link-local address leads over the same
   * wire as the others of its link, and a relay's kernel does not carry frames from one address family into the other.
   */
  prefers(current: Endpoint | undefined, endpoint: Endpoint): boolean {
    return current !== undefined && isLinkLocal(endpoint) && !isLinkLocal(current) && this.isLink(current);
  }

  /** Places to try from now on beside `endpoint`, where it is spoken to; undefined while they stay the same. */
  offer(endpoint: Endpoint, places: readonly Endpoint[], now: Ms): readonly Endpoint[] | undefined {
    const isSame = endpoint === this.#seen?.endpoint && places === this.#seen.places;
    if (isSame && !(this.#waiting && now >= this.#nextTurn)) return undefined;
    this.#seen = { endpoint, places };
    const room = isThrough(endpoint) ? LINKS_MAX : LINKS_MAX - 1;
    const others = places.filter((p) => endpointKey(p) !== endpointKey(endpoint) && !this.prefers(endpoint, p));
    const links = others.filter((p) => this.isLink(p)).slice(0, room);
    const rest = others.filter((p) => !links.includes(p));
    const free = room - links.length;
    this.#waiting = free > 0 && rest.length > free;
    if (this.#waiting && now >= this.#nextTurn) this.#takeTurn(rest.length, free, now);
    const from = this.#waiting ? this.#turn % rest.length : 0;
    const next = [...links, ...[...rest.slice(from), ...rest.slice(0, from)].slice(0, free)];
    const keys = next.map(endpointKey).sort();
    this.#forgetAllBut([endpointKey(endpoint), ...keys]);
    const key = keys.join();
    if (key === this.#offered) return undefined;
    this.#offered = key;
    return next;
  }

  /** When others have their turn. */
  get due(): Ms {
    return this.#waiting ? this.#nextTurn : Number.POSITIVE_INFINITY;
  }

  /** Its session ends. */
  reset(): void {
    this.#alive.clear();
    this.#seen = undefined;
    this.#waiting = false;
    this.#pause = TURN_FIRST;
    this.#nextTurn = 0;
  }

  /** Nobody asks there any more, and so nobody would say that it has fallen silent. */
  #forgetAllBut(kept: readonly string[]): void {
    for (const key of this.#alive) if (!kept.includes(key)) this.#alive.delete(key);
  }

  #takeTurn(count: number, free: number, now: Ms): void {
    if (this.#nextTurn > 0) this.#turn += free;
    if (this.#turn >= count) {
      this.#turn %= count;
      this.#pause = Math.min(2 * this.#pause, TURN_MAX);
    }
    this.#nextTurn = now + this.#pause;
  }
}
