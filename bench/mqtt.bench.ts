/**
 * Messages through a broker: `bun bench/mqtt.bench.ts [--rounds N] [--messages N] [--json FILE]`.
 *
 * Method. One mosquitto_pub sends lines of 100 bytes with QoS 0 to one mosquitto_sub; the broker, ours or Debian's Mosquitto, has one
 * core, the clients have the others. What is counted is the broker's CPU time for them, so that what the clients cannot
 * send does not count: messages per second of a core. Medians of interleaved rounds. (With QoS 1 mosquitto_pub waits for the network, not for brokers.)
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { able } from "../test/help/require.ts";
import type { Row } from "./table.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    messages: { type: "string", default: "100000" },
    json: { type: "string" },
  },
  strict: false,
});
const MESSAGES = Number(values.messages);
const PORT = 18_840;

const can = able("bench/mqtt.bench.ts", "command:mosquitto", "command:mosquitto_pub", "command:taskset", "command:yes");
if (!can) process.exit(0);

/** User and system time of a process, seconds (proc(5): fields 14 and 15, in hundredths). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

interface Running {
  readonly port: number;
  readonly child: Bun.Subprocess;
}

async function ours(): Promise<Running> {
  const child = Bun.spawn(["taskset", "-c", "0", process.execPath, `${import.meta.dir}/mqtt-broker.ts`], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  return { port: Number(new TextDecoder().decode(value)), child };
}

async function mosquitto(): Promise<Running> {
  const child = Bun.spawn(["taskset", "-c", "0", "mosquitto", "-p", `${PORT}`], { stdout: "ignore", stderr: "ignore" });
  for (;;) {
    const probe = Bun.spawn(["mosquitto_pub", "-p", `${PORT}`, "-t", "x", "-n"], {
      stdout: "ignore",
      stderr: "ignore",
    });
    if ((await probe.exited) === 0) return { port: PORT, child };
    await Bun.sleep(50);
  }
}

/** Messages per second of the broker's CPU. */
async function carry({ port, child }: Running): Promise<number> {
  const common = `-h 127.0.0.1 -p ${port} -V mqttv311 -t bench/x`;
  const before = cpuOf(child.pid);
  const line = "x".repeat(100);
  const script = `mosquitto_sub ${common} -C ${MESSAGES} -W 120 >/dev/null & s=$!; sleep 0.5; yes ${line} | head -n ${MESSAGES} | mosquitto_pub ${common} -l; wait $s`;
  const run = Bun.spawn(["sh", "-c", script], { stdout: "ignore", stderr: "ignore" });
  if ((await run.exited) !== 0) throw new Error("not all messages came through");
  return MESSAGES / (cpuOf(child.pid) - before);
}

const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) / 2)] as number;

const brokers = [
  ["trellis", await ours()],
  ["mosquitto", await mosquitto()],
] as const;
const rates = new Map<string, number[]>(brokers.map(([name]) => [name, []]));
for (let round = 0; round < Number(values.rounds); round++)
  for (const [name, running] of brokers) rates.get(name)?.push(await carry(running));
const rows: Row[] = [...rates].map(([name, list]) => ({
  id: `mqtt/qos0/${name}`,
  value: Math.round(median(list)),
  unit: "1/s",
}));
for (const [, { child }] of brokers) child.kill();
for (const row of rows) console.log(`${row.id.padEnd(24)} ${row.value} ${row.unit}`);
if (typeof values.json === "string") await Bun.write(values.json, JSON.stringify(rows));
