/**
 * Remembers what was made from a byte array (an imported key, an expanded seed), for as long as the array itself lives.
 * A hit compares content too: an array that was wiped or reused for another key never yields the old one.
 */
import { equal } from "../base/bytes.ts";

interface Entry<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

/** `make` with its results kept. Failures are not kept: a thrown error or a rejection is met again. */
export function keyCache<T>(make: (bytes: Uint8Array) => T): (bytes: Uint8Array) => T {
  const entries = new WeakMap<Uint8Array, Entry<T>>();
  return (bytes) => {
    const known = entries.get(bytes);
    if (known && equal(known.bytes, bytes)) return known.value;
    const copy = bytes.slice(); // made from the copy: what is asynchronous may outlive the caller's array
    const value = make(copy);
    entries.set(bytes, { bytes: copy, value });
    if (value instanceof Promise) value.catch(() => entries.delete(bytes));
    return value;
  };
}
