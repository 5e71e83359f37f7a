/** A message under way: its datagrams, which of them have arrived, and when to send the rest again. */
import type { Ms } from "../../base/time.ts";

export const RETRY_FIRST: Ms = 100;
export const RETRY_MOST: Ms = 800;
const RETRY_GROWTH = 1.4;
/** An acknowledgement makes us resend at once, but not more often than this. */
const RESEND_GUARD: Ms = 10;

export class Outbox {
  datagrams: readonly Uint8Array[];
  #arrived = 0;
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

  /** Notes what has arrived; gives what to send again at once. */
  acknowledge(bitmap: number, now: Ms): Uint8Array[] {
    this.#arrived |= bitmap;
    if (now - this.#last < RESEND_GUARD) return [];
    this.#last = now;
    this.#due = now + this.#wait;
    return this.missing();
  }

  /** The retry timer fired. */
  retry(now: Ms): Uint8Array[] {
    this.#wait = Math.min(this.#wait * RETRY_GROWTH, RETRY_MOST);
    this.#last = now;
    this.#due = now + this.#wait;
    return this.missing();
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
