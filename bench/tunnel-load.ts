/** What is measured of one tunnel: streams and datagrams by iperf3, round trips by ping, what its daemons use by /proc. */
import { readFileSync } from "node:fs";
import { must, run } from "../test/help/shell.ts";

/** Where the load is sent from. */
interface Lab {
  readonly a: { inside(...command: readonly string[]): string[] };
}

/** A tunnel from a to b: the inner address of b, and the daemons at both ends. */
interface System {
  readonly address: string;
  readonly pids: readonly number[];
}

/** Jiffies of /proc are hundredths of a second on every Linux that we run on. */
const TICKS = 100;

/** CPU seconds that a process, or one of its threads, has used, in user and kernel. */
export const cpuSeconds = (pid: number): number => secondsIn(`/proc/${pid}/stat`);

/** Of the thread that runs JavaScript. */
export const mainThreadCpu = (pid: number): number => secondsIn(`/proc/${pid}/task/${pid}/stat`);

function secondsIn(path: string): number {
  const stat = readFileSync(path, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name may hold anything
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** The largest socket buffer that a program may ask for here, bytes: what overflows in the receiving program is not the tunnel's loss. */
const LARGEST_BUFFER = Math.min(
  ...["rmem_max", "wmem_max"].map((name) => Number(readFileSync(`/proc/sys/net/core/${name}`, "utf8"))),
);

/** CPU seconds that this machine has used for anything. */
export function machineSeconds(): number {
  const [user, nice, system, , , irq, softirq] = (/^cpu +(.*)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1] ?? "")
    .split(" ")
    .map(Number) as [number, number, number, number, number, number, number];
  return (user + nice + system + irq + softirq) / TICKS;
}

const cpuOf = ({ pids }: System): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);

/** Resident memory of the larger daemon, MB. */
export const residentMb = ({ pids }: System): number =>
  Math.max(
    ...pids.map((pid) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1000),
  );

/** CPU of the busier daemon while nothing is sent, in percent of a core. */
export async function idleCpu({ pids }: System, seconds: number): Promise<number> {
  const before = pids.map(cpuSeconds);
  await Bun.sleep(seconds * 1000);
  return Math.max(...pids.map((pid, i) => (100 * (cpuSeconds(pid) - (before[i] as number))) / seconds));
}

interface Sum {
  readonly bytes: number;
  readonly seconds: number;
  readonly bits_per_second: number;
  readonly lost_percent: number;
}

/** The summary of one run. Its server, on a busy machine, now and then hangs up on a client that comes too soon after the last. */
async function iperf<T>(lab: Lab, { address }: System, ...options: readonly string[]): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const { stdout } = await run(lab.a.inside("iperf3", "--json", "-c", address, ...options));
    const { end, error } = JSON.parse(stdout) as { end: T; error?: string };
    if (!error) return end;
    if (attempt === 3) throw new Error(`iperf3 to ${address}: ${error}`);
    console.log(`iperf3 to ${address}: ${error}; once more`);
    await Bun.sleep(1000);
  }
}

export interface Stream {
  readonly mbit: number;
  readonly bytes: number;
  /** CPU seconds of both daemons per 10^9 bytes received. */
  readonly cpu: number;
}

/** TCP from a to b with cubic. */
export async function tcp(lab: Lab, system: System, streams: number, seconds: number): Promise<Stream> {
  const before = cpuOf(system);
  const options = ["-C", "cubic", "-P", String(streams), "-t", String(seconds)];
  const { sum_received } = await iperf<{ sum_received: Sum }>(lab, system, ...options);
  const used = cpuOf(system) - before;
  const { bytes } = sum_received;
  return { mbit: sum_received.bits_per_second / 1e6, bytes, cpu: used / (bytes / 1e9) };
}

/** What arrived of UDP from a to b at an asked rate, Mbit/s of payload. */
interface Datagrams {
  readonly received: number;
  readonly lostPercent: number;
}

async function udp(lab: Lab, system: System, size: number, mbit: number, seconds: number): Promise<Datagrams> {
  const options = [
    "-u",
    "-l",
    String(size),
    "-b",
    `${Math.round(mbit * 1e6)}`,
    "-n",
    String(Math.max(size, Math.round((mbit * 1e6 * seconds) / 8))),
    "-w",
    `${LARGEST_BUFFER}`,
  ];
  const { sum } = await iperf<{ sum: Sum }>(lab, system, ...options);
  return { received: (sum.bits_per_second / 1e6) * (1 - sum.lost_percent / 100), lostPercent: sum.lost_percent };
}

const LOSS_LIMIT = 1;
const PRECISION = 1.1;

/**
 * The highest rate, Mbit/s received, with less than 1 % lost: multiplied by `step` until it fails, then halved in between to 10 %. A
 * rate fails when it fails twice: on a shared machine a pause of some milliseconds loses more than 1 % once.
 */
export async function udpRate(
  lab: Lab,
  system: System,
  size: number,
  seconds: number,
  from: number,
  step = 2,
): Promise<number> {
  let [good, bad, best] = [0, Number.POSITIVE_INFINITY, 0];
  const holds = async (rate: number): Promise<boolean> => {
    for (const _ of [1, 2]) {
      const { received, lostPercent } = await udp(lab, system, size, rate, seconds);
      if (lostPercent >= LOSS_LIMIT) continue;
      best = Math.max(best, received);
      // The sender itself has come to its limit: asking for more changes nothing.
      if (received < rate * 0.9) bad = rate;
      return true;
    }
    return false;
  };
  for (let rate = from; good === 0 || bad / good > PRECISION; ) {
    if (await holds(rate)) good = rate;
    else bad = rate;
    if (good === 0 && rate < 1) return 0;
    rate = bad === Number.POSITIVE_INFINITY ? rate * step : good === 0 ? rate / step : Math.sqrt(good * bad);
  }
  return best;
}

/** Round trips in ms, sorted: `count` pings, one every `interval` s. */
export async function roundTrips(lab: Lab, { address }: System, count: number, interval: number): Promise<number[]> {
  const text = await must(lab.a.inside("ping", "-c", String(count), "-i", String(interval), address));
  return [...text.matchAll(/time=([\d.]+) ms/g)].map((m) => Number(m[1])).sort((x, y) => x - y);
}
