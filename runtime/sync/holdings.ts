/** The records that this gateway holds: in the store, durable, and an index of them in memory. The two change together or not at all. */
import { toHex } from "../base/bytes.ts";
import { RecentHex } from "../base/recent-hex.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { Change, RecordStore, Urgency } from "../store/store.ts";
import type { Decoding } from "./decoding.ts";
import { IdTree } from "./id-tree.ts";
import type { KindName } from "./kinds.ts";
import { RecordSet } from "./merge.ts";
import { type Batch, decodeStored, encodeStored, idOfHash, leafHash, type Rec, type Stored, slotOf } from "./record.ts";

/** A record in the index. */
export interface Held {
  readonly id: string;
  readonly kind: KindName;
  readonly author: Uint8Array;
  /** Its key, as hex. */
  readonly keyName: string;
  readonly version: number;
  /** Ids of its batch, its epoch and its chunks, hex. */
  readonly batch: string;
  readonly epoch: string | undefined;
  readonly chunks: readonly string[] | undefined;
  readonly deleted: boolean;
}

/** A record whose proof and signature hold. */
export interface Arrival {
  readonly record: Rec;
  readonly batch: Batch;
  readonly index: number;
  readonly path: readonly Uint8Array[];
}

/** What is stored of a record. */
export interface Kept {
  readonly held: Held;
  readonly stored: Stored;
  /** The leaf of its batch's tree. */
  readonly hash: Uint8Array;
}

export interface Moved {
  readonly added: readonly Held[];
  readonly dropped: readonly Held[];
}

const SLICE = 500;

/** Counts references; what nothing refers to any more goes. */
class References {
  readonly #counts = new Map<string, { readonly name: string; count: number }>();
  readonly #hex = new RecentHex();

  /** Hex: one string for all that refer to the same. */
  name(id: Uint8Array): string {
    const hex = this.#hex.of(id);
    return this.#counts.get(hex)?.name ?? hex;
  }

  has(name: string): boolean {
    return this.#counts.has(name);
  }

  change(name: string, by: number): void {
    const row = this.#counts.get(name) ?? { name, count: 0 };
    row.count += by;
    if (row.count === 0) this.#counts.delete(name);
    else this.#counts.set(name, row);
  }
}

export class Holdings {
  readonly #crypto: CryptoProvider;
  readonly #store: RecordStore;
  readonly #decoding: Decoding;
  readonly #set = new RecordSet<Held>();
  readonly #authors = new Map<string, Uint8Array>();
  readonly #hex = new RecentHex();
  readonly #batches = new References();
  readonly #chunks = new References();
  readonly #epochs = new References();
  readonly tree: IdTree<Held>;

  private constructor(crypto: CryptoProvider, store: RecordStore, decoding: Decoding) {
    this.#crypto = crypto;
    this.#store = store;
    this.#decoding = decoding;
    this.tree = new IdTree(crypto);
  }

  /** Reads the index from the store; what has lost its batch or its chunks, or is none by this release's table, goes. */
  static async load(crypto: CryptoProvider, store: RecordStore, decoding: Decoding): Promise<Holdings> {
    const holdings = new Holdings(crypto, store, decoding);
    await holdings.#load();
    return holdings;
  }

  get size(): number {
    return this.#set.size;
  }

  get(author: Uint8Array, kind: KindName, key: Uint8Array): Held | undefined {
    return this.#set.get(author, kind, toHex(key));
  }

  byId(id: string): Held | undefined {
    return this.tree.get(id);
  }

  /** Of one author and kind, in no order. */
  group(author: Uint8Array, kind: KindName): Iterable<Held> {
    return this.#set.group(author, kind);
  }

  count(author: Uint8Array, kind: KindName): number {
    return this.#set.count(author, kind);
  }

  /** Every author that a record is held of, once. */
  authors(): Iterable<Uint8Array> {
    return this.#authors.values();
  }

  [Symbol.iterator](): Iterator<Held> {
    return this.tree[Symbol.iterator]();
  }

  would(record: Rec): "added" | "known" | "older" {
    return this.#set.would(record);
  }

  hasBatch(id: Uint8Array): boolean {
    return this.#batches.has(toHex(id));
  }

  usesEpoch(id: string): boolean {
    return this.#epochs.has(id);
  }

  usesChunk(hash: string): boolean {
    return this.#chunks.has(hash);
  }

  /** What is stored of a record; undefined when it is not held. Throws what the store throws. */
  async stored(id: string): Promise<Kept | undefined> {
    const held = this.tree.get(id);
    if (!held) return undefined;
    const slot = slotOf(this.#crypto, held.author, held.kind, Uint8Array.fromHex(held.keyName));
    const data = await this.#store.get("record", slot);
    const stored = data && decodeStored(data);
    const hash = stored && leafHash(this.#crypto, held.author, stored.encoded);
    // A write that failed and was durable all the same leaves another record in the slot until the next start.
    return hash && idOfHash(hash) === id ? { held, stored, hash } : undefined;
  }

  /** A batch that a record is held of. */
  async batch(id: Uint8Array): Promise<Batch | undefined> {
    const signed = this.hasBatch(id) ? await this.#store.get("batch", id) : undefined;
    return signed && this.#decoding.batch(signed);
  }

  chunk(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#store.get("chunk", hash);
  }

  /** Keeps chunks of a record that is still to be added. */
  keepChunks(chunks: readonly { readonly hash: Uint8Array; readonly bytes: Uint8Array }[]): Promise<void> {
    return this.#store.commit(chunks.map(({ hash, bytes }) => ({ range: "chunk", key: hash, value: bytes })));
  }

  forgetChunks(hashes: readonly string[]): Promise<void> {
    const unused = hashes.filter((hash) => !this.#chunks.has(hash));
    return this.#store.commit(
      unused.map((hash) => ({ range: "chunk", key: Uint8Array.fromHex(hash), value: undefined })),
    );
  }

  /** Merges records in. Durable when it resolves; throws what the store throws, and nothing has changed then. */
  async add(arrivals: readonly Arrival[], urgency: Urgency, more: readonly Change[] = []): Promise<Moved> {
    const added = new Map<string, { held: Held; arrival: Arrival }>();
    const dropped = new Map<string, Held>();
    for (const arrival of arrivals) {
      const held = this.#held(arrival);
      const merged = this.#set.add(held);
      if (merged.outcome !== "added") continue;
      added.set(held.id, { held, arrival });
      // What came and went in one call was never there.
      for (const gone of merged.dropped) if (!added.delete(gone.id)) dropped.set(gone.id, gone);
    }
    const moved = { added: [...added.values()].map((a) => a.held), dropped: [...dropped.values()] };
    const batches = new Map<string, Batch>();
    // The signature of a batch that is here stays the one that was verified.
    for (const { held, arrival } of added.values())
      if (!this.#batches.has(held.batch)) batches.set(held.batch, arrival.batch);
    this.#index(moved);
    try {
      const changes = [...this.#removals(moved.dropped), ...this.#additions(added.values(), batches.values())];
      await this.#store.commit([...changes, ...more], urgency);
    } catch (thrown) {
      this.#undo(moved);
      throw thrown;
    }
    return moved;
  }

  /** Throws what the store throws, and nothing has changed then. */
  async remove(gone: readonly Held[]): Promise<void> {
    const moved = { added: [], dropped: gone };
    for (const held of gone) this.#set.remove(held);
    this.#index(moved);
    try {
      await this.#store.commit(this.#removals(gone));
    } catch (thrown) {
      this.#undo(moved);
      throw thrown;
    }
  }

  #undo({ added, dropped }: Moved): void {
    for (const held of added) this.#set.remove(held);
    for (const held of dropped) this.#set.add(held);
    this.#index({ added: dropped, dropped: added });
  }

  #index({ added, dropped }: Moved): void {
    for (const held of dropped) {
      this.tree.delete(held.id);
      this.#refer(held, -1);
    }
    for (const held of added) {
      this.tree.add(held);
      this.#refer(held, 1);
    }
  }

  #refer({ batch, epoch, chunks }: Held, by: number): void {
    this.#batches.change(batch, by);
    if (epoch) this.#epochs.change(epoch, by);
    for (const chunk of chunks ?? []) this.#chunks.change(chunk, by);
  }

  /** What goes with these, once the index stands as it shall be. */
  #removals(dropped: readonly Held[]): Change[] {
    const changes: Change[] = [];
    const gone = (range: Change["range"], key: Uint8Array): void => {
      changes.push({ range, key, value: undefined });
    };
    for (const { author, kind, keyName, batch, chunks } of dropped) {
      gone("record", slotOf(this.#crypto, author, kind, Uint8Array.fromHex(keyName)));
      if (!this.#batches.has(batch)) gone("batch", Uint8Array.fromHex(batch));
      for (const chunk of chunks ?? []) if (!this.#chunks.has(chunk)) gone("chunk", Uint8Array.fromHex(chunk));
    }
    return changes;
  }

  /** To be made behind the removals: a record may stand where an older one goes. */
  *#additions(added: Iterable<{ readonly arrival: Arrival }>, batches: Iterable<Batch>): Generator<Change> {
    for (const { arrival } of added) {
      const { record, batch, index, path } = arrival;
      const key = slotOf(this.#crypto, record.author, record.kind, record.leaf.key);
      yield { range: "record", key, value: encodeStored({ batch: batch.id, index, path, encoded: record.encoded }) };
    }
    for (const { id, encoded } of batches) yield { range: "batch", key: id, value: encoded };
  }

  #held({ record, batch }: Pick<Arrival, "record" | "batch">): Held {
    const { id, kind, keyName, version, leaf } = record;
    return this.#decoding.held({
      id,
      kind,
      author: this.#author(record.author),
      keyName,
      version,
      batch: this.#batches.name(batch.id),
      epoch: leaf.epoch && this.#epochs.name(leaf.epoch),
      chunks: leaf.chunks?.map(toHex),
      deleted: leaf.body === undefined && leaf.chunks === undefined,
    });
  }

  /** One copy of each author's id, however many records there are. */
  #author(id: Uint8Array): Uint8Array {
    const hex = this.#hex.of(id);
    const known = this.#authors.get(hex);
    if (!known) this.#authors.set(hex, id);
    return known ?? id;
  }

  async #load(): Promise<void> {
    const batches = new Map<string, Batch>();
    for await (const { key, value } of entries(this.#store, "batch")) {
      const batch = this.#decoding.batch(value);
      if (batch) batches.set(toHex(key), { ...batch, author: this.#author(batch.author), encoded: EMPTY });
    }
    const chunks = new Set<string>();
    for await (const { key } of entries(this.#store, "chunk")) chunks.add(toHex(key));
    const gone: Change[] = [];
    for await (const { key, value } of entries(this.#store, "record"))
      if (!this.#restore(decodeStored(value), batches, chunks)) gone.push({ range: "record", key, value: undefined });
    for (const id of batches.keys())
      if (!this.#batches.has(id)) gone.push({ range: "batch", key: Uint8Array.fromHex(id), value: undefined });
    for (const hash of chunks)
      if (!this.#chunks.has(hash)) gone.push({ range: "chunk", key: Uint8Array.fromHex(hash), value: undefined });
    if (gone.length > 0) await this.#store.commit(gone);
    await this.#store.relax();
  }

  #restore(stored: Stored | undefined, batches: ReadonlyMap<string, Batch>, chunks: ReadonlySet<string>): boolean {
    const batch = stored && batches.get(toHex(stored.batch));
    const record = stored && batch && this.#decoding.record(batch.author, stored.encoded);
    if (!stored || !batch || !record) return false;
    const held = this.#held({ record, batch });
    if (held.chunks?.some((c) => !chunks.has(c)) || this.#set.add(held).outcome !== "added") return false;
    this.#index({ added: [held], dropped: [] });
    return true;
  }
}

const EMPTY = new Uint8Array(0);

async function* entries(
  store: RecordStore,
  range: Change["range"],
): AsyncGenerator<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
  let behind: Uint8Array | undefined;
  for (;;) {
    const slice = await store.list(range, SLICE, behind);
    yield* slice;
    behind = slice.at(-1)?.key;
    if (slice.length < SLICE) return;
  }
}
