/** A gateway's own monotonic clock: its zero means nothing and it runs a little too fast or too slow. */
import type { Ms } from "../../runtime/base/time.ts";

export interface Drift {
  /** What the gateway's clock shows when the world's shows `from`. */
  readonly zero: Ms;
  readonly from: Ms;
  /** Parts per million by which it runs fast; negative when slow. Crystals keep within 100. */
  readonly ppm: number;
}

/** No wake-up is finer than this, so that rounding never wakes a gateway just before its deadline. */
const GRAIN: Ms = 1 / 1024;

export class DriftingClock {
  readonly #drift: Drift;
  readonly #rate: number;

  constructor(drift: Drift) {
    this.#drift = drift;
    this.#rate = 1 + drift.ppm / 1e6;
  }

  /** The gateway's time when the world's is `world`. */
  local(world: Ms): Ms {
    return this.#drift.zero + (world - this.#drift.from) * this.#rate;
  }

  /** The first moment of the world, on a grid of 1/1024 ms, at which the gateway's clock has reached `local`. */
  world(local: Ms): Ms {
    const exact = this.#drift.from + (local - this.#drift.zero) / this.#rate;
    let at = Math.ceil(exact / GRAIN) * GRAIN;
    while (this.local(at) < local) at += GRAIN;
    return at;
  }
}
