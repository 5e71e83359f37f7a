/** `just test`: every suite, a line each, then the coverage of the pure cores and the totals. `--suite a,b`, `--verbose`. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { addLcov, addUntouched, type Coverage, percent, shares } from "./help/coverage.ts";
import { failures } from "./help/failures.ts";
import { type Counts, countJunit } from "./help/junit.ts";
import { SUITES, type Suite } from "./help/suites.ts";

const WANTED_COVERAGE = 95;
const { values: options } = parseArgs({ options: { suite: { type: "string" }, verbose: { type: "boolean" } } });
const chosen = options.suite?.split(",");
const unknown = chosen?.find((name) => !SUITES.some((s) => s.name === name));
if (unknown) {
  console.error(`error: no suite "${unknown}"\nhint: ${SUITES.map((s) => s.name).join(", ")}`);
  process.exit(2);
}

const OUT = "build/test";
rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
const coverage: Coverage = new Map();
const total = { passed: 0, failed: 0, skipped: 0 };
/** Said again at the end: of a long run often only that is kept. */
const failed: string[] = [];
const SAID_AGAIN = 10;

async function run(command: readonly string[]): Promise<{ ok: boolean; output: string }> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { ok: code === 0, output: out + err };
}

async function runFolder(suite: Suite, folder: string): Promise<{ counts: Counts; output: string }> {
  const report = `${OUT}/${suite.name}.xml`;
  const lcov = `${OUT}/${suite.name}`;
  const cover = suite.covers ? ["--coverage", "--coverage-reporter=lcov", `--coverage-dir=${lcov}`] : [];
  const command = [
    process.execPath,
    "test",
    `./${folder}`,
    "--timeout=900000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...cover,
  ];
  const { ok, output } = await run(command);
  if (suite.covers && existsSync(`${lcov}/lcov.info`)) addLcov(coverage, readFileSync(`${lcov}/lcov.info`, "utf8"));
  const counts = existsSync(report) ? countJunit(readFileSync(report, "utf8")) : { passed: 0, failed: 0, skipped: 0 };
  // A file that does not even load fails the run without a failing test.
  return { counts: ok || counts.failed > 0 ? counts : { ...counts, failed: counts.failed + 1 }, output };
}

async function runSuite(suite: Suite): Promise<void> {
  const started = performance.now();
  let counts: Counts;
  let output: string;
  if (suite.folder) ({ counts, output } = await runFolder(suite, suite.folder));
  else {
    const result = await run(suite.check ?? []);
    counts = result.ok ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
    output = result.output;
  }
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  const took = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${suite.name.padEnd(8)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped  ${took} s`,
  );
  if (counts.failed > 0) failed.push(...failures(output).map((text) => `${suite.name}: ${text}`));
  if (options.verbose || counts.failed > 0) console.log(output.trimEnd());
  else for (const line of output.split("\n").filter((l) => /^(SKIP|TABLE) /.test(l))) console.log(`  ${line}`);
}

async function reportCoverage(): Promise<void> {
  for await (const file of new Bun.Glob("runtime/**/*.ts").scan(".")) {
    addUntouched(coverage, file, await Bun.file(file).text());
  }
  const all = shares(coverage);
  if (all.length === 0) return;
  const reached = percent(all);
  for (const s of all.filter((one) => percent([one]) < WANTED_COVERAGE)) {
    console.log(`  ${percent([s]).toFixed(1).padStart(5)} %  ${s.file}`);
  }
  const enough = reached >= WANTED_COVERAGE;
  console.log(`coverage ${reached.toFixed(1)} % of the lines of the pure cores (${WANTED_COVERAGE} % wanted)`);
  total[enough ? "passed" : "failed"]++;
}

for (const suite of SUITES) {
  if (chosen && !chosen.includes(suite.name)) continue;
  if (suite.folder && !existsSync(suite.folder)) continue;
  await runSuite(suite);
}
if (!chosen) await reportCoverage();
for (const text of failed.slice(0, SAID_AGAIN)) console.log(`\n${text}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
