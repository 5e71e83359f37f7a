/**
 * Whether a table of LevelDB (its table format, https://github.com/google/leveldb) is what was written: every block against its
 * CRC-32C. LevelDB itself checks none when it reads: with one bit changed in an index or a filter, an entry that is there
 * would not be found.
 */

const FOOTER = 48;
const MAGIC = 0xdb47_7524_8b80_fb57n;
/** Type of compression and checksum behind each block. */
const TRAILER = 5;
const MASK_DELTA = 0xa282_ead8;

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f6_3b78 : c >>> 1;
  return c;
});

/** CRC-32C (Castagnoli), u32. */
export function crc32c(data: Uint8Array): number {
  let c = 0xffff_ffff;
  for (let i = 0; i < data.length; i++) c = (TABLE[(c ^ (data[i] as number)) & 0xff] as number) ^ (c >>> 8);
  return ~c >>> 0;
}

interface Handle {
  readonly at: number;
  readonly size: number;
}

/** `file`: all bytes of one. Tables whose blocks are compressed are judged by their checksums alone, as all others. */
export function isWholeTable(file: Uint8Array): boolean {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const end = file.length - FOOTER;
  if (end < 0 || view.getBigUint64(file.length - 8, true) !== MAGIC) return false;
  const reader = new Varints(file, end);
  const [meta, index] = [reader.handle(), reader.handle()];
  return [meta, index].every((handle) => {
    const block = handle && blockAt(file, handle);
    return block !== undefined && handlesIn(block)?.every((inner) => blockAt(file, inner) !== undefined) === true;
  });
}

/** The block's content, or undefined when it is not what its checksum says. */
function blockAt(file: Uint8Array, { at, size }: Handle): Uint8Array | undefined {
  if (at + size + TRAILER > file.length) return undefined;
  const crc = crc32c(file.subarray(at, at + size + 1));
  const masked = (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
  const kept = new DataView(file.buffer, file.byteOffset + at + size + 1, 4).getUint32(0, true);
  return masked === kept ? file.subarray(at, at + size) : undefined;
}

/** What an index refers to: its entries' values. */
function handlesIn(block: Uint8Array): readonly Handle[] | undefined {
  if (block.length < 4) return undefined;
  const restarts = new DataView(block.buffer, block.byteOffset + block.length - 4, 4).getUint32(0, true);
  const end = block.length - 4 - 4 * restarts;
  const out: Handle[] = [];
  const reader = new Varints(block, 0);
  while (reader.at < end) {
    const [, unshared, length] = [reader.next(), reader.next(), reader.next()];
    if (unshared === undefined || length === undefined) return undefined;
    reader.at += unshared;
    const next = reader.at + length;
    const handle = reader.handle();
    if (!handle) return undefined;
    out.push(handle);
    reader.at = next;
  }
  return out;
}

class Varints {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  next(): number | undefined {
    let value = 0;
    for (let shift = 1; shift < 2 ** 42; shift *= 128) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  handle(): Handle | undefined {
    const [at, size] = [this.next(), this.next()];
    return at === undefined || size === undefined ? undefined : { at, size };
  }
}
