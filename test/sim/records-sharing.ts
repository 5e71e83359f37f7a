/**
 * What is equal among many replicas of one simulation, once for all of them: decoded records and batches, whether a batch's signature holds, what
 * an index keeps of a record, and the entries of their stores. Each replica does the rest by itself with the shipped code: offers, wants, messages and
 * their encoding, proofs, merging, its own index with its order and its fingerprints, walks.
 *
 * Stand-ins: the store is a table of all entries, of which each member has a byte for each; nothing is checksummed, nothing is lost, there are no quotas. A
 * signature that one member has verified holds for all.
 */
import { toHex } from "../../runtime/base/bytes.ts";
import type { VerifyingKeys } from "../../runtime/crypto/hybrid-signature.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import type { Change, RecordStore } from "../../runtime/store/store.ts";
import { type Decoding, decodingOf } from "../../runtime/sync/decoding.ts";
import type { Held } from "../../runtime/sync/holdings.ts";
import type { Batch, Rec } from "../../runtime/sync/record.ts";

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Values by the bytes that they come from. Of different bytes with one short hash the first alone are remembered. */
class ByBytes<T> {
  readonly #known = new Map<number, { readonly bytes: Uint8Array; readonly value: T }>();

  get(bytes: Uint8Array): T | undefined {
    const found = this.#known.get(Bun.hash.murmur32v3(bytes));
    return found && same(found.bytes, bytes) ? found.value : undefined;
  }

  set(bytes: Uint8Array, value: T): void {
    const name = Bun.hash.murmur32v3(bytes);
    if (!this.#known.has(name)) this.#known.set(name, { bytes: bytes.slice(), value });
  }
}

export class SharedDecoding implements Decoding {
  readonly #inner: Decoding;
  readonly #records = new ByBytes<Rec>();
  readonly #batches = new ByBytes<Batch>();
  readonly #held = new Map<string, Held>();
  readonly #signed = new WeakSet<Batch>();

  constructor(crypto: CryptoProvider, meshId: Uint8Array) {
    this.#inner = decodingOf(crypto, meshId);
  }

  record(author: Uint8Array, encoded: Uint8Array): Rec | undefined {
    const known = this.#records.get(encoded);
    if (known && same(known.author, author)) return known;
    const record = this.#inner.record(author, encoded);
    if (record) this.#records.set(encoded, record);
    return record;
  }

  batch(encoded: Uint8Array): Batch | undefined {
    const known = this.#batches.get(encoded);
    if (known) return known;
    const batch = this.#inner.batch(encoded);
    if (batch) this.#batches.set(encoded, batch);
    return batch;
  }

  async isSigned(batch: Batch, keys: VerifyingKeys): Promise<boolean> {
    if (this.#signed.has(batch)) return true;
    if (!(await this.#inner.isSigned(batch, keys))) return false;
    this.#signed.add(batch);
    return true;
  }

  held(held: Held): Held {
    const known = this.#held.get(held.id);
    if (known && known.batch === held.batch) return known;
    this.#held.set(held.id, held);
    return held;
  }
}

interface Slot {
  readonly range: Change["range"];
  readonly key: Uint8Array;
  readonly values: Uint8Array[];
}

/** All that any member has stored. */
export class SharedEntries {
  /** By range and key. */
  readonly #numbers = new Map<Change["range"], Map<string, number>>();
  readonly slots: Slot[] = [];

  find(range: Change["range"], key: Uint8Array): number | undefined {
    return this.#numbers.get(range)?.get(toHex(key));
  }

  /** The number of an entry, and of one of the values that it has had, from 1. */
  put(range: Change["range"], key: Uint8Array, value: Uint8Array): readonly [slot: number, value: number] {
    let number = this.find(range, key);
    if (number === undefined) {
      number = this.slots.push({ range, key: key.slice(), values: [] }) - 1;
      const numbers = this.#numbers.get(range) ?? new Map<string, number>();
      this.#numbers.set(range, numbers.set(toHex(key), number));
    }
    const { values } = this.slots[number] as Slot;
    const at = values.findIndex((known) => same(known, value));
    const which = at < 0 ? values.push(value.slice()) : at + 1;
    if (which > 255) throw new RangeError("an entry has had more values than a byte counts");
    return [number, which];
  }
}

/** One member's. */
export class SharedStore implements RecordStore {
  readonly #entries: SharedEntries;
  /** By an entry's number: which of its values is here; 0 for none. */
  #has = new Uint8Array(64);

  constructor(entries: SharedEntries) {
    this.#entries = entries;
  }

  async get(range: Change["range"], key: Uint8Array): Promise<Uint8Array | undefined> {
    const slot = this.#entries.find(range, key);
    const which = slot === undefined ? 0 : (this.#has[slot] ?? 0);
    return which === 0 ? undefined : this.#entries.slots[slot as number]?.values[which - 1]?.slice();
  }

  async list(
    range: Change["range"],
    limit: number,
    behind?: Uint8Array,
  ): Promise<{ key: Uint8Array; value: Uint8Array }[]> {
    const out: { key: Uint8Array; value: Uint8Array }[] = [];
    for (const [i, slot] of this.#entries.slots.entries()) {
      const value = slot.values[(this.#has[i] ?? 0) - 1];
      if (slot.range === range && value) out.push({ key: slot.key, value });
    }
    const ordered = out.sort((a, b) => Buffer.compare(a.key, b.key));
    return ordered.filter(({ key }) => !behind || Buffer.compare(key, behind) > 0).slice(0, limit);
  }

  async commit(changes: readonly Change[]): Promise<void> {
    for (const { range, key, value } of changes) {
      if (value) this.#set(...this.#entries.put(range, key, value));
      else {
        const slot = this.#entries.find(range, key);
        if (slot !== undefined && slot < this.#has.length) this.#has[slot] = 0;
      }
    }
  }

  async relax(): Promise<void> {}

  #set(slot: number, which: number): void {
    if (slot >= this.#has.length) {
      const larger = new Uint8Array(Math.max(slot + 1, Math.ceil(1.25 * this.#has.length)));
      larger.set(this.#has);
      this.#has = larger;
    }
    this.#has[slot] = which;
  }
}

/** What the replicas of one world share. */
export class Sharing {
  readonly decoding: Decoding;
  readonly #entries = new SharedEntries();

  constructor(crypto: CryptoProvider, meshId: Uint8Array) {
    this.decoding = new SharedDecoding(crypto, meshId);
  }

  store(): RecordStore {
    return new SharedStore(this.#entries);
  }

  /** Bytes of all different values stored of records and their batches. */
  get storedBytes(): number {
    const counted = this.#entries.slots.filter(({ range }) => range === "record" || range === "batch");
    return counted.reduce((sum, { values }) => sum + values.reduce((bytes, v) => bytes + v.length, 0), 0);
  }
}
