/** How much is read of a broker: what is above waits there, so that one that floods costs a part of our time and no memory. */
import type { Ms } from "../../base/time.ts";

/** Bytes at once, and a second; a packet counts some more, for the work that the smallest makes. */
export const READ_BURST: number = 16 * 1024 ** 2;
export const READ_RATE: number = 8 * 1024 ** 2;
const EACH = 1_024;

export class Allowance {
  #left = READ_BURST;
  #filledAt: Ms;

  constructor(now: Ms) {
    this.#filledAt = now;
  }

  /** For how long nothing more may be read now. */
  charge(bytes: number, packets: number, now: Ms): Ms {
    this.#left = Math.min(READ_BURST, this.#left + ((now - this.#filledAt) * READ_RATE) / 1000);
    this.#filledAt = now;
    this.#left -= bytes + EACH * packets;
    return this.#left >= 0 ? 0 : (-this.#left * 1000) / READ_RATE;
  }
}
