/**
 * Whether a peer that we have a session with can be spoken to at another place. It is asked there under the session, so an answer
 * proves that both directions carry and that it is this peer. Questions are repeated: both ends ask at the same time when each has to
 * open its own box (NAT) for the other. Where it is spoken to now is asked as well, and kept when it answers: of two places that
 * both work neither is left for the other.
 */
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import { type RandomBytes, randomIndex } from "../../base/random.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { PLACES_MAX } from "../places.ts";

/** After the beginning. */
export const ASK_AT: readonly Ms[] = [0, 50, 150, 400, 900];
/** An answer that comes later is none. */
export const ANSWER_WITHIN = seconds(3);
/** When another place has answered, the one in use has so much longer. */
export const GRACE: Ms = 100;

interface Target {
  readonly place: Endpoint;
  readonly token: number;
  readonly began: Ms;
  asked: number;
}

export interface Question {
  readonly place: Endpoint;
  readonly token: number;
}

export class Seek {
  readonly #targets = new Map<string, Target>();
  #inUse: Target | undefined;
  #found: { readonly place: Endpoint; readonly at: Ms } | undefined;

  /**
   * Begins to ask at `place`, as long as no more than PLACES_MAX are asked at once; `inUse`: where it is spoken to over the underlay,
   * if that may still be right.
   */
  begin(place: Endpoint, inUse: Endpoint | undefined, random: RandomBytes, now: Ms): void {
    this.#forget(now);
    const key = endpointKey(place);
    if (this.#targets.has(key) || this.#targets.size >= PLACES_MAX) return;
    this.#targets.set(key, target(place, random, now));
    if (inUse && !this.#inUse) this.#inUse = target(inUse, random, now);
  }

  get due(): Ms {
    const asked = [...this.#all()].map((t) => dueOf(t));
    return Math.min(...asked, this.#found?.at ?? Number.POSITIVE_INFINITY);
  }

  /** What to ask now. */
  take(now: Ms): Question[] {
    this.#forget(now);
    return [...this.#all()]
      .filter((t) => t.asked < ASK_AT.length && dueOf(t) <= now)
      .map((t) => {
        t.asked++;
        return { place: t.place, token: t.token };
      });
  }

  /** It answered from `source`; whether we had asked. */
  answered(token: number, source: Endpoint, now: Ms): boolean {
    this.#forget(now);
    if (this.#inUse?.token === token) {
      this.#end();
      return true;
    }
    if (![...this.#targets.values()].some((t) => t.token === token)) return false;
    this.#found ??= { place: source, at: this.#inUse ? now + GRACE : now };
    return true;
  }

  /** Where it is to be spoken to from now on, when that is settled. */
  settle(now: Ms): Endpoint | undefined {
    if (!this.#found || now < this.#found.at) return undefined;
    const { place } = this.#found;
    this.#end();
    return place;
  }

  #all(): Iterable<Target> {
    return this.#inUse ? [this.#inUse, ...this.#targets.values()] : this.#targets.values();
  }

  #end(): void {
    this.#targets.clear();
    this.#inUse = undefined;
    this.#found = undefined;
  }

  #forget(now: Ms): void {
    for (const [key, t] of this.#targets) if (now >= t.began + ANSWER_WITHIN) this.#targets.delete(key);
    if (this.#targets.size === 0 && !this.#found) this.#inUse = undefined;
  }
}

const target = (place: Endpoint, random: RandomBytes, now: Ms): Target => ({
  place,
  token: randomIndex(random),
  began: now,
  asked: 0,
});

/** When it is asked next, or given up. */
const dueOf = (t: Target): Ms => t.began + (ASK_AT[t.asked] ?? ANSWER_WITHIN);
