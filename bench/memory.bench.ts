/**
 * What the daemon takes of memory under writes: `bun bench/memory.bench.ts [--json FILE]`, as root.
 *
 * Method. Two gateways with real daemons and the native data path in namespaces on one bridge. Four MQTT clients at one of them publish records at
 * once, each with QoS 1 and as fast as it is acknowledged (fsync on, real signatures); the other receives them. VmHWM of each daemon, set back
 * before each load (proc(5), clear_refs), until both hold the same: resident memory at its highest, mapped files and all. A load
 * counts only if every message was acknowledged.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type TestGateway, TestNet, until } from "../test/help/netns.ts";
import { able } from "../test/help/require.ts";
import { show } from "./rounds.ts";
import type { Row } from "./table.ts";

const LOAD = `${import.meta.dir}/../test/help/mqtt-load.ts`;
const CLIENTS = 4;
const { values } = parseArgs({ options: { json: { type: "string" } }, strict: false });

interface Load {
  readonly name: string;
  /** Of each client: keys, bytes of a value, messages, and how many wait for their acknowledgement at most. */
  readonly keys: number;
  readonly bytes: number;
  readonly messages: number;
  readonly window: number;
}
const LOADS: readonly Load[] = [
  { name: "100B", keys: 100, bytes: 100, messages: 750, window: 16 },
  { name: "1kB", keys: 100, bytes: 1_000, messages: 2_500, window: 64 },
  { name: "1MB", keys: 2, bytes: 1_000_000, messages: 10, window: 4 },
];

interface Status {
  readonly digest: string | null;
}

function megabytes(g: TestGateway, field: "VmRSS" | "VmHWM"): number {
  const text = readFileSync(`/proc/${g.pid}/status`, "utf8");
  return (Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1]) * 1024) / 1e6;
}

async function main(): Promise<void> {
  if (!able("bench/memory.bench.ts", "root", "tun", "netns", "addon", "command:ip")) return;
  const rows: Row[] = [];
  const note = (id: string, value: number): void => {
    const row = { id: `memory/${id}`, value, unit: "MB" };
    rows.push(row);
    console.log(show(row));
  };
  const net = new TestNet("a", "b");
  const [a, b] = net.gateways as [TestGateway, TestGateway];
  const untilAlike = (): Promise<true> =>
    until(
      "both hold the same",
      async () => {
        const [x, y] = await Promise.all([a.json<Status>("sync", "status"), b.json<Status>("sync", "status")]);
        return x.digest !== null && x.digest === y.digest ? true : undefined;
      },
      120_000,
    );
  try {
    await net.build();
    await a.json("init", "--name", "a");
    await a.start();
    const { token } = await a.json<{ token: string }>("invite");
    await b.json("join", token, "--name", "b");
    await b.start();
    await untilAlike();
    await Bun.sleep(10_000);
    note("idle", megabytes(a, "VmRSS"));
    let neighbour = 0;
    for (const { name, keys, bytes, messages, window } of LOADS) {
      for (const g of [a, b]) writeFileSync(`/proc/${g.pid}/clear_refs`, "5");
      const clients = Array.from({ length: CLIENTS }, (_, i) => {
        const numbers = [keys, bytes, messages, window].map(String);
        const line = [process.execPath, LOAD, "127.0.0.1", "1883", `mesh/${name}/${i}/`, ...numbers];
        return Bun.spawn(a.inside(...line), { stdout: "ignore", stderr: "inherit" }).exited;
      });
      const codes = await Promise.all(clients);
      if (codes.some((code) => code !== 0)) throw new Error(`${name}: not every message was acknowledged`);
      await untilAlike();
      note(`peak/${name}`, megabytes(a, "VmHWM"));
      neighbour = Math.max(neighbour, megabytes(b, "VmHWM"));
    }
    note("peak/neighbour", neighbour);
  } finally {
    await net.remove();
  }
  if (typeof values.json === "string") await Bun.write(values.json, JSON.stringify(rows));
}

await main();
process.exit(0);
