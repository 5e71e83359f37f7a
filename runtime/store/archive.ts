/**
 * A store as one string of bytes, to keep or to move: head (8 bytes, with a version), then for each entry range (u8), length of the key (u8), of
 * the value (u32be), key, value; at the end 255 and the CRC-32 of all before. It holds group keys in clear: a secret.
 */
import { concat, equal, utf8 } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import { crc32 } from "./crc.ts";
import { RANGE_NAMES, RANGES, type RangeName, rangeOf } from "./ranges.ts";
import type { Change, Store } from "./store.ts";

const HEAD = concat(utf8("TRSTORE"), Uint8Array.of(1));
const END = 255;
const SLICE = 200;
const ENTRY_HEAD = 6;

export async function* exportStore(store: Store): AsyncGenerator<Uint8Array> {
  let sum = 0;
  const summed = (part: Uint8Array): Uint8Array => {
    sum = crc32(part, sum);
    return part;
  };
  yield summed(HEAD);
  for (const range of RANGE_NAMES) for await (const part of exportRange(store, range)) yield summed(part);
  yield summed(Uint8Array.of(END));
  yield u32(sum);
}

async function* exportRange(store: Store, range: RangeName): AsyncGenerator<Uint8Array> {
  let behind: Uint8Array | undefined;
  for (;;) {
    const slice = await store.list(range, SLICE, behind);
    for (const { key, value } of slice) {
      const head = Uint8Array.of(RANGES[range].prefix, key.length);
      yield concat(head, u32(value.length), key, value);
    }
    behind = slice.at(-1)?.key;
    if (slice.length < SLICE) return;
  }
}

/** Writes an archive's entries over those that are there; nothing when it is not whole. Throws `store/archive` and as `commit`. */
export async function importStore(store: Store, archive: Uint8Array): Promise<number> {
  const end = archive.length - 4;
  const whole = end > HEAD.length && equal(archive.subarray(0, HEAD.length), HEAD) && archive[end - 1] === END;
  if (!whole || !equal(u32(crc32(archive.subarray(0, end))), archive.subarray(end))) throw notWhole();
  const view = new DataView(archive.buffer, archive.byteOffset, archive.length);
  let count = 0;
  let slice: Change[] = [];
  for (let at = HEAD.length; at < end - 1; count++) {
    const range = rangeOf(archive.subarray(at, at + 1));
    if (!range) throw notWhole();
    const [keyLength, valueLength] = [archive[at + 1] as number, view.getUint32(at + 2)];
    const key = archive.subarray(at + ENTRY_HEAD, at + ENTRY_HEAD + keyLength);
    at += ENTRY_HEAD + keyLength + valueLength;
    if (at > end - 1) throw notWhole();
    slice.push({ range, key, value: archive.subarray(at - valueLength, at) });
    if (slice.length === SLICE) await store.commit(slice);
    if (slice.length === SLICE) slice = [];
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
