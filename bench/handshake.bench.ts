/**
 * What one handshake costs: datagrams and bytes on the wire, and the time both ends compute for it together, with both crypto
 * providers. Two machines of the shipped code hand each other their datagrams in memory, without loss; cookie included. Then
 * how long it takes under loss, in simulated time (handshake-loss.ts). `bun bench/handshake.bench.ts [--runs N] [--json FILE]`
 */
import { parseArgs } from "node:util";
import { native } from "../runtime/crypto/native.ts";
import { noble } from "../runtime/crypto/noble.ts";
import type { CryptoProvider } from "../runtime/crypto/provider.ts";
import { isHandshake, Net } from "../test/help/handshake-pair.ts";
import { seededRandom } from "../test/help/seeded.ts";
import { lossFigures, lossRows } from "./handshake-loss.ts";
import type { Row } from "./table.ts";

type Pattern = "known-peer" | "first-contact";

interface Cost {
  readonly ms: number;
  readonly datagrams: number;
  readonly bytes: number;
}

/** A genesis with one root key and a chain of two certificates, as in handshake-loss.ts. */
const SHOWN = { genesis: 2_020, chain: 13_500 };
const WARM_UP = 3;
/** As many as SPEC.md says. */
const LOSS_RUNS = 1000;

async function once(crypto: CryptoProvider, pattern: Pattern, seed: string): Promise<Cost> {
  const net = new Net(crypto, seededRandom(seed), SHOWN);
  const a = await net.add("a");
  const b = await net.add("b");
  if (pattern === "known-peer") net.introduce(a, b);
  const started = performance.now();
  const actions =
    pattern === "known-peer"
      ? a.machine.connect(b.member, b.endpoint, net.now)
      : a.machine.contact(b.member.id, b.endpoint, net.now);
  net.perform(a, await actions);
  await net.run(1000);
  const ms = performance.now() - started;
  if (a.sessions.length !== 1 || b.sessions.length !== 1) throw new Error(`${pattern}: no session`);
  const sent = net.sent.filter(isHandshake);
  return { ms, datagrams: sent.length, bytes: sent.reduce((sum, p) => sum + p.payload.length, 0) };
}

async function measure(crypto: CryptoProvider, pattern: Pattern, runs: number): Promise<readonly Row[]> {
  const costs: Cost[] = [];
  for (let i = 0; i < runs + WARM_UP; i++) costs.push(await once(crypto, pattern, `bench ${i}`));
  const times = costs.slice(WARM_UP).map((c) => c.ms);
  const sorted = times.toSorted((x, y) => x - y);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] as number;
  const last = costs.at(-1) as Cost;
  const perSecond = (1000 * times.length) / times.reduce((sum, ms) => sum + ms, 0);
  const id = `handshake/${pattern}`;
  const timed: Row[] = [
    { id: `${id}/p50/${crypto.name}`, value: at(0.5), unit: "ms" },
    { id: `${id}/p99/${crypto.name}`, value: at(0.99), unit: "ms" },
    // Per second and core, on which both ends compute.
    { id: `${id}/rate/${crypto.name}`, value: perSecond, unit: "1/s" },
  ];
  if (crypto.name !== "native") return timed; // what is on the wire does not depend on the provider
  return [
    ...timed,
    { id: `${id}/datagrams`, value: last.datagrams, unit: "datagrams" },
    { id: `${id}/bytes`, value: last.bytes, unit: "bytes" },
  ];
}

/** Rows `handshake/<pattern>/{p50,p99,rate}/<provider>`, `handshake/<pattern>/{datagrams,bytes}` and those of `lossRows`. */
export async function handshakeRows(runs: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const pattern of ["known-peer", "first-contact"] as const) {
    rows.push(...(await measure(native, pattern, runs)));
    rows.push(...(await measure(noble, pattern, Math.ceil(runs / 3))));
  }
  return [...rows, ...lossRows(await lossFigures(LOSS_RUNS))];
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { runs: { type: "string", default: "300" }, json: { type: "string" } } });
  const rows = await handshakeRows(Number(values.runs));
  for (const r of rows) console.log(`${r.id.padEnd(40)}${r.value.toFixed(2).padStart(12)} ${r.unit}`);
  if (values.json) await Bun.write(values.json, `${JSON.stringify(rows, null, 2)}\n`);
}
