/**
 * Versions of what this gateway writes, and what it does when it hears its own name: it was restored from a backup, or lost
 * its store, and others know what it wrote since (SPEC.md, Versions).
 */
import { hours, type Ms, seconds } from "../base/time.ts";

const FIRST_PAUSE: Ms = seconds(1);
const LONGEST_PAUSE: Ms = hours(1);
/** Slots that are remembered as contested. */
const CONTESTED_MAX = 1_024;

export class Versions {
  #last = 0;
  /** Slots written since this process started, by `kind/key`. */
  readonly #own = new Set<string>();
  readonly #contested = new Map<string, { pause: Ms; after: Ms }>();

  /** The version of a write that takes the place of `seen`, or is the first of its key. */
  next(seen = 0): number {
    this.#last = Math.max(this.#last, seen) + 1;
    return this.#last;
  }

  /** A record in our name has this version, wherever it came from. */
  heard(version: number): void {
    this.#last = Math.max(this.#last, version);
  }

  wrote(slot: string): void {
    this.#own.add(slot);
  }

  /**
   * A newer record in our name stands in `slot`: `take` it over, or `assert` what we wrote since we started; `wait` when that
   * was done a moment ago, since another gateway then has our identity.
   */
  judge(slot: string, now: Ms): "take" | "assert" | "wait" {
    if (!this.#own.has(slot)) return "take";
    const contested = this.#contested.get(slot);
    if (contested && now < contested.after) return "wait";
    const pause = contested ? Math.min(2 * contested.pause, LONGEST_PAUSE) : FIRST_PAUSE;
    if (this.#contested.size >= CONTESTED_MAX) this.#contested.clear();
    this.#contested.set(slot, { pause, after: now + pause });
    return "assert";
  }
}
