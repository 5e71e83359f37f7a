/** `just sim`: a mesh on a virtual clock and what became of it, or one scenario of the test suite again. `--help` says more. */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { SIM_PROVIDERS, type SimProviderName } from "../help/sim-providers.ts";
import { runLarge } from "./large/run.ts";
import { SITES } from "./large/underlay.ts";
import { commandOf, isGood, type Report, type RunOptions, reportOf, textOf } from "./report.ts";
import { ROUTING_WORDS, runRouting, topologiesOf } from "./routing/run.ts";
import { ONLY } from "./scenario-env.ts";
import { withRecords } from "./sync-gateway.ts";
import { type Settled, sessions, settle, TOPOLOGIES, type TopologyName } from "./topology.ts";
import { World } from "./world.ts";

interface Row {
  readonly name: string;
  readonly value: string;
  readonly fallback: string | undefined;
  readonly doc: string;
}

const KNOWS = ["neighbours", "all"] as const;
const ROWS: readonly Row[] = [
  { name: "seed", value: "TEXT", fallback: "1", doc: "everything is drawn from it" },
  { name: "gateways", value: "N", fallback: "20", doc: "1 to 10000" },
  { name: "hours", value: "H", fallback: "0.1", doc: "simulated time" },
  { name: "loss", value: "PERCENT", fallback: "20", doc: "of all datagrams, each by itself" },
  { name: "topology", value: Object.keys(TOPOLOGIES).join("|"), fallback: "ring", doc: "who dials whom" },
  {
    name: "provider",
    value: Object.keys(SIM_PROVIDERS).join("|"),
    fallback: "seeded",
    doc: "of the crypto; `stand-in` has none",
  },
  { name: "knows", value: KNOWS.join("|"), fallback: "neighbours", doc: "whose certificates gateways begin with" },
  { name: "load", value: "N", fallback: "1", doc: "data packets per second and session, each way" },
  { name: "drift", value: "PPM", fallback: "100", doc: "how wrong clocks run, at most" },
  {
    name: "records",
    value: "N",
    fallback: "0",
    doc: "that each gateway writes once all sessions are up; 0: no replicas",
  },
  {
    name: "scenario",
    value: "FILE/NAME",
    fallback: undefined,
    doc: "one scenario of test/sim with --seed, instead of a mesh",
  },
  {
    name: "routing",
    value: ROUTING_WORDS.join("|"),
    fallback: undefined,
    doc: "routing alone, thousands of gateways through --hours of churn",
  },
  {
    name: "whole",
    value: SITES.join("|"),
    fallback: undefined,
    doc: "many whole gateways through --hours of churn; stand-in crypto",
  },
  {
    name: "seeds",
    value: "N",
    fallback: undefined,
    doc: "the scenario, routing, or whole gateways, with each seed from 1 to N",
  },
  { name: "trace", value: "FILE", fallback: undefined, doc: "writes every event there, a line each" },
];

const HELP = [
  "just sim [options]: a simulated mesh, from one seed; the same seed gives the same run and the same trace hash",
  "",
  ...ROWS.map(
    (r) => `  --${`${r.name} ${r.value}`.padEnd(42)} ${r.doc}${r.fallback === undefined ? "" : ` (${r.fallback})`}`,
  ),
  `  --${"json".padEnd(42)} the report as JSON`,
  "",
  "Exit code 1: a session was missing at the end, a data packet arrived that nobody could open, or the scenario failed.",
];

class Usage extends Error {}

type Given = Readonly<Record<string, string | undefined>>;

function numberOf(given: Given, name: string, least: number, most: number): number {
  const value = Number(given[name]);
  if (given[name] === "" || !(value >= least && value <= most)) throw new Usage(`--${name} wants ${least} to ${most}`);
  return value;
}

function oneOf<T extends string>(given: Given, name: string, choices: readonly T[]): T {
  const found = choices.find((c) => c === given[name]);
  if (found === undefined) throw new Usage(`--${name} wants one of ${choices.join(", ")}`);
  return found;
}

function runOptions(given: Given): RunOptions {
  const seed = given.seed ?? "";
  if (!/^[\w.-]+$/.test(seed)) throw new Usage("--seed wants letters, digits, dots, hyphens");
  return {
    seed,
    gateways: Math.floor(numberOf(given, "gateways", 1, 10_000)),
    hours: numberOf(given, "hours", 0, 100_000),
    loss: numberOf(given, "loss", 0, 100),
    topology: oneOf(given, "topology", Object.keys(TOPOLOGIES) as TopologyName[]),
    provider: oneOf(given, "provider", Object.keys(SIM_PROVIDERS) as SimProviderName[]),
    knows: oneOf(given, "knows", KNOWS),
    load: numberOf(given, "load", 0, 10_000),
    drift: numberOf(given, "drift", 0, 100_000),
    records: Math.floor(numberOf(given, "records", 0, 1_024)),
  };
}

async function runMesh(o: RunOptions, line: ((line: string) => void) | undefined): Promise<Report> {
  const started = performance.now();
  const { seed, provider, loss, drift, topology, gateways: count, knows } = o;
  const world = await World.create(seed, { provider, loss, drift, disks: false, ...(line ? { line } : {}) });
  const settled = await settle({ world, topology, count, knows });
  const founded = performance.now();
  const before = process.cpuUsage();
  if (o.load > 0) world.load = { every: 1000 / o.load, bytes: 1200 };
  const end = o.hours * 3_600_000;
  const allUp = await world.runUntil(() => isUp(settled), end, 50);
  const allUpAfter = allUp ? world.now / 1000 : undefined;
  const recorders = o.records > 0 ? await withRecords(world) : [];
  for (const r of recorders) for (let i = 0; i < o.records; i++) await r.write(`${i}`, r.gateway.label);
  await world.run(end - world.now);
  const { user, system } = process.cpuUsage(before);
  const took = {
    founding: (founded - started) / 1000,
    wall: (performance.now() - founded) / 1000,
    cpu: (user + system) / 1e6,
  };
  return reportOf(world, o, { ...sessions(settled), allUpAfter }, took);
}

function isUp(settled: Settled): boolean {
  const { up, wanted } = sessions(settled);
  return up === wanted;
}

/** Runs the scenario's test file, and of it that scenario alone. */
async function runScenario(name: string, seeds: readonly string[]): Promise<number> {
  const unknown = new Usage(`there is no scenario ${name}`);
  const base = `./test/sim/${name.split("/")[0]}`;
  const file = [`${base}.test.ts`, `${base}.ts`].find((f) => existsSync(f));
  if (!/^[\w-]+\/[\w-]+$/.test(name) || !file) throw unknown;
  const child = Bun.spawn([process.execPath, "test", file, "--timeout=3600000", "-t", `\\[${name} `], {
    env: { ...process.env, [ONLY.scenario]: name, [ONLY.seeds]: seeds.join(",") },
    stdio: ["ignore", "inherit", "pipe"],
  });
  let told = "";
  for await (const chunk of child.stderr) {
    process.stderr.write(chunk);
    told += new TextDecoder().decode(chunk);
  }
  if (/^ 0 pass\n 0 fail$/m.test(told)) throw unknown;
  return await child.exited;
}

async function main(): Promise<number> {
  const options = Object.fromEntries(ROWS.map((r) => [r.name, { type: "string" as const }]));
  const { values } = parseArgs({ options: { ...options, json: { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help) {
    console.log(HELP.join("\n"));
    return 0;
  }
  const given = Object.fromEntries(ROWS.map((r) => [r.name, (values as Given)[r.name] ?? r.fallback]));
  const chosen = runOptions(given);
  const count = given.seeds === undefined ? undefined : Math.floor(numberOf(given, "seeds", 1, 100_000));
  const seeds = count === undefined ? [chosen.seed] : Array.from({ length: count }, (_, i) => String(i + 1));
  if (given.scenario !== undefined) return await runScenario(given.scenario, seeds);
  if (given.routing !== undefined) {
    const topologies = topologiesOf(oneOf(given, "routing", ROUTING_WORDS));
    const { gateways, hours } = chosen;
    return await runRouting({ seeds, gateways, hours, topologies }, values.json ?? false);
  }
  if (given.whole !== undefined) {
    const { gateways, hours, loss } = chosen;
    return await runLarge({ seeds, gateways, hours, loss, site: oneOf(given, "whole", SITES) }, values.json ?? false);
  }
  const sink = given.trace === undefined ? undefined : Bun.file(given.trace).writer();
  const report = await runMesh(chosen, sink && ((line) => void sink.write(`${line}\n`)));
  await sink?.end();
  console.log(values.json ? JSON.stringify(report, undefined, 2) : textOf(report).join("\n"));
  if (isGood(report)) return 0;
  console.error(`failed; the same run again: ${commandOf(chosen)}`);
  return 1;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  const isUsage = thrown instanceof Usage || (thrown instanceof TypeError && "code" in thrown);
  if (!isUsage) throw thrown;
  console.error(`error: ${thrown.message}\nhint: just sim --help`);
  process.exitCode = 2;
}
