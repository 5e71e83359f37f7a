/**
 * Writes to a store until it is killed, or `COUNT` times, and tells each write once it was acknowledged: `write-store.ts
 * DIRECTORY FIRST [COUNT] [REOPENS]`. Write i puts i into two entries, so that half a write shows.
 */
import { writeSync } from "node:fs";
import { utf8 } from "../../../runtime/base/bytes.ts";
import { openStore } from "../../../runtime/store/open-store.io.ts";
import type { Change } from "../../../runtime/store/store.ts";
import { KEYS, sizeOf } from "./written.ts";

const [directory, first, count = "Infinity", reopens = "0"] = process.argv.slice(2) as [string, string, string, string];

const pair = (i: number): Change[] =>
  ["a", "b"].map((side) => {
    const value = new Uint8Array(8 + sizeOf(i)).fill(i & 0xff);
    new DataView(value.buffer).setFloat64(0, i);
    return { range: "record", key: utf8(`${side}${i % KEYS}`), value };
  });

let next = Number(first);
for (let round = 0; round <= Number(reopens); round++) {
  const { store, setAside } = await openStore(directory);
  if (setAside) throw new Error(`set aside: ${setAside.reason}`);
  const lane = async (): Promise<void> => {
    while (next < Number(first) + ((round + 1) * Number(count)) / (Number(reopens) + 1)) {
      const i = next++;
      await store.commit(pair(i));
      writeSync(1, `ack ${i}\n`);
    }
  };
  await Promise.all(Array.from({ length: 4 }, lane));
  await store.close();
}
