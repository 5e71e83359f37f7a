/**
 * How the exchange of records grows with members and records: `bun bench/records-scale.bench.ts [--json FILE] [--members 10,30,100,300,1000]
 * [--records 1000,10000,100000] [--most 10000000] [--jobs 1]`. A plot goes to build/bench/records-scale.svg.
 *
 * Method. The shipped replicas, simulated (`test/sim/records-scale.ts`, each size in a process of its own; `test/sim/records-sharing.ts` says what stands in for
 * what). 5,000 records of 100 bytes a second are written, half of what a neighbour is told in a second, ten at a time, by one member after the other. `convergence`: simulated seconds from the last
 * write until every member holds exactly what was written. `moved`: bytes sent for each record that a member took, digests, offers and all; `size`: what is
 * stored of a record with its proof and its share of its batch's signature. `memory`: heap that a record takes in a member, a share of what all have in common included. `cpu`: CPU
 * time of a record in a member, written, told, taken and passed on, hashes real, signatures not. `index`: heap that a record takes in the index of a gateway that shares nothing, of 100,000.
 *
 * Left out are sizes with more members times records than `--most`, and those of more records than so many members may write. 1,000 times 100,000 (`--most 100000000`)
 * was not run to its end yet: nearly half of its records took 50 to 65 us each and member beside other work (85 where the collector
 * is kept tight, 35 to 47 on a quiet core) and 20 GB, of which the records are 68 bytes each and member: the rest is what is not collected yet.
 */
import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { mostRecords, type Scale } from "../test/sim/records-scale.ts";
import { type Panel, plot } from "./plot.ts";
import { show } from "./rounds.ts";
import { indexBytes } from "./scale/record-index.ts";
import type { Row } from "./table.ts";

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
const SMALL_EACH = 160;

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

/** A curve for each number of records, over members. */
const panel = (title: string, unit: string, of: (s: Scale) => number, sizes: readonly Scale[]): Panel => ({
  title,
  unit,
  curves: RECORDS.map((records) => ({
    name: `${records.toLocaleString("en")} records`,
    points: sizes.filter((s) => s.records === records).map((s) => [s.members, of(s)] as const),
  })).filter(({ points }) => points.length > 0),
});

await note("index", await indexBytes(100_000), "bytes");
const fits = (members: number, records: number): boolean =>
  records <= mostRecords(members) && members * records <= Number(values.most);
const wanted = RECORDS.flatMap((records) => MEMBERS.map((members) => [members, records] as const));
/** The largest first, so that none is left alone at the end. */
const waiting = wanted.filter(([m, r]) => fits(m, r)).sort(([m, r], [n, s]) => n * s - m * r);
const sizes: Scale[] = [];

async function work(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const [members, records] = next;
    const size = await simulated(members, records);
    sizes.push(size);
    for (const [id, of, unit] of FIGURES) await note(`${id}/${members}x${records}`, of(size), unit);
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, work));
sizes.sort((a, b) => a.members - b.members);
const svg = plot([
  panel("From the last write until all hold all", "s, simulated", (s) => s.seconds, sizes),
  panel("Sent for a record and member", "times its stored size", (s) => s.bytesPerRecord / s.recordBytes, sizes),
  panel("Heap of a record in a member", "bytes", (s) => s.heapPerRecord, sizes),
  panel("CPU of a record in a member", "us", (s) => s.cpuPerRecord, sizes),
]);
mkdirSync("build/bench", { recursive: true });
await Bun.write("build/bench/records-scale.svg", svg);
console.log("plot: build/bench/records-scale.svg");
process.exit(0);
