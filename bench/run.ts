/**
 * `just bench [NAME...] [--save] [OPTION...]`: runs `bench/NAME.bench.ts --json build/bench/NAME.json`, all of them by default, then the
 * report. What else is given goes to the benches: `just bench peers --rounds 1 --peers trellis,nebula`.
 */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

const SUFFIX = ".bench.ts";
const given = process.argv.slice(2);
const names = given.slice(0, given.findIndex((word) => word.startsWith("--")) >>> 0);
const save = given.includes("--save");
const options = given.slice(names.length).filter((word) => word !== "--save");
const known = readdirSync(import.meta.dir).flatMap((f) => (f.endsWith(SUFFIX) ? [f.slice(0, -SUFFIX.length)] : []));
const unknown = names.find((name) => !known.includes(name));
if (unknown !== undefined) {
  console.error(`error: no bench "${unknown}"\nhint: ${known.join(", ")}`);
  process.exit(2);
}

const OUT = join(import.meta.dir, "../build/bench");
mkdirSync(OUT, { recursive: true });
const run = (...args: string[]): Promise<number> =>
  Bun.spawn([process.execPath, ...args], { stdio: ["ignore", "inherit", "inherit"] }).exited;

let failed = false;
for (const name of names.length > 0 ? names : known) {
  console.log(`\n${name}`);
  const code = await run(join(import.meta.dir, `${name}${SUFFIX}`), "--json", join(OUT, `${name}.json`), ...options);
  if (code !== 0) failed = true;
}
console.log("");
const report = await run(join(import.meta.dir, "report.ts"), ...(save ? ["--save"] : []));
process.exit(failed ? 1 : report);
