/**
 * Flash wears out by what is written. A day's budget as a bucket: it holds one day's bytes, and fills evenly. Time that a
 * gateway was off counts as none, since it cannot know how long that was.
 */
import { hours, type Ms } from "../base/time.ts";

/**
 * 1 GiB a day: ten years of it are 3.7 TB, a quarter of what the worst eMMC we know of (4 GB, 3,000 erase cycles, 12 TB)
 * stands, which leaves the rest to the medium's own amplification and to others.
 */
export const FLASH_BYTES_PER_DAY: number = 1024 ** 3;

const HOURS = 24;

export class FlashBudget {
  readonly perDay: number;
  #left: number;
  #at: Ms;
  /** Bytes of each of the last 24 hours, by the hour's number. */
  readonly #slots: { hour: number; bytes: number }[] = Array.from({ length: HOURS }, () => ({ hour: -1, bytes: 0 }));

  /** `left`: what a former run had left. */
  constructor(now: Ms, perDay = FLASH_BYTES_PER_DAY, left = perDay) {
    this.perDay = perDay;
    this.#left = Math.min(left, perDay);
    this.#at = now;
  }

  /** Counts what was written; the bucket may go below zero by what had to be written. */
  spend(bytes: number, now: Ms): void {
    this.#fill(now);
    this.#left -= bytes;
    const hour = Math.floor(now / hours(1));
    const slot = this.#slots[hour % HOURS] as { hour: number; bytes: number };
    slot.bytes = (slot.hour === hour ? slot.bytes : 0) + bytes;
    slot.hour = hour;
  }

  /** Bytes that may be written now; negative when the budget is overdrawn. */
  left(now: Ms): number {
    this.#fill(now);
    return this.#left;
  }

  /** Bytes of the last 24 hours, to the hour. */
  lastDay(now: Ms): number {
    const hour = Math.floor(now / hours(1));
    return this.#slots.filter((s) => s.hour > hour - HOURS).reduce((sum, s) => sum + s.bytes, 0);
  }

  #fill(now: Ms): void {
    this.#left = Math.min(this.perDay, this.#left + ((now - this.#at) * this.perDay) / hours(24));
    this.#at = now;
  }
}
