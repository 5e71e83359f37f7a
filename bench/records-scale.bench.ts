/**
 * How the exchange of records grows with members and records: `bun bench/records-scale.bench.ts [--json FILE] [--members 10,30,100,300,1000]
 * [--records 1000,10000,100000] [--most 10000000] [--jobs 1]`. A plot goes to build/bench/records-scale.svg, also of sizes that were measured
 * before (`results.json`).
 *
 * Method. The shipped replicas, simulated (`test/sim/records-scale.ts`, each size in a process of its own; `test/sim/records-sharing.ts` says what stands in for
 * what). 5,000 records of 100 bytes a second are written, half of what a neighbour is told in a second, ten at a time, by one member after the other. `convergence`: simulated seconds from the last
 * write until every member holds exactly what was written. `moved`: bytes sent for each record that a member took, digests, offers and all; `size`: what is
 * stored of a record with its proof and its share of its batch's signature. `memory`: heap that a record takes in a member, a share of what all have in common included. `cpu`: CPU
 * time of a record in a member, written, told, taken and passed on, hashes real, signatures not. `index`: heap that a record takes in the index of a gateway that shares nothing, of 100,000.
 *
 * Left out are sizes with more members times records than `--most`, and those of more records than so many members may write. 1,000 times 100,000 (`--most 100000000`)
 * wants 100 minutes beside little other work, and 11 GB.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { mostRecords, type Scale } from "../test/sim/records-scale.ts";
import { type Panel, plot } from "./plot.ts";
import { RESULTS } from "./report.ts";
import { show } from "./rounds.ts";
import { indexBytes } from "./scale/record-index.ts";
import type { Results, Row } from "./table.ts";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    members: { type: "string", default: "10,30,100,300,1000" },
    records: { type: "string", default: "1000,10000,100000" },
    most: { type: "string", default: "10000000" },
    jobs: { type: "string", default: "1" },
  },
  strict: false,
});

const FIGURES: readonly (readonly [id: string, of: (s: Scale) => number, unit: string])[] = [
  ["convergence", (s) => s.seconds, "s"],
  ["moved", (s) => s.bytesPerRecord, "bytes"],
  ["size", (s) => s.recordBytes, "bytes"],
  ["memory", (s) => s.heapPerRecord, "bytes"],
  ["cpu", (s) => s.cpuPerRecord, "us"],
  ["peak", (s) => s.peakMemory, "MB"],
];

/**
 * What the engine takes the machine's memory for, in bytes, and at least for each record of a member: the larger its heap beside that, the sooner it
 * collects garbage.
 */
const SMALL = 4e9;
const SMALL_EACH = 120;

const numbers = (list: unknown): number[] => String(list).split(",").filter(Boolean).map(Number);
const [MEMBERS, RECORDS] = [numbers(values.members), numbers(values.records)];

const rows: Row[] = [];
async function note(id: string, value: number, unit: string): Promise<void> {
  const row = { id: `records-scale/${id}`, value, unit };
  rows.push(row);
  console.log(show(row));
  if (typeof values.json === "string") await Bun.write(values.json, `${JSON.stringify(rows, null, 2)}\n`);
}

async function simulated(members: number, records: number): Promise<Scale> {
  const line = [process.execPath, `${import.meta.dir}/../test/sim/records-scale.ts`, `${members}`, `${records}`];
  const env = { ...process.env, BUN_JSC_forceRAMSize: `${Math.max(SMALL, members * records * SMALL_EACH)}` };
  const run = Bun.spawn(line, { env, stdout: "pipe", stderr: "inherit" });
  const said = await new Response(run.stdout).text();
  if ((await run.exited) !== 0)
    throw new Error(`${members} members and ${records} records: they did not come to an end`);
  return JSON.parse(said) as Scale;
}

interface Size {
  readonly members: number;
  readonly records: number;
  readonly figures: ReadonlyMap<string, number>;
}

/** The sizes that figures are of, those of later rows counting, in the order of members. */
function sizesOf(all: readonly Row[]): readonly Size[] {
  const sizes = new Map<string, Size & { readonly figures: Map<string, number> }>();
  for (const { id, value } of all) {
    const [, figure = "", size = ""] = id.split("/");
    const [members, records] = size.split("x").map(Number);
    if (!id.startsWith("records-scale/") || !members || !records) continue;
    const known = sizes.get(size) ?? { members, records, figures: new Map() };
    known.figures.set(figure, value);
    sizes.set(size, known);
  }
  return [...sizes.values()].sort((a, b) => a.members - b.members);
}

type Figure = (name: string) => number;

/** A curve for each number of records, over members. */
function panel(title: string, unit: string, sizes: readonly Size[], of: (figure: Figure) => number): Panel {
  const point = ({ members, figures }: Size): readonly [number, number] => [
    members,
    of((name) => figures.get(name) ?? Number.NaN),
  ];
  const counts = [...new Set(sizes.map((s) => s.records))].sort((a, b) => a - b);
  const curves = counts.map((records) => ({
    name: `${records.toLocaleString("en")} records`,
    points: sizes.filter((s) => s.records === records).map(point),
  }));
  return { title, unit, curves };
}

await note("index", await indexBytes(100_000), "bytes");
const fits = (members: number, records: number): boolean =>
  records <= mostRecords(members) && members * records <= Number(values.most);
const wanted = RECORDS.flatMap((records) => MEMBERS.map((members) => [members, records] as const));
/** The largest first, so that none is left alone at the end. */
const waiting = wanted.filter(([m, r]) => fits(m, r)).sort(([m, r], [n, s]) => n * s - m * r);

async function work(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const [members, records] = next;
    const size = await simulated(members, records);
    for (const [id, of, unit] of FIGURES) await note(`${id}/${members}x${records}`, of(size), unit);
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, work));
// What is simulated does not depend on the machine.
const saved = (JSON.parse(readFileSync(RESULTS, "utf8")) as Results[]).flatMap((results) => results.rows);
const sizes = sizesOf([...saved, ...rows]);
const svg = plot([
  panel("From the last write until all hold all", "s, simulated", sizes, (of) => of("convergence")),
  panel("Sent for a record and member", "times its stored size", sizes, (of) => of("moved") / of("size")),
  panel("Heap of a record in a member", "bytes", sizes, (of) => of("memory")),
  panel("CPU of a record in a member", "us", sizesOf(rows), (of) => of("cpu")),
]);
mkdirSync("build/bench", { recursive: true });
await Bun.write("build/bench/records-scale.svg", svg);
console.log("plot: build/bench/records-scale.svg");
process.exit(0);
