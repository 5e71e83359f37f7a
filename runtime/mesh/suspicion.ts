/**
 * Who drops what it should relay. A peer that is spoken to through the mesh and does not answer may be gone, or somebody between
 * swallows our frames while it answers for itself. Each on the way is avoided for a while, one after the other; when that helped, for
 * longer each time.
 */
import { type Ms, minutes, seconds } from "../base/time.ts";

/**
 * So many questions without an answer are no accident where one relays, and one more for each further relay: where each hop loses 3 %, three in a row
 * over five hops are one in 60, and two who avoid somebody for nothing may send to and fro what is for a third.
 */
export const SUSPECT_AFTER = 3;
/** Until it shows whether avoiding somebody helps. */
const TRIAL: Ms = seconds(20);
const AVOID_FIRST: Ms = minutes(2);
const AVOID_MAX: Ms = minutes(60);
/** Of how many it is remembered that they were avoided. */
const REMEMBERED = 256;

export interface Avoided {
  readonly relay: string;
  readonly until: Ms;
}

export class Suspicion {
  /** By silent peer: whom we avoid for its sake. */
  readonly #trials = new Map<string, { readonly turn: number; readonly relay: string | undefined }>();
  /** How long a relay was avoided last. */
  readonly #pauses = new Map<string, Ms>();

  /**
   * `peer` does not answer, or does not hear us; `between` are the relays on the way to it. `unanswered`: questions; after
   * each four of them it is the next one's turn. What to avoid, and what no longer.
   */
  silent(peer: string, between: readonly string[], unanswered: number, now: Ms): readonly Avoided[] {
    const patience = SUSPECT_AFTER + Math.max(0, between.length - 1);
    const turn = Math.floor((unanswered - patience) / 4);
    const before = this.#trials.get(peer);
    if (turn < 0 || before?.turn === turn) return [];
    const relay = between[turn];
    this.#trials.set(peer, { turn, relay });
    const lifted = before?.relay === undefined ? [] : [{ relay: before.relay, until: now }];
    return relay === undefined ? lifted : [...lifted, { relay, until: now + TRIAL }];
  }

  /** `peer` answers again: what we did for its sake was right. */
  heard(peer: string, now: Ms): readonly Avoided[] {
    const relay = this.#trials.get(peer)?.relay;
    this.#trials.delete(peer);
    if (relay === undefined) return [];
    const pause = Math.min(AVOID_MAX, 2 * (this.#pauses.get(relay) ?? AVOID_FIRST / 2));
    if (this.#pauses.size >= REMEMBERED) this.#pauses.clear();
    this.#pauses.set(relay, pause);
    return [{ relay, until: now + pause }];
  }

  forget(peer: string): void {
    this.#trials.delete(peer);
  }
}
