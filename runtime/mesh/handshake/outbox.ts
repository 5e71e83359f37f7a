/** A message under way: its datagrams, which of them have arrived, and when to send the rest again. */
import type { Ms } from "../../base/time.ts";

export const RETRY_FIRST: Ms = 60;
export const RETRY_MOST: Ms = 250;
export const RETRY_GROWTH = 1.2;
/** While nobody has answered anything: so many repetitions of all of it, then one datagram at a time, ever more rarely. */
export const UNHEARD_WHOLE = 4;

interface Pace {
  readonly first: Ms;
  readonly growth: number;
  readonly most: Ms;
}

/** How sure it is that somebody is there: the other side has spoken, may be there, or has not been for long. */
export type Presence = "heard" | "unheard" | "absent";
const PACE: Readonly<Record<Presence, Pace>> = {
  heard: { first: RETRY_FIRST, growth: RETRY_GROWTH, most: RETRY_MOST },
  unheard: { first: RETRY_FIRST, growth: 1.5, most: 2000 },
  absent: { first: 250, growth: 2, most: 4000 },
};

/** Every so many repetitions all of it goes: what was reported as arrived may have been pushed out of a full table since. */
export const WHOLE_EVERY = 4;
/** An acknowledgement makes us resend at once, but not more often than this. */
export const RESEND_GUARD: Ms = 10;

export class Outbox {
  datagrams: readonly Uint8Array[];
  #arrived = 0;
  #repetitions = 0;
  #bursts = 0;
  #wait: Ms;
  #due: Ms;
  #last: Ms;
  #presence: Presence;

  constructor(datagrams: readonly Uint8Array[], now: Ms, presence: Presence) {
    this.datagrams = datagrams;
    this.#presence = presence;
    this.#wait = PACE[presence].first;
    this.#last = now;
    this.#due = now + this.#wait;
  }

  /** What to send to begin with. */
  get first(): readonly Uint8Array[] {
    return this.#presence === "absent" ? this.datagrams.slice(0, 1) : this.datagrams;
  }

  get due(): Ms {
    return this.#due;
  }

  get complete(): boolean {
    return this.missing().length === 0;
  }

  missing(): Uint8Array[] {
    return this.datagrams.filter((_, i) => (this.#arrived & (1 << i)) === 0);
  }

  /**
   * Notes what has arrived; gives what to send again at once: the holes below the highest fragment that arrived, since
   * those above may still be under way. An empty report is answered with all that was never reported.
   */
  acknowledge(bitmap: number, now: Ms): Uint8Array[] {
    this.#arrived |= bitmap;
    this.#isHeard();
    if (now - this.#last < RESEND_GUARD) return [];
    const highest = bitmap === 0 ? this.datagrams.length : 31 - Math.clz32(bitmap);
    const again = this.datagrams.filter((_, i) => i < highest && (this.#arrived & (1 << i)) === 0);
    if (again.length === 0) return [];
    this.#last = now;
    this.#due = now + this.#wait;
    return this.#turned(again);
  }

  /** The message before this one came again, so this one has not arrived whole. */
  asked(now: Ms): Uint8Array[] {
    if (now - this.#last < RESEND_GUARD) return [];
    this.#countRepetition();
    return this.acknowledge(0, now);
  }

  /** The retry timer fired. */
  retry(now: Ms): Uint8Array[] {
    const { growth, most } = PACE[this.#presence];
    this.#wait = Math.min(this.#wait * growth, most);
    this.#countRepetition();
    this.#last = now;
    this.#due = now + this.#wait;
    const burst = this.#turned(this.missing());
    const isWhole = this.#presence === "heard" || (this.#presence === "unheard" && this.#repetitions <= UNHEARD_WHOLE);
    return isWhole ? burst : burst.slice(0, 1);
  }

  #isHeard(): void {
    this.#presence = "heard";
    this.#wait = Math.min(this.#wait, RETRY_MOST);
  }

  /** Each burst begins with another one: a full queue on the way drops all but the first, which must not stay the same. */
  #turned(burst: Uint8Array[]): Uint8Array[] {
    const first = this.#bursts++ % Math.max(1, burst.length);
    return [...burst.slice(first), ...burst.slice(0, first)];
  }

  #countRepetition(): void {
    if (++this.#repetitions % WHOLE_EVERY === 0) this.#arrived = 0;
  }

  /** The same message with a cookie, sent from the start. */
  replace(datagrams: readonly Uint8Array[], now: Ms): Uint8Array[] {
    this.datagrams = datagrams;
    this.#arrived = 0;
    this.#isHeard();
    this.#last = now;
    this.#due = now + this.#wait;
    return [...datagrams];
  }
}
