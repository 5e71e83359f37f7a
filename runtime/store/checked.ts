/**
 * Values with a checksum over key and value. Engines check their blocks, but not on every way that bytes take; an entry
 * that rotted, or stands under another key, must not be taken for what was stored.
 */
import { concat } from "../base/bytes.ts";
import { crc32 } from "./crc.ts";

const SUM_LENGTH = 4;

const sumOf = (key: Uint8Array, value: Uint8Array): number => crc32(value, crc32(key));

/** Checksum (u32be) ‖ value. */
export function seal(key: Uint8Array, value: Uint8Array): Uint8Array {
  const head = new Uint8Array(SUM_LENGTH);
  new DataView(head.buffer).setUint32(0, sumOf(key, value));
  return concat(head, value);
}

/** The value (a view), or undefined when it is not what was sealed under this key. */
export function unseal(key: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < SUM_LENGTH) return undefined;
  const value = sealed.subarray(SUM_LENGTH);
  return checksum(sealed) === sumOf(key, value) ? value : undefined;
}

/** The checksum that a sealed value carries. */
export const checksum = (sealed: Uint8Array): number =>
  new DataView(sealed.buffer, sealed.byteOffset, SUM_LENGTH).getUint32(0);
