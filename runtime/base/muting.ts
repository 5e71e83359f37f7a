/** Who keeps handing us what does not hold is not listened to for a while. */
import { type Ms, minutes } from "./time.ts";

/** So many such things, then a pause. Some happen to honest ones: what they hand on was revoked meanwhile. */
const SPOILED_MAX = 16;
const PAUSE: Ms = minutes(1);

export class Muting {
  #spoiled = 0;
  #until: Ms = Number.NEGATIVE_INFINITY;

  isMuted(now: Ms): boolean {
    return now < this.#until;
  }

  spoil(now: Ms): void {
    if (++this.#spoiled < SPOILED_MAX) return;
    this.#spoiled = 0;
    this.#until = now + PAUSE;
  }
}
