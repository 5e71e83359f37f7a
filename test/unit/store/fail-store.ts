/**
 * Run where no file may be larger than 600 kB: `fail-store.ts DIRECTORY`. LevelDB's log fails in the middle of a write, again and again; prints how
 * many writes failed, and how many that were acknowledged are missing in the end.
 */
import { utf8 } from "../../../runtime/base/bytes.ts";
import { TrellisError } from "../../../runtime/base/errors.ts";
import { openStore } from "../../../runtime/store/open-store.io.ts";

const directory = process.argv[2] as string;
const { store } = await openStore(directory);
const acknowledged: number[] = [];
const failed = new Set<string>();
let failures = 0;
for (let i = 0; i < 100; i++) {
  try {
    await store.commit([{ range: "record", key: utf8(`${i}`), value: new Uint8Array(40_000).fill(i) }]);
    acknowledged.push(i);
  } catch (thrown) {
    failures++;
    failed.add(thrown instanceof TrellisError ? thrown.code : String(thrown));
  }
}
const { problems } = await store.verify();
await store.close();
const again = await openStore(directory);
let missing = 0;
for (const i of acknowledged) if ((await again.store.get("record", utf8(`${i}`)))?.[39_999] !== i) missing++;
await again.store.close();
console.log(
  JSON.stringify({
    failed: [...failed],
    some: failures > 2,
    others: acknowledged.length > 20,
    missing,
    problems,
    setAside: again.setAside?.reason ?? "",
  }),
);
