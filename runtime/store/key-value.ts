/** What the store asks of an engine: byte strings in order, and batches that count whole or not at all. */

export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Without a value the key goes. */
export interface KeyChange {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** The entries as they were at one moment, whatever was written since; read once, from the first to the last. */
export interface Snapshot {
  /** The next ones in the order of their keys, some of them and at most `limit`; none behind the last. Throws as `get` does, and `store/opened-anew`. */
  next(limit: number): Promise<readonly Entry[]>;
  /** To be called, also after the last entry: until then what is replaced is kept. */
  close(): Promise<void>;
}

export interface KeyValue {
  /** The caller's own. Throws `store/damaged` or `store/read`. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** In the order of their keys, `from` included, `to` not, at most `limit`. Throws as `get` does. */
  scan(from: Uint8Array, to: Uint8Array, limit: number): Promise<readonly Entry[]>;
  /** Of this moment, with every write that has resolved, `from` included, `to` not. */
  snapshot(from: Uint8Array, to: Uint8Array): Snapshot;
  /**
   * All changes or none, of which nothing is referred to later. When it resolves they are on the medium and outlive a power cut; when it throws, each way is
   * possible until `settle` has said. Throws `store/full`, `store/read-only` or `store/write`.
   */
  write(changes: readonly KeyChange[]): Promise<void>;
  /** To be called after a write that threw: what can be read afterwards is what counts. Throws as `write` while the cause lasts. */
  settle(): Promise<void>;
  /** Gives room back that deleted and replaced entries hold. */
  compact(): Promise<void>;
  /** Lets go of what reading has brought into memory. */
  relax(): Promise<void>;
  /** Bytes handed to the medium since it was opened, its own upkeep included. */
  written(): number;
  close(): Promise<void>;
}

/** The first key after every key that begins with `prefix`. */
export const endOf = (prefix: number): Uint8Array => Uint8Array.of(prefix + 1);
