/**
 * Brokers for a mesh, beside each other: `bun bench/brokers.bench.ts [--rounds N] [--only NAMES] [--json FILE]`.
 *
 * Method. What a mesh asks of a broker is counted in the simulator (`load`). Then 60 members, spread over the nodes, write letters of 300 bytes to each other (QoS 0), and announcements that all hear. All nodes
 * have core 0 of this machine, the members the others. Counted is CPU time: what a broker would carry with a core for each node is
 * the deliveries by the CPU time of the node that had most to do. So nodes of one machine tell what several machines would
 * carry, the network between them apart. Medians of rounds. Then memory for each of 150 more members and, where there are three nodes, how
 * long those at two of them wait for letters when the third is killed, and its members until they are reached at another.
 */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { announcements, crowd, letters, MemberClient } from "./brokers/crowd.ts";
import { loadOf } from "./brokers/load.ts";
import { type Cluster, has, mosquitto, nats, ours, rabbitmq, type Start } from "./brokers/servers.ts";
import type { Row } from "./table.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
    json: { type: "string" },
  },
  strict: false,
});
const MEMBERS = 60;
/** With them our own broker is not full yet. */
const MORE = 150;
const LETTERS = 40_000;
const ANNOUNCEMENTS = 1_000;

/** Members, and records a second. */
const LOADS = [
  [10, 1],
  [40, 1],
  [40, 10],
] as const;

const CASES: readonly (readonly [name: string, nodes: number, start: Start, program: string])[] = [
  ["trellis", 1, ours, "taskset"],
  ["mosquitto", 1, mosquitto, "mosquitto"],
  ["nats", 1, nats, "nats-server"],
  ["nats", 2, nats, "nats-server"],
  ["nats", 3, nats, "nats-server"],
  ["rabbitmq", 1, rabbitmq, "rabbitmq-server"],
  ["rabbitmq", 2, rabbitmq, "rabbitmq-server"],
  ["rabbitmq", 3, rabbitmq, "rabbitmq-server"],
];

/** User and system time of a process, seconds (proc(5): fields 14 and 15, in hundredths). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Resident memory, MB. */
const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

const sumOf = (list: readonly number[]): number => list.reduce((sum, n) => sum + n, 0);
const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) / 2)] as number;

/** Deliveries a second with a core for each node. */
async function rate({ pids }: Cluster, deliveries: number, work: () => Promise<void>): Promise<number> {
  const before = pids.map(cpuOf);
  await work();
  return deliveries / Math.max(...pids.map((pid, i) => cpuOf(pid) - (before[i] as number)));
}

/** Milliseconds: the longest pause in letters from a member at node 0 to one at node 1 while node 2 dies, and until one comes back. */
async function failover(cluster: Cluster): Promise<{ readonly pause: number; readonly back: number }> {
  const [from, to] = (await crowd(2, cluster.ports.slice(0, 2), "f")) as [MemberClient, MemberClient];
  let [last, pause] = [performance.now(), 0];
  to.onLetter = () => {
    pause = Math.max(pause, performance.now() - last);
    last = performance.now();
  };
  const writing = setInterval(() => from.write(to.topic), 10);
  await Bun.sleep(2_000);
  pause = 0;
  cluster.kill(2);
  const killed = performance.now();
  const { promise, resolve } = Promise.withResolvers<void>();
  for (;;) {
    const [port] = cluster.ports as [number];
    const member = await MemberClient.join("back", port).catch(() => Bun.sleep(20));
    if (!member) continue;
    member.onLetter = resolve;
    const calling = setInterval(() => to.write(member.topic), 10);
    await promise;
    clearInterval(calling);
    break;
  }
  const back = performance.now() - killed;
  await Bun.sleep(10_000);
  clearInterval(writing);
  return { pause: Math.max(pause, performance.now() - last), back };
}

const rows: Row[] = [];
const say = (id: string, value: number, unit: string, digits = 0): void => {
  rows.push({ id: `brokers/${id}`, value: Number(value.toFixed(digits)), unit });
  console.log(`${id.padEnd(34)} ${value.toFixed(digits)} ${unit}`);
};

const wanted = typeof values.only === "string" ? values.only.split(",") : undefined;
for (const [members, rate] of wanted && !wanted.includes("load") ? [] : LOADS) {
  const { idle, letters: each, bytes } = await loadOf(members, rate);
  say(`load/${members}/idle`, idle, "1/s a member", 2);
  say(`load/${members}/${rate}/letters`, each, "a record and member", 1);
  say(`load/${members}/${rate}/bytes`, bytes, "a record and member");
}
for (const [name, nodes, start, program] of CASES) {
  if (wanted && !wanted.includes(name) && !wanted.includes(`${name}/${nodes}`)) continue;
  if (!has(program)) {
    console.log(`${name} is not measured: no \`${program}\` on this machine`);
    continue;
  }
  const cluster = await start(nodes, mkdtempSync(join(tmpdir(), `trellis-bench-${name}-`)));
  try {
    const id = `${name}/${nodes}`;
    const members = await crowd(MEMBERS, cluster.ports);
    await letters(members, LETTERS / 10); // what comes once
    const [toOne, toAll]: [number[], number[]] = [[], []];
    for (let round = 0; round < Number(values.rounds); round++) {
      toOne.push(await rate(cluster, LETTERS, () => letters(members, LETTERS)));
      toAll.push(await rate(cluster, ANNOUNCEMENTS * MEMBERS, () => announcements(members, ANNOUNCEMENTS)));
    }
    say(`${id}/letters`, median(toOne), "1/s");
    say(`${id}/announcements`, median(toAll), "1/s");
    const before = sumOf(cluster.pids.map(memoryOf));
    const more = await crowd(MORE, cluster.ports, "m");
    say(`${id}/memory`, sumOf(cluster.pids.map(memoryOf)) / nodes, "MB");
    say(`${id}/memory-each`, ((sumOf(cluster.pids.map(memoryOf)) - before) * 1024) / MORE, "kB");
    if (nodes === 3) {
      const { pause, back } = await failover(cluster);
      say(`${id}/failover/pause`, pause, "ms");
      say(`${id}/failover/back`, back, "ms");
    }
    for (const member of [...members, ...more]) member.leave();
  } finally {
    await cluster.remove();
  }
}
if (typeof values.json === "string") await Bun.write(values.json, JSON.stringify(rows));
process.exit(0);
