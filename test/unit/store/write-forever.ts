/** Writes one file again and again until it is killed: `write-forever.ts DIRECTORY SIZE`. */
import { join } from "node:path";
import { writeAtomic } from "../../../runtime/store/atomic.io.ts";

const [directory, size] = process.argv.slice(2) as [string, string];
for (let value = 0; ; value = (value + 1) & 0xff) {
  await writeAtomic(join(directory, "keys"), new Uint8Array(Number(size)).fill(value));
  if (value === 0) console.log("written");
}
