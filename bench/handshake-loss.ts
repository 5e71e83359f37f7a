/**
 * What handshakes cost on the wire and how long they take under loss: the shipped machines over a virtual link of 20 ms
 * round trip, keys from the stand-in provider (sizes are the real ones, arithmetic takes no time). Genesis and chain have real
 * sizes. Seeded: the same code gives the same figures on every machine. Prints the table of SPEC.md.
 * `bun bench/handshake-loss.ts [--runs N]`; `handshake.bench.ts` reports the same figures as rows.
 */
import { parseArgs } from "node:util";
import { isHandshake, Net } from "../test/help/handshake-pair.ts";
import { seededNumber, seededRandom } from "../test/help/seeded.ts";
import { standIn } from "../test/help/stand-in-provider.ts";
import type { Row } from "./table.ts";

const LOSSES = [0, 0.2, 0.4];
/** A genesis with one root key and a chain of two certificates. */
const SHOWN = { genesis: 2_020, chain: 13_500 };

interface Run {
  readonly took: number;
  readonly datagrams: number;
  readonly bytes: number;
}

/** Means and percentiles of the runs of one pattern at one rate of loss (0 to 1). */
export interface LossFigures {
  readonly pattern: "K" | "F";
  readonly loss: number;
  readonly datagrams: number;
  readonly bytes: number;
  readonly success: number;
  readonly p50: number;
  readonly p99: number;
}

async function once(pattern: "K" | "F", loss: number, seed: string): Promise<Run> {
  const chance = seededNumber(`wire ${seed}`);
  const net = new Net(standIn, seededRandom(seed), SHOWN);
  const a = await net.add("a");
  const b = await net.add("b");
  net.wire = (p) => (chance() < loss ? [] : [p]);
  if (pattern === "K") net.introduce(a, b);
  const start = net.now;
  const actions =
    pattern === "K"
      ? a.machine.connect(b.member, b.endpoint, start)
      : a.machine.contact(b.member.id, b.endpoint, start);
  net.perform(a, await actions);
  let took = Number.POSITIVE_INFINITY;
  while (net.now < start + 10_000 && took === Number.POSITIVE_INFINITY) {
    await net.run(5);
    if (a.sessions.length > 0 && b.sessions.length > 0) took = net.now - start;
  }
  const sent = net.sent.filter(isHandshake);
  return { took, datagrams: sent.length, bytes: sent.reduce((sum, p) => sum + p.payload.length, 0) };
}

async function measure(pattern: "K" | "F", loss: number, count: number): Promise<LossFigures> {
  const runs: Run[] = [];
  for (let i = 0; i < count; i++) runs.push(await once(pattern, loss, `${pattern} ${loss} ${i}`));
  const took = runs.map((r) => r.took).sort((x, y) => x - y);
  const mean = (f: (r: Run) => number): number => runs.reduce((sum, r) => sum + f(r), 0) / runs.length;
  return {
    pattern,
    loss,
    datagrams: mean((r) => r.datagrams),
    bytes: mean((r) => r.bytes),
    success: runs.filter((r) => Number.isFinite(r.took)).length / runs.length,
    p50: took[Math.floor(count * 0.5)] as number,
    p99: took[Math.floor(count * 0.99)] as number,
  };
}

export async function lossFigures(runs: number): Promise<readonly LossFigures[]> {
  const all: LossFigures[] = [];
  for (const pattern of ["K", "F"] as const) {
    for (const loss of LOSSES) all.push(await measure(pattern, loss, runs));
  }
  return all;
}

const NAMES = { K: "known-peer", F: "first-contact" };

/** Rows `handshake/<pattern>/loss-<percent>/{p50,p99,success}`. */
export const lossRows = (figures: readonly LossFigures[]): Row[] =>
  figures.flatMap(({ pattern, loss, p50, p99, success }) => {
    const id = `handshake/${NAMES[pattern]}/loss-${100 * loss}`;
    return [
      { id: `${id}/p50`, value: p50, unit: "ms" },
      { id: `${id}/p99`, value: p99, unit: "ms" },
      { id: `${id}/success`, value: 100 * success, unit: "%" },
    ];
  });

const shown = (value: number): string => Math.round(value).toLocaleString("en");

/** The line of SPEC.md's table. */
export const lossLine = (r: LossFigures): string =>
  `| ${r.pattern} | ${100 * r.loss} % | ${r.datagrams.toFixed(1)} | ${shown(r.bytes)} | ${(100 * r.success).toFixed(1)} % | ${shown(r.p50)} | ${shown(r.p99)} |`;

if (import.meta.main) {
  const { values } = parseArgs({ options: { runs: { type: "string", default: "1000" } } });
  console.log("| pattern | loss | datagrams | bytes | success | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|");
  for (const figures of await lossFigures(Number(values.runs))) console.log(lossLine(figures));
}
