/**
 * An engine for simulations and tests, over a medium that outlives it: what was not durable when the power went may be
 * there or not, a full medium refuses, bits can be flipped.
 */
import { compare, toHex } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { Entry, KeyChange, KeyValue, Snapshot } from "./key-value.ts";

/** The medium. One engine at a time writes to it. */
export class MemoryMedium {
  readonly content = new Map<string, Entry>();
  /** Most bytes of keys and values; a write that would go over it is refused. */
  capacity = Number.POSITIVE_INFINITY;
  /** What is kept of a value: a copy, since callers may use their buffers again; or one that many media share. */
  keep: (value: Uint8Array) => Uint8Array = (value) => value.slice();
  /** Waits before a write is durable: what happens in between, happens while it is on its way. */
  latency: () => Promise<void> = async () => {};
  /** Whether a write that was on its way when the power went has reached the medium. */
  reaches: () => boolean = () => true;
  bytes = 0;
  /** Writes that are not durable yet. */
  readonly onTheirWay = new Set<readonly KeyChange[]>();

  /** How often the power went. */
  cuts = 0;

  /** Everything that is open over it stops for good. */
  cutPower(): void {
    this.cuts++;
    for (const changes of this.onTheirWay) if (this.reaches()) for (const change of changes) this.apply(change);
    this.onTheirWay.clear();
  }

  apply({ key, value }: KeyChange): void {
    const name = toHex(key);
    const was = this.content.get(name);
    if (was) this.bytes -= was.key.length + was.value.length;
    if (value === undefined) this.content.delete(name);
    else {
      this.content.set(name, { key, value });
      this.bytes += key.length + value.length;
    }
  }
}

/** What a write gives that was on its way when the power went: nobody is there to hear of it. */
const NEVER = new Promise<never>(() => {});

export class MemoryKeyValue implements KeyValue {
  readonly #medium: MemoryMedium;
  readonly #cuts: number;
  #order: readonly Entry[] | undefined;
  #written = 0;

  constructor(medium: MemoryMedium = new MemoryMedium()) {
    this.#medium = medium;
    this.#cuts = medium.cuts;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#medium.content.get(toHex(key))?.value.slice();
  }

  async scan(from: Uint8Array, to: Uint8Array, limit: number): Promise<readonly Entry[]> {
    const out: Entry[] = [];
    const order = this.#inOrder();
    for (let i = firstNotBelow(order, from); i < order.length && out.length < limit; i++) {
      const entry = order[i] as Entry;
      if (compare(entry.key, to) >= 0) break;
      out.push({ key: entry.key.slice(), value: entry.value.slice() });
    }
    return out;
  }

  #inOrder(): readonly Entry[] {
    this.#order ??= [...this.#medium.content.values()].sort((a, b) => compare(a.key, b.key));
    return this.#order;
  }

  snapshot(from: Uint8Array, to: Uint8Array): Snapshot {
    const order = this.#inOrder(); // a change makes another one
    let at = firstNotBelow(order, from);
    const end = firstNotBelow(order, to);
    return {
      async next(limit) {
        const found = order.slice(at, Math.min(end, at + limit));
        at += found.length;
        return found.map(({ key, value }) => ({ key: key.slice(), value: value.slice() }));
      },
      async close() {},
    };
  }

  async write(changes: readonly KeyChange[]): Promise<void> {
    const medium = this.#medium;
    if (medium.cuts !== this.#cuts) return NEVER;
    const own = changes.map(({ key, value }) => ({ key: key.slice(), value: value && medium.keep(value) }));
    const size = own.reduce((sum, c) => sum + c.key.length + (c.value?.length ?? 0), 0);
    if (medium.bytes + size > medium.capacity)
      throw new TrellisError("store/full", "cannot write: the medium is full", { hint: "free some space" });
    medium.onTheirWay.add(own);
    await medium.latency();
    if (!medium.onTheirWay.delete(own)) return NEVER;
    for (const change of own) medium.apply(change);
    this.#written += size;
    this.#order = undefined;
  }

  async settle(): Promise<void> {}

  async compact(): Promise<void> {}

  async relax(): Promise<void> {}

  written(): number {
    return this.#written;
  }

  async close(): Promise<void> {}
}

function firstNotBelow(order: readonly Entry[], key: Uint8Array): number {
  let [low, high] = [0, order.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare((order[middle] as Entry).key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
