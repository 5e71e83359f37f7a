/**
 * Records over three hops: `bun bench/records.bench.ts [--writes N] [--json FILE]`, as root.
 *
 * Method. Ten gateways with real daemons in namespaces, joined by nine wires so that the furthest are three hops apart, and nobody forwards IP; all on
 * one machine, whose cores they share. One after the other writes a record of 100 bytes, 200 ms after the last one was read everywhere; every gateway is asked for it over its
 * control socket, every 5 ms, until it has it. `readable/p99`: from the call that writes until the last of them reads it.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { call } from "../runtime/api/client.io.ts";
import { type TestGateway, TestNet, until } from "../test/help/netns.ts";
import { able } from "../test/help/require.ts";
import { must } from "../test/help/shell.ts";
import { at, show } from "./rounds.ts";
import type { Row } from "./table.ts";

const { values } = parseArgs({
  options: { writes: { type: "string", default: "200" }, json: { type: "string" } },
  strict: false,
});

const NAMES = [..."abcdefghij"];
/** Two hubs with four leaves each: leaf, hub, hub, leaf are three hops. */
const LINES: readonly (readonly [string, string])[] = [
  ["a", "b"],
  ...[..."cdef"].map((leaf) => ["a", leaf] as const),
  ...[..."ghij"].map((leaf) => ["b", leaf] as const),
];
/** By which they join. */
const BESIDE = [..."ghij"].map((leaf) => ["a", leaf] as const);
const GAP = 200;

interface Status {
  readonly digest: string | null;
  readonly neighbours: readonly string[];
}
interface Found {
  readonly values: readonly unknown[];
}

const ask = <T>(g: TestGateway, method: string, params: Record<string, string> = {}): Promise<T> =>
  call<T>(join(g.stateDir, "control.sock"), method, params, 60_000);

async function reads(g: TestGateway, key: string): Promise<void> {
  for (;;) {
    const found = await ask<Found>(g, "sync-get", { key }).catch((): Found => ({ values: [] }));
    if (found.values.length > 0) return;
    await Bun.sleep(5);
  }
}

/** Milliseconds from the call that writes until every gateway reads it. */
async function spread(net: TestNet, writer: TestGateway, key: string): Promise<number> {
  const start = performance.now();
  await ask(writer, "sync-put", { key, value: Buffer.alloc(100, key).toString("base64") });
  await Promise.all(net.gateways.map((g) => reads(g, key)));
  return performance.now() - start;
}

/** All join by wires to the first, of which those that are none of the lines are gone when the daemons start anew. */
async function start(net: TestNet): Promise<void> {
  const [first, ...others] = net.gateways as [TestGateway, ...TestGateway[]];
  await net.buildWires(...LINES, ...BESIDE);
  await first.json("init", "--name", first.name);
  await first.start("--no-device");
  for (const g of others) {
    const wire = [...LINES, ...BESIDE].findIndex(([x, y]) => x === first.name && y === g.name) + 1;
    const { token } = await first.json<{ token: string }>("invite", "--endpoint", `10.78.${wire}.1:51820`);
    await g.json("join", token, "--name", g.name);
  }
  for (const g of others) await g.start("--no-device");
  const knowsAll = async (g: TestGateway): Promise<boolean> =>
    (await g.json<{ peers: readonly object[] }>("peers")).peers.length === others.length;
  for (const g of net.gateways)
    await until(`the roster of ${g.name}`, async () => ((await knowsAll(g)) ? true : undefined), 120_000);
  for (const g of net.gateways) await g.end("SIGTERM");
  for (const [hub, leaf] of BESIDE) {
    await must(["ip", "-n", net.at(hub).namespace, "link", "delete", `to-${leaf}`]);
    await must(["ip", "-n", net.at(leaf).namespace, "link", "delete", `to-${hub}`]);
  }
  for (const g of net.gateways) g.spawn("--no-device");
  for (const g of net.gateways) await g.untilReady();
  const hasAll = async (g: TestGateway): Promise<boolean> => {
    const wanted = LINES.flatMap(([x, y]) => (x === g.name ? [y] : y === g.name ? [x] : []));
    const { neighbours, digest } = await ask<Status>(g, "sync-status");
    return digest !== null && wanted.every((name) => neighbours.includes(name));
  };
  for (const g of net.gateways)
    await until(`the neighbours of ${g.name}`, async () => ((await hasAll(g)) ? true : undefined), 120_000);
}

async function main(): Promise<void> {
  if (!able("bench/records.bench.ts", "root", "netns", "command:ip")) return;
  const net = new TestNet(...NAMES);
  const times: number[] = [];
  try {
    await start(net);
    await spread(net, net.gateways[0] as TestGateway, "first"); // the group key is made, and everywhere
    for (let i = 0; i < Number(values.writes); i++) {
      times.push(await spread(net, net.gateways[i % NAMES.length] as TestGateway, `key ${i % 50}/${i}`));
      await Bun.sleep(GAP);
    }
  } finally {
    await net.remove();
  }
  const sorted = times.toSorted((x, y) => x - y);
  const rows: Row[] = [
    { id: "records/readable/p50", value: at(sorted, 0.5), unit: "ms" },
    { id: "records/readable/p99", value: at(sorted, 0.99), unit: "ms" },
  ];
  for (const row of rows) console.log(show(row));
  if (typeof values.json === "string") await Bun.write(values.json, JSON.stringify(rows));
}

await main();
process.exit(0);
