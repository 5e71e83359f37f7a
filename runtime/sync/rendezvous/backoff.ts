/** When to try again what failed: after a second, and twice as long each time, but not all who lost it together at once. */
import { type Ms, minutes, seconds } from "../../base/time.ts";

const FIRST: Ms = seconds(1);
const LONGEST: Ms = minutes(1);
/** What held so long was a success: the next failure is a first one. */
const HELD: Ms = seconds(30);

export class Backoff {
  readonly #random: () => number;
  #pause: Ms = FIRST;
  #since: Ms | undefined;

  /** `random`: from 0 to below 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  succeeded(now: Ms): void {
    this.#since = now;
  }

  /** How long to wait now: half of the pause in any case. */
  failed(now: Ms): Ms {
    if (this.#since !== undefined && now >= this.#since + HELD) this.#pause = FIRST;
    this.#since = undefined;
    const wait = this.#pause * (0.5 + this.#random() / 2);
    this.#pause = Math.min(2 * this.#pause, LONGEST);
    return wait;
  }
}
