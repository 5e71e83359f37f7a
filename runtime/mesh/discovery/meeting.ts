/** What to do about a place at which a peer is said to be. Whoever says it may lie, so everything here is bounded (SPEC.md, Bounds). */
import { toHex } from "../../base/bytes.ts";
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import { RateLimit } from "../../base/rate-limit.ts";
import { type Ms, minutes, seconds } from "../../base/time.ts";
import { isThrough } from "../neighbours.ts";
import type { Peer } from "../peers.ts";
import type { Sighting } from "./discovery.ts";

/** So many calls, questions and first contacts at once, and then one in that time. */
const CALLS = { burst: 64, refill: 500 };
const QUESTIONS = { burst: 64, refill: 125 };
const QUESTIONS_EACH = { burst: 8, refill: seconds(5), peers: 4096 };
const CONTACTS = { burst: 4, refill: seconds(30) };
const CONTACTS_EACH = { burst: 1, refill: minutes(10), nodes: 256 };
const ALL = "";

export type Step = "call" | "contact" | "seek" | "nothing";

export class Meeting {
  readonly #calls = new RateLimit(CALLS.burst, CALLS.refill, 1);
  readonly #questions = new RateLimit(QUESTIONS.burst, QUESTIONS.refill, 1);
  readonly #questionsEach = new RateLimit(QUESTIONS_EACH.burst, QUESTIONS_EACH.refill, QUESTIONS_EACH.peers);
  readonly #contacts = new RateLimit(CONTACTS.burst, CONTACTS.refill, 1);
  readonly #contactsEach = new RateLimit(CONTACTS_EACH.burst, CONTACTS_EACH.refill, CONTACTS_EACH.nodes);

  /**
   * A beacon suggests the place. `peer`: undefined when nobody of that node id is known; a handshake then shows whether it is a member.
   * `mayCall`: whether to start sessions with this peer by ourselves.
   */
  sighted({ id, endpoint, fresh }: Sighting, peer: Peer | undefined, mayCall: boolean, now: Ms): Step {
    if (!peer?.member) {
      const mayTry = !peer && this.#take(this.#contacts, ALL, this.#contactsEach, toHex(id), now);
      return mayTry ? "contact" : "nothing";
    }
    const isNew = peer.places.tell(endpoint);
    if (peer.current) return this.#seeks(peer, endpoint, isNew || fresh, now);
    if (!mayCall || now < peer.refusedUntil || !this.#calls.has(ALL, now)) return "nothing";
    this.#calls.spend(ALL, now);
    return "call";
  }

  /** The peer itself or a neighbour names a place of it that is new. */
  told(peer: Peer, endpoint: Endpoint, now: Ms): Step {
    return peer.current ? this.#seeks(peer, endpoint, true, now) : "nothing";
  }

  /** `isWorthIt`: also while it is reached over the underlay elsewhere. */
  #seeks(peer: Peer, endpoint: Endpoint, isWorthIt: boolean, now: Ms): Step {
    const inUse = inUseOf(peer);
    if (inUse && (!isWorthIt || endpointKey(inUse) === endpointKey(endpoint))) return "nothing";
    return this.#take(this.#questions, ALL, this.#questionsEach, toHex(peer.id), now) ? "seek" : "nothing";
  }

  #take(all: RateLimit, allKey: string, each: RateLimit, key: string, now: Ms): boolean {
    if (!all.has(allKey, now) || !each.has(key, now)) return false;
    all.spend(allKey, now);
    each.spend(key, now);
    return true;
  }
}

/** Where it is spoken to over the underlay, if that may still be right. */
export const inUseOf = (p: Peer): Endpoint | undefined =>
  p.endpoint && !isThrough(p.endpoint) && !p.silent ? p.endpoint : undefined;
