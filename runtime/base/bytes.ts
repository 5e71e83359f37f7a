/** Small, allocation-conscious helpers over `Uint8Array`; none of them copies unless its name says so. */

const HEX = /^(?:[0-9a-f]{2})*$/i;
const encoder = new TextEncoder();

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const p of parts) length += p.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** Equality without an early exit on content: safe for secrets and tags. Lengths are public. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

/** Lexicographic order of byte strings: negative, zero or positive. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = (a[i] as number) - (b[i] as number);
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

export const toHex = (bytes: Uint8Array): string => bytes.toHex();

/** Bytes of a hex string, or undefined when it is not one. */
export function fromHex(text: string): Uint8Array | undefined {
  if (!HEX.test(text)) return undefined;
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Text of valid UTF-8, or undefined; a byte order mark is a character like others. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Less than that is not worth a word; small Buffers share their memory with others. */
const LET_GO_FROM = 16 * 1024;
/** What a runtime may allocate beside what it was asked for. */
const SPARE = 16;

/** Gives back the memory of large bytes that nobody reads again; otherwise that waits for a collection. A view of a part of others' bytes is left alone. */
export function letGo(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.length < LET_GO_FROM || !(buffer instanceof ArrayBuffer)) return;
  if (buffer.byteLength - bytes.length <= SPARE) buffer.transfer(0);
}

/** Overwrites secrets that were consumed. The runtime may have copied them; this shortens their life, no more. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const s of secrets) s.fill(0);
}
