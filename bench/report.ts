/**
 * Prints the table of claims from what the benches left in `build/bench/*.json` (arrays of rows) and fails when a claim does
 * not hold. `--save` keeps the figures in `bench/results.json` and writes them into the README; those of benches that did not run stay,
 * with the name of the machine that they are of. `bun bench/report.ts [--save]`
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { CLAIMS } from "./claims.ts";
import { broken, type Results, type Row, savedWith, tableOf, withTable } from "./table.ts";

const ROOT = join(import.meta.dir, "..");
export const RESULTS = join(ROOT, "bench/results.json");
export const README = join(ROOT, "README.md");

function measured(): Row[] {
  const folder = join(ROOT, "build/bench");
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return files.flatMap((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Row[]);
}

const machine = (): string => `${cpus().length} x ${cpus()[0]?.model ?? process.arch}, Linux ${release()}`;

function main(save: boolean): number {
  const results: Results = { machine: machine(), rows: measured() };
  if (results.rows.length === 0) {
    console.error("error: nothing was measured yet\nhint: npx --yes rust-just bench crypto");
    return 2;
  }
  const table = tableOf(CLAIMS, [results]);
  console.log(table);
  const wrong = broken(CLAIMS, results.rows);
  for (const line of wrong) console.error(`does not hold: ${line}`);
  if (save && wrong.length === 0) {
    const saved = savedWith(CLAIMS, results, JSON.parse(readFileSync(RESULTS, "utf8")) as Results[]);
    writeFileSync(RESULTS, `${JSON.stringify(saved, null, 2)}\n`);
    const readme = withTable(readFileSync(README, "utf8"), tableOf(CLAIMS, saved));
    if (readme !== undefined) writeFileSync(README, readme);
  }
  return wrong.length > 0 ? 1 : 0;
}

if (import.meta.main) process.exit(main(process.argv.includes("--save")));
