/** Run on a file system of 64 kB: writes what fits, then what does not, and prints how that went. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { TrellisError } from "../../../runtime/base/errors.ts";
import { readOptional, writeAtomic } from "../../../runtime/store/atomic.io.ts";

const directory = process.argv[2] as string;
const path = join(directory, "keys");
try {
  await writeAtomic(path, new Uint8Array(1000).fill(1));
  await writeAtomic(path, new Uint8Array(100_000).fill(2));
} catch (thrown) {
  const { code, hint } = thrown instanceof TrellisError ? thrown : { code: String(thrown), hint: undefined };
  const content = await readOptional(path);
  const old = content?.length === 1000 && content.every((b) => b === 1);
  console.log(JSON.stringify({ code, hint, left: readdirSync(directory), old }));
}
