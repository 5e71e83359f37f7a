/** Records whose chunks are not all here yet: they wait, are not told to others, and count once they are whole. */
import { toHex } from "../base/bytes.ts";
import { type Ms, seconds } from "../base/time.ts";
import type { Arrival } from "./holdings.ts";
import { CHUNKS_PER_WANT } from "./message.ts";

/** Large values on their way at once; others wait for a later reconciliation. */
const LARGE_MAX = 64;
const PATIENCE: Ms = seconds(10);

interface Incomplete {
  readonly arrival: Arrival;
  readonly source: string;
  readonly missing: Set<string>;
  touched: Ms;
}

export class Large {
  readonly #incomplete = new Map<string, Incomplete>();

  get size(): number {
    return this.#incomplete.size;
  }

  /** False when too many wait. */
  add(arrival: Arrival, missing: Iterable<string>, source: string, now: Ms): boolean {
    if (this.#incomplete.size >= LARGE_MAX) return false;
    this.#incomplete.set(arrival.record.id, { arrival, source, missing: new Set(missing), touched: now });
    return true;
  }

  has(id: string): boolean {
    return this.#incomplete.has(id);
  }

  /** Chunks to ask `source` for. */
  wanted(source: string): readonly Uint8Array[] {
    for (const large of this.#incomplete.values())
      if (large.source === source)
        return [...large.missing].slice(0, CHUNKS_PER_WANT).map((hash) => Uint8Array.fromHex(hash));
    return [];
  }

  isWanted(hash: Uint8Array, source: string): boolean {
    const hex = toHex(hash);
    return [...this.#incomplete.values()].some((l) => l.source === source && l.missing.has(hex));
  }

  /** These chunks are here now; gives the records that are whole by it. */
  arrived(hashes: readonly Uint8Array[], now: Ms): readonly Arrival[] {
    const whole: Arrival[] = [];
    for (const [id, large] of this.#incomplete) {
      for (const hash of hashes) if (large.missing.delete(toHex(hash))) large.touched = now;
      if (large.missing.size > 0) continue;
      this.#incomplete.delete(id);
      whole.push(large.arrival);
    }
    return whole;
  }

  /** Gives up what made no progress, or comes from `gone`; what it had got is returned, to be forgotten or used by another. */
  expire(now: Ms, gone?: string): readonly Arrival[] {
    const given: Arrival[] = [];
    for (const [id, { arrival, source, touched }] of this.#incomplete) {
      if (source !== gone && touched + PATIENCE > now) continue;
      this.#incomplete.delete(id);
      given.push(arrival);
    }
    return given;
  }
}
