/**
 * A store as one stream of bytes, to keep or to move: head (8 bytes, with a version), then for each entry range (u8), length of the key (u8), of
 * the value (u32be), key, value; at the end 255 and the CRC-32 of all before. It holds group keys in clear: a secret.
 */
import { ByteReader } from "../base/byte-reader.ts";
import { concat, equal, utf8 } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import { crc32 } from "./crc.ts";
import { RANGES, rangeOf } from "./ranges.ts";
import type { Change, Store, StoreSnapshot } from "./store.ts";

const HEAD = concat(utf8("TRSTORE"), Uint8Array.of(1));
const END = 255;
/** Of an entry's head behind its range: both lengths. */
const LENGTHS = 5;
/** A commit of an import takes no more than the one or, but for its last entry, the other. */
const SLICE = 200;
const SLICE_BYTES = 1024 ** 2;

export async function* exportStore(snapshot: StoreSnapshot): AsyncGenerator<Uint8Array> {
  let sum = 0;
  const summed = (part: Uint8Array): Uint8Array => {
    sum = crc32(part, sum);
    return part;
  };
  yield summed(HEAD);
  for (;;) {
    const slice = await snapshot.next(SLICE);
    if (slice.length === 0) break;
    const entries = slice.flatMap(({ range, key, value }) => [
      Uint8Array.of(RANGES[range].prefix, key.length),
      u32(value.length),
      key,
      value,
    ]);
    yield summed(concat(...entries));
  }
  yield summed(Uint8Array.of(END));
  yield u32(sum);
}

/** The entries of an archive, to be taken for what they are only when the last has come. Throws `store/archive` when it is not whole. */
export async function* readArchive(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Change> {
  const reader = new ByteReader(archive);
  try {
    yield* readEntries(reader);
  } finally {
    await reader.close();
  }
}

async function* readEntries(reader: ByteReader): AsyncGenerator<Change> {
  let sum = 0;
  const take = async (length: number): Promise<Uint8Array> => {
    const taken = await reader.take(length);
    if (!taken) throw notWhole();
    sum = crc32(taken, sum);
    return taken;
  };
  if (!equal(await take(HEAD.length), HEAD)) throw notWhole();
  for (;;) {
    const prefix = await take(1);
    if (prefix[0] === END) break;
    const range = rangeOf(prefix);
    const lengths = await take(LENGTHS);
    const keyLength = lengths[0] as number;
    const valueLength = new DataView(lengths.buffer, lengths.byteOffset).getUint32(1);
    if (!range || keyLength > RANGES[range].keyMax || valueLength > RANGES[range].valueMax) throw notWhole();
    const entry = await take(keyLength + valueLength);
    yield { range, key: entry.subarray(0, keyLength), value: entry.subarray(keyLength) };
  }
  const told = await reader.take(4);
  if (!told || !equal(told, u32(sum)) || !(await reader.atEnd())) throw notWhole();
}

/**
 * Writes an archive's entries over those that are there, and gives their number. Throws as `readArchive` and as `commit`: then some are written, so what
 * holds entries already is to be spared by reading the archive before.
 */
export async function importStore(store: Store, archive: AsyncIterable<Uint8Array>): Promise<number> {
  let count = 0;
  let bytes = 0;
  let slice: Change[] = [];
  for await (const entry of readArchive(archive)) {
    slice.push(entry);
    count++;
    bytes += entry.value?.length ?? 0;
    if (slice.length < SLICE && bytes < SLICE_BYTES) continue;
    await store.commit(slice);
    slice = [];
    bytes = 0;
  }
  await store.commit(slice);
  return count;
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}

const notWhole = (): TrellisError =>
  new TrellisError("store/archive", "this is no whole archive of a store", {
    hint: "`trellis store export` makes one",
  });
