/**
 * A table of fixed size whose entries strangers make. When it is full, the oldest entry of the source that holds most
 * gives way, so that one source can crowd out itself only. A source is an IPv4 address or an IPv6 /64.
 */
import type { Endpoint } from "../../base/endpoint.ts";
import { sourcePrefix } from "../../base/rate-limit.ts";
import type { Ms } from "../../base/time.ts";

interface Entry<T> {
  readonly source: string;
  readonly since: Ms;
  readonly value: T;
}

export class FairTable<T> {
  readonly #limit: number;
  readonly #life: Ms;
  readonly #closed: (value: T) => void;
  readonly #entries = new Map<string, Entry<T>>(); // oldest first

  /** Entries older than `life` go; `closed` hears of each that leaves the table, however it leaves. */
  constructor(limit: number, life: Ms, closed: (value: T) => void) {
    this.#limit = limit;
    this.#life = life;
    this.#closed = closed;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** When the oldest entry goes; undefined while there is none. */
  get due(): Ms | undefined {
    const oldest = this.#entries.values().next().value;
    return oldest && oldest.since + this.#life;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  values(): readonly T[] {
    return [...this.#entries.values()].map((e) => e.value);
  }

  set(key: string, from: Endpoint, value: T, now: Ms): void {
    this.expire(now);
    this.delete(key);
    if (this.#entries.size >= this.#limit) this.delete(this.#leastFair());
    this.#entries.set(key, { source: sourcePrefix(from), since: now, value });
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#closed(entry.value);
  }

  expire(now: Ms): void {
    for (const [key, entry] of this.#entries) {
      if (now < entry.since + this.#life) return;
      this.delete(key);
    }
  }

  #leastFair(): string {
    const held = new Map<string, number>(); // entries by source
    for (const { source } of this.#entries.values()) held.set(source, (held.get(source) ?? 0) + 1);
    const most = Math.max(...held.values());
    const [key] = [...this.#entries].find(([, e]) => held.get(e.source) === most) as [string, Entry<T>];
    return key;
  }
}
