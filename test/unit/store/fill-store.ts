/**
 * Run on a small file system: `fill-store.ts DIRECTORY`. Writes until nothing goes any more, looks at what is there, makes room, writes
 * again; then leaves no room at all and opens the store. Prints how that went.
 */
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "../../../runtime/base/bytes.ts";
import { TrellisError } from "../../../runtime/base/errors.ts";
import { openStore } from "../../../runtime/store/open-store.io.ts";
import type { Store } from "../../../runtime/store/store.ts";

const directory = process.argv[2] as string;
const [place, ballast, rest] = ["store", "ballast", "rest"].map((n) => join(directory, n)) as [string, string, string];
const outcome: Record<string, unknown> = {};

let written = 0;
const write = async (store: Store): Promise<string> => {
  try {
    await store.commit([{ range: "record", key: utf8(`${written}`), value: new Uint8Array(50_000).fill(written) }]);
    written++;
    return "written";
  } catch (thrown) {
    return thrown instanceof TrellisError ? thrown.code : String(thrown);
  }
};
const missing = async (store: Store): Promise<number> => {
  let count = 0;
  for (let i = 0; i < written; i++) if ((await store.get("record", utf8(`${i}`)))?.[49_999] !== (i & 0xff)) count++;
  return count;
};

writeFileSync(ballast, new Uint8Array(24 * 1024 ** 2));
const { store } = await openStore(place);
for (outcome.full = "written"; outcome.full === "written"; ) outcome.full = await write(store);
outcome.many = written > 50;
outcome.missing = await missing(store);
rmSync(ballast);
outcome.again = await write(store);
outcome.problems = (await store.verify()).problems.length;
await store.close();

// Somebody else takes the last block, under LevelDB's hands as well.
const { store: second } = await openStore(place);
// What LevelDB still tidies up has up to twice its size meanwhile.
for (const until = performance.now() + 30_000; outcome.beforeFill !== "written" && performance.now() < until; ) {
  outcome.beforeFill = await write(second);
  if (outcome.beforeFill === "store/full") await Bun.sleep(20);
}
try {
  const { bavail, bsize } = statfsSync(directory); // what LevelDB does in the background may take some of it meanwhile
  writeFileSync(rest, new Uint8Array(Math.max(0, bavail * bsize - 300_000)));
  for (;;) writeFileSync(rest, new Uint8Array(4096), { flag: "a" });
} catch {
  // no block is left
}
outcome.noRoom = await write(second);
outcome.missingThen = await missing(second);
await second.close();
const { store: third, setAside } = await openStore(place); // by what it has in reserve
outcome.setAside = setAside?.reason ?? "";
outcome.missingStill = await missing(third);
outcome.stillNoRoom = await write(third);
rmSync(rest);
outcome.atLast = await write(third);
outcome.missingAtLast = await missing(third);
await third.close();
console.log(JSON.stringify(outcome));
