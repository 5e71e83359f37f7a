/** Values for tests that kill who keeps them: each tells its number, and differs from every other in every part. */

/** Bytes; between them sizes are drawn so that each order of magnitude is as frequent as the next. */
const SMALLEST = 100;
const LARGEST: number = 1024 ** 2;

/** xorshift32: quick, and good enough for bytes that nothing takes for others'. */
function xorshift(seed: number): () => number {
  let state = seed || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** The value with which `writer` made its write `number`. */
export function writtenBy(writer: string, number: number): Uint8Array {
  const next = xorshift(Bun.hash.crc32(`${writer}/${number}`));
  const size = Math.floor(SMALLEST * (LARGEST / SMALLEST) ** (next() / 2 ** 32));
  const value = new Uint8Array(size);
  const view = new DataView(value.buffer);
  for (let at = 0; at + 4 <= size; at += 4) view.setUint32(at, next());
  view.setFloat64(0, number);
  return value;
}

/** Which write of `writer` this is, whole; undefined when it is none. */
export function numberOf(writer: string, value: Uint8Array): number | undefined {
  if (value.length < SMALLEST) return undefined;
  const number = new DataView(value.buffer, value.byteOffset).getFloat64(0);
  return Buffer.compare(value, writtenBy(writer, number)) === 0 ? number : undefined;
}
