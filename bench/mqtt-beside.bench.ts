/**
 * A daemon with our own broker and one with Mosquitto beside it: `bun bench/mqtt-beside.bench.ts [--rounds N] [--messages N] [--json FILE]`, as root.
 *
 * Method. One gateway of each kind in a namespace, with the native data path and no peer. A client publishes messages of 100 bytes by MQTT 3.1.1 with
 * QoS 1, 64 of them unacknowledged, retained, over 100 topics: below `mesh/`, where each is a record (fsync on, real signatures), or not, then with one
 * subscriber. CPU time is that of the daemon and its Mosquitto together until every message is acknowledged and, below `mesh/`, is a record. Medians of
 * interleaved rounds. Resident memory: idle, 5 s after the start, and after all rounds.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type TestGateway, TestNet, until } from "../test/help/netns.ts";
import { able } from "../test/help/require.ts";
import { median, show } from "./rounds.ts";
import type { Row } from "./table.ts";

const LOAD = `${import.meta.dir}/../test/help/mqtt-load.ts`;
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    messages: { type: "string", default: "5000" },
    json: { type: "string" },
  },
  strict: false,
});
const MESSAGES = Number(values.messages);
const SETTLED = 5_000; // milliseconds

interface Status {
  readonly sync: { readonly mqtt: { readonly on: readonly string[] } | null };
  readonly counters: Readonly<Record<string, number>>;
}

/** The daemon and, where there is one, its Mosquitto. */
function processes(g: TestGateway): number[] {
  const file = join(g.stateDir, "mosquitto/mosquitto.pid");
  const child = existsSync(file) ? [Number(readFileSync(file, "utf8").split(" ")[0])] : [];
  return [g.pid as number, ...child];
}

/** User and system time so far, milliseconds (proc(5): fields 14 and 15, in hundredths of a second). */
function cpuOf(g: TestGateway): number {
  const spent = processes(g).map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  });
  return spent.reduce((sum, ms) => sum + ms, 0);
}

const megabytes = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return (Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1]) * 1024) / 1e6;
};

const taken = async (g: TestGateway): Promise<number> => (await g.json<Status>("status")).counters["broker.taken"] ?? 0;

/** CPU time of a message, microseconds. */
async function publish(g: TestGateway, prefix: string): Promise<number> {
  const subscribed = ["mosquitto_sub", "-h", "127.0.0.1", "-V", "mqttv311", "-q", "1", "-t", "local/#"];
  const reader = Bun.spawn(g.inside(...subscribed), { stdout: "ignore" });
  const beside = processes(g).length > 1 && prefix.startsWith("mesh/");
  const due = beside ? (await taken(g)) + MESSAGES : 0;
  const before = cpuOf(g);
  const line = [process.execPath, LOAD, "127.0.0.1", "1883", prefix, "100", "100", `${MESSAGES}`, "64", "retain"];
  const load = Bun.spawn(g.inside(...line), { stdout: "ignore", stderr: "inherit" });
  if ((await load.exited) !== 0) throw new Error("not every message was acknowledged");
  if (beside) await until("its records", async () => ((await taken(g)) >= due ? true : undefined), 60_000);
  const spent = cpuOf(g) - before;
  reader.kill();
  await reader.exited;
  return (spent * 1000) / MESSAGES;
}

async function main(): Promise<void> {
  const needs = ["root", "tun", "netns", "addon", "command:ip", "command:mosquitto", "command:mosquitto_sub"] as const;
  if (!able("bench/mqtt-beside.bench.ts", ...needs)) return;
  const net = new TestNet("embedded", "mosquitto");
  const rows: Row[] = [];
  const note = (id: string, value: number, unit: string): void => {
    rows.push({ id: `mqtt-beside/${id}`, value: Number(value.toFixed(1)), unit });
    console.log(show(rows.at(-1) as Row));
  };
  const memory = (when: string): void => {
    for (const g of net.gateways)
      for (const [i, pid] of processes(g).entries())
        note(`${when}/${g.name}/${i === 0 ? "daemon" : "child"}`, megabytes(pid), "MB");
  };
  try {
    await net.build();
    for (const g of net.gateways) {
      await g.json("init", "--name", g.name);
      await g.start("--mqtt-broker", g.name);
      const served = async (): Promise<true | undefined> =>
        (await g.json<Status>("status")).sync.mqtt?.on.length === 1 || undefined;
      await until("MQTT", served);
    }
    await Bun.sleep(SETTLED);
    memory("idle");
    const spent = new Map<string, number[]>();
    for (let round = 0; round < Number(values.rounds); round++)
      for (const prefix of ["local/", "mesh/"])
        for (const g of net.gateways) {
          const id = `cpu/${prefix.slice(0, -1)}/${g.name}`;
          spent.set(id, [...(spent.get(id) ?? []), await publish(g, prefix)]);
        }
    for (const [id, all] of spent) note(id, median(all), "us");
    await Bun.sleep(SETTLED);
    memory("after");
  } finally {
    await net.remove();
  }
  if (typeof values.json === "string") await Bun.write(values.json, JSON.stringify(rows));
}

await main();
process.exit(0);
