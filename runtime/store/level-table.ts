/**
 * Tables of LevelDB (https://github.com/google/leveldb, doc/table_format.md), read without it: whether one is what was written, and what can
 * be read of one that is not. LevelDB checks no block that it reads: with one bit changed in an index or a filter it does not find an
 * entry that is there, and with others it ends the process.
 */
import { crc32c } from "./crc.ts";
import { unmask, Varints } from "./level-bytes.ts";

const FOOTER = 48;
const MAGIC = 0xdb47_7524_8b80_fb57n;
/** Type of compression and checksum behind each block. */
const TRAILER = 5;
const UNCOMPRESSED = 0;

interface Handle {
  readonly at: number;
  readonly size: number;
}

/** An entry with the number of the write that made it; without a value it says that the key is gone. */
export interface Versioned {
  readonly key: Uint8Array;
  readonly sequence: bigint;
  readonly value: Uint8Array | undefined;
}

/** `file`: all bytes of one. Every block against its CRC-32C, those that indexes name included. */
export function isWholeTable(file: Uint8Array): boolean {
  return footerOf(file).every((handle) => {
    const block = handle && blockAt(file, handle);
    if (!block) return false;
    const inner = pairsIn(block).map(({ value }) => handleIn(value));
    return inner.every((h) => h !== undefined && blockAt(file, h) !== undefined);
  });
}

/** Entries of all data blocks that are whole. The index is believed as far as it leads to such blocks. */
export function* readTable(file: Uint8Array): Generator<Versioned> {
  const [, index] = footerOf(file);
  if (!index || index.at + index.size > file.length) return;
  for (const { value: handle } of pairsIn(file.subarray(index.at, index.at + index.size))) {
    const at = handleIn(handle);
    const block = at && blockAt(file, at);
    if (block) for (const { key, value } of pairsIn(block)) if (key.length >= 8) yield versioned(key, value);
  }
}

/** What the keys of a table end with: number of the write, and whether it made or removed. */
function versioned(key: Uint8Array, value: Uint8Array): Versioned {
  const tail = new DataView(key.buffer, key.byteOffset + key.length - 8, 8).getBigUint64(0, true);
  const made = (tail & 0xffn) === 1n;
  return { key: key.subarray(0, key.length - 8), sequence: tail >> 8n, value: made ? value : undefined };
}

/** Where the index of indexes and the index of data stand; undefined for what is not a handle. */
function footerOf(file: Uint8Array): readonly [Handle | undefined, Handle | undefined] {
  const end = file.length - FOOTER;
  if (end < 0) return [undefined, undefined];
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (view.getBigUint64(file.length - 8, true) !== MAGIC) return [undefined, undefined];
  const reader = new Varints(file, end);
  return [handleFrom(reader), handleFrom(reader)];
}

/** The block's content, or undefined when it is not what its checksum says. */
function blockAt(file: Uint8Array, { at, size }: Handle): Uint8Array | undefined {
  if (at + size + TRAILER > file.length || file[at + size] !== UNCOMPRESSED) return undefined;
  const kept = new DataView(file.buffer, file.byteOffset + at + size + 1, 4).getUint32(0, true);
  return crc32c(file.subarray(at, at + size + 1)) === unmask(kept) ? file.subarray(at, at + size) : undefined;
}

/** Keys share their beginning with the one before; ends where the block makes no sense any more. */
function pairsIn(block: Uint8Array): readonly { readonly key: Uint8Array; readonly value: Uint8Array }[] {
  if (block.length < 4) return [];
  const restarts = new DataView(block.buffer, block.byteOffset + block.length - 4, 4).getUint32(0, true);
  const end = block.length - 4 - 4 * restarts;
  const out: { key: Uint8Array; value: Uint8Array }[] = [];
  const reader = new Varints(block, 0);
  let before: Uint8Array = new Uint8Array(0);
  while (reader.at < end) {
    const [shared, unshared, length] = [reader.next(), reader.next(), reader.next()];
    if (shared === undefined || unshared === undefined || length === undefined || shared > before.length) break;
    const rest = reader.take(unshared);
    const value = reader.take(length);
    if (!rest || !value || reader.at > end) break;
    const key = new Uint8Array(shared + unshared);
    key.set(before.subarray(0, shared));
    key.set(rest, shared);
    out.push({ key, value });
    before = key;
  }
  return out;
}

const handleIn = (value: Uint8Array): Handle | undefined => handleFrom(new Varints(value, 0));

function handleFrom(reader: Varints): Handle | undefined {
  const [at, size] = [reader.next(), reader.next()];
  return at === undefined || size === undefined ? undefined : { at, size };
}
