/** A message under way: its datagrams, which of them have arrived, and when to send the rest again. */
import type { Ms } from "../../base/time.ts";

export const RETRY_FIRST: Ms = 60;
export const RETRY_MOST: Ms = 250;
export const RETRY_GROWTH = 1.2;
/** Every so many repetitions all of it goes: what was reported as arrived may have been pushed out of a full table since. */
export const WHOLE_EVERY = 4;
/** An acknowledgement makes us resend at once, but not more often than this. */
export const RESEND_GUARD: Ms = 10;

export class Outbox {
  datagrams: readonly Uint8Array[];
  #arrived = 0;
  #repetitions = 0;
  #bursts = 0;
  #wait = RETRY_FIRST;
  #due: Ms;
  #last: Ms;

  constructor(datagrams: readonly Uint8Array[], now: Ms) {
    this.datagrams = datagrams;
    this.#last = now;
    this.#due = now + RETRY_FIRST;
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
    this.#wait = Math.min(this.#wait * RETRY_GROWTH, RETRY_MOST);
    this.#countRepetition();
    this.#last = now;
    this.#due = now + this.#wait;
    return this.#turned(this.missing());
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
    this.#last = now;
    this.#due = now + this.#wait;
    return [...datagrams];
  }
}
