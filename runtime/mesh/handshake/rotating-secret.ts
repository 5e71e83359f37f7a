/** A secret that is replaced every period and honoured for one more. It lives in memory only: a restart makes all void. */
import { wipe } from "../../base/bytes.ts";
import type { RandomBytes } from "../../base/random.ts";
import type { Ms } from "../../base/time.ts";

export class RotatingSecret {
  readonly #random: RandomBytes;
  readonly #length: number;
  readonly #period: Ms;
  #current: Uint8Array;
  #previous: Uint8Array | undefined;
  #rotates: Ms;

  constructor(random: RandomBytes, length: number, period: Ms, now: Ms) {
    this.#random = random;
    this.#length = length;
    this.#period = period;
    this.#current = random(length);
    this.#rotates = now + period;
  }

  current(now: Ms): Uint8Array {
    this.#rotate(now);
    return this.#current;
  }

  /** The newest first. */
  honoured(now: Ms): readonly Uint8Array[] {
    this.#rotate(now);
    return this.#previous ? [this.#current, this.#previous] : [this.#current];
  }

  /** Periods are counted from the start, not from the last use: a secret that was not needed for a while ages all the same. */
  #rotate(now: Ms): void {
    if (now < this.#rotates) return;
    const missed = Math.floor((now - this.#rotates) / this.#period);
    if (this.#previous) wipe(this.#previous);
    if (missed > 0) wipe(this.#current);
    this.#previous = missed > 0 ? undefined : this.#current;
    this.#current = this.#random(this.#length);
    this.#rotates += (missed + 1) * this.#period;
  }
}
