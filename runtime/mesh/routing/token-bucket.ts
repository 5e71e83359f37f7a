/** At most `capacity` at once, and in the long run one for each `every`. */
import type { Ms } from "../../base/time.ts";

export class TokenBucket {
  readonly #capacity: number;
  readonly #every: Ms;
  #tokens: number;
  #since: Ms;

  constructor(capacity: number, every: Ms, now: Ms) {
    this.#capacity = capacity;
    this.#every = every;
    this.#tokens = capacity;
    this.#since = now;
  }

  /** False when there is none left. */
  take(now: Ms): boolean {
    this.#fill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** From when on `take` succeeds, as far as is known without a look at the clock. */
  get next(): Ms {
    return this.#tokens >= 1 ? this.#since : this.#since + this.#every;
  }

  #fill(now: Ms): void {
    const whole = Math.floor((now - this.#since) / this.#every);
    if (whole <= 0) return;
    this.#tokens = Math.min(this.#capacity, this.#tokens + whole);
    this.#since += whole * this.#every;
  }
}
