/** `just bench [NAME...] [--save]`: runs `bench/NAME.bench.ts --json build/bench/NAME.json`, all of them by default, then the report. */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const SUFFIX = ".bench.ts";
const { values, positionals } = parseArgs({ options: { save: { type: "boolean" } }, allowPositionals: true });
const known = readdirSync(import.meta.dir).flatMap((f) => (f.endsWith(SUFFIX) ? [f.slice(0, -SUFFIX.length)] : []));
const unknown = positionals.find((name) => !known.includes(name));
if (unknown !== undefined) {
  console.error(`error: no bench "${unknown}"\nhint: ${known.join(", ")}`);
  process.exit(2);
}

const OUT = join(import.meta.dir, "../build/bench");
mkdirSync(OUT, { recursive: true });
const run = (...args: string[]): Promise<number> =>
  Bun.spawn([process.execPath, ...args], { stdio: ["ignore", "inherit", "inherit"] }).exited;

let failed = false;
for (const name of positionals.length > 0 ? positionals : known) {
  console.log(`\n${name}`);
  const code = await run(join(import.meta.dir, `${name}${SUFFIX}`), "--json", join(OUT, `${name}.json`));
  if (code !== 0) failed = true;
}
console.log("");
const report = await run(join(import.meta.dir, "report.ts"), ...(values.save ? ["--save"] : []));
process.exit(failed ? 1 : report);
