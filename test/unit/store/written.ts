/** What `write-store.ts` writes, and whether a store still has it. */
import { expect } from "bun:test";
import { utf8 } from "../../../runtime/base/bytes.ts";
import { openStore } from "../../../runtime/store/open-store.io.ts";

export const KEYS = 64;

/** 100 bytes to 60 kB, mostly small. */
export const sizeOf = (i: number): number =>
  [100, 1_000, 100, 300, 8_000, 100, 2_000, i % 16 === 7 ? 60_000 : 500][i % 8] as number;

/** The acknowledged writes in a child's output. */
export const acks = (text: string): number[] => [...text.matchAll(/^ack (\d+)$/gm)].map((m) => Number(m[1]));

/**
 * Opens the store and fails unless every acknowledged write is there, or a later one of its keys, each whole. Returns the
 * highest write found.
 */
export async function expectAll(directory: string, acknowledged: Iterable<number>): Promise<number> {
  const { store, setAside } = await openStore(directory);
  expect(setAside).toBeUndefined();
  const wanted = new Map<number, number>();
  for (const i of acknowledged) wanted.set(i % KEYS, Math.max(i, wanted.get(i % KEYS) ?? -1));
  let highest = -1;
  for (let key = 0; key < KEYS; key++) {
    const [a, b] = [await store.get("record", utf8(`a${key}`)), await store.get("record", utf8(`b${key}`))];
    if (!a || !b || Buffer.compare(a, b) !== 0) expect([a, b]).toEqual([undefined, undefined]);
    const is = a ? new DataView(a.buffer, a.byteOffset).getFloat64(0) : -1;
    expect(is).toBeGreaterThanOrEqual(wanted.get(key) ?? -1);
    if (a) expect(a.length).toBe(8 + sizeOf(is));
    highest = Math.max(highest, is);
  }
  await store.close();
  return highest;
}
