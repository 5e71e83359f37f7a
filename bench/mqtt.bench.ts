/**
 * Messages through a broker: `bun bench/mqtt.bench.ts [--rounds N] [--messages N] [--json FILE]`.
 *
 * Method. One mosquitto_pub sends lines of 100 bytes to one mosquitto_sub, both with the QoS of the row; the broker, ours or Debian's Mosquitto, has
 * one core, the clients have the others. What is counted is the broker's CPU time for them, so that what the clients cannot send, or wait for, does
 * not count: messages per second of a core. Medians of interleaved rounds.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { able } from "../test/help/require.ts";
import { median } from "./rounds.ts";
import type { Row } from "./table.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    messages: { type: "string", default: "50000" },
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
  // By default it drops what waits for a subscriber beyond 1,000 messages.
  const settings = `${tmpdir()}/trellis-mqtt-bench-${process.pid}.conf`;
  writeFileSync(settings, `listener ${PORT} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n`);
  const command = ["taskset", "-c", "0", "mosquitto", "-c", settings];
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "ignore" });
  for (;;) {
    const probe = Bun.spawn(["mosquitto_pub", "-p", `${PORT}`, "-t", "x", "-n"], {
      stdout: "ignore",
      stderr: "ignore",
    });
    if ((await probe.exited) === 0) {
      rmSync(settings);
      return { port: PORT, child };
    }
    await Bun.sleep(50);
  }
}

/** Messages per second of the broker's CPU. */
async function carry({ port, child }: Running, qos: number): Promise<number> {
  const common = `-h 127.0.0.1 -p ${port} -V mqttv311 -t bench/x -q ${qos}`;
  const before = cpuOf(child.pid);
  const line = "x".repeat(100);
  const script = `mosquitto_sub ${common} -C ${MESSAGES} -W 120 >/dev/null & s=$!; sleep 0.5; yes ${line} | head -n ${MESSAGES} | mosquitto_pub ${common} -l; wait $s`;
  const run = Bun.spawn(["sh", "-c", script], { stdout: "ignore", stderr: "ignore" });
  if ((await run.exited) !== 0) throw new Error("not all messages came through");
  return MESSAGES / (cpuOf(child.pid) - before);
}

const brokers = [
  ["trellis", await ours()],
  ["mosquitto", await mosquitto()],
] as const;
const rates = new Map<string, number[]>();
try {
  for (let round = 0; round < Number(values.rounds); round++)
    for (const qos of [0, 1, 2])
      for (const [name, running] of brokers) {
        const id = `mqtt/qos${qos}/${name}`;
        rates.set(id, [...(rates.get(id) ?? []), await carry(running, qos)]);
      }
} finally {
  for (const [, { child }] of brokers) child.kill();
}
const rows: Row[] = [...rates].map(([id, list]) => ({ id, value: Math.round(median(list)), unit: "1/s" }));
for (const row of rows) console.log(`${row.id.padEnd(24)} ${row.value} ${row.unit}`);
if (typeof values.json === "string") await Bun.write(values.json, JSON.stringify(rows));
