/**
 * Our tunnel beside those that Debian ships: `bun bench/peers.bench.ts [--peers A,B] [--rounds N] [--seconds S] [--json FILE]`, as root.
 *
 * Method. Each system has namespaces of its own joined by veth pairs of MTU 1500, and its daemons all the time (`bench/peers/`: one file
 * for each, with its own defaults, inner MTU too, as its documentation sets it up). All run at once and are idle while another is
 * measured. Every figure is the median of interleaved rounds: each round measures all systems, one after the other. Offloads of the
 * underlay are those of `ethtool`: tso, gso, gro and tx-udp-segmentation, on for all; off as well for those that use them.
 * Debian 13's packages are unpacked beside, never installed. A system that cannot be had here is named with the reason.
 *
 *   tcp-1, tcp-4   one and four iperf3 streams (cubic), Mbit/s received
 *   cpu            CPU seconds (user and kernel) of both daemons per 10^9 bytes that one stream received
 *   udp-1200       highest rate, Mbit/s received, of 1,200-byte payloads with less than 1 % lost; iperf3 is both ends
 *   rtt            ms: round trips of ping, one every 5 ms, nothing else under way: median and 99th percentile
 *   load           the same beside one stream that fills the tunnel
 *   rss            resident memory of the larger daemon after all that, MB
 *   relayed        the same two through a third gateway; what relays do is with each system
 *   relay-cpu      CPU seconds of the relay's daemon per 10^9 bytes received; our relay works in the kernel, hence also
 *   machine-cpu    CPU seconds of everything on this machine, load and kernel included, per 10^9 bytes received
 *
 * Programs and daemons share the same cores, so absolute figures are the machine's; compare the systems in one run.
 */
import { parseArgs } from "node:util";
import { messageOf } from "../runtime/base/errors.ts";
import { able } from "../test/help/require.ts";
import { must } from "../test/help/shell.ts";
import { fastd } from "./peers/fastd.ts";
import { nebula } from "./peers/nebula.ts";
import { openvpn } from "./peers/openvpn.ts";
import { type Found, type Peer, type System, startOn } from "./peers/peer.ts";
import { Star } from "./peers/star.ts";
import { tinc } from "./peers/tinc.ts";
import { trellis } from "./peers/trellis.ts";
import { wireguardGo, wireguardGo13 } from "./peers/wireguard-go.ts";
import { yggdrasil } from "./peers/yggdrasil.ts";
import { at, interleaved } from "./rounds.ts";
import type { Row } from "./table.ts";
import { cpuSeconds, machineSeconds, residentMb, roundTrips, tcp, udpRate } from "./tunnel-load.ts";

const PEERS: readonly Peer[] = [trellis, wireguardGo13, wireguardGo, nebula, tinc, yggdrasil, fastd, openvpn];
/** Those that use the offloads of the underlay: switched off, the others would be measured twice. */
const OFFLOADING: readonly string[] = [trellis.name, wireguardGo13.name, wireguardGo.name];
const SETTLE_MS = 5000; // our runtime compiles what has become hot
const PING_INTERVAL = 0.005;
const PINGS = 300;
const UDP_SECONDS = 0.5;
const UDP_FROM = 200; // Mbit/s; later rounds begin where the one before ended, with smaller steps
const UDP_STEP = 1.2;

type Figures = Readonly<Record<string, number>>;
type Ready = readonly (readonly [Peer, Found])[];

const UNITS: Record<string, string> = { cpu: "s/GB", "relay-cpu": "s/GB", "machine-cpu": "s/GB", rss: "MB" };
const unitOf = (what: string): string => {
  const last = what.split("/").at(-1) as string;
  return UNITS[last] ?? (/^p\d+$/.test(last) ? "ms" : "Mbit/s");
};

const rounded = (
  systems: readonly System[],
  rounds: number,
  where: string,
  measure: (system: System) => Promise<Figures>,
): Promise<Row[]> => interleaved(systems, rounds, `peers/${where}`, unitOf, measure);

const percentiles = (what: string, times: readonly number[]): Figures => ({
  [`${what}/p50`]: at(times, 0.5),
  [`${what}/p99`]: at(times, 0.99),
});

/** Round trips beside one stream that lasts longer than they do. */
async function underLoad(system: System, seconds: number): Promise<number[]> {
  const stream = tcp(system.star, system, 1, seconds + 1);
  await Bun.sleep(500); // past slow start
  const times = await roundTrips(system.star, system, Math.round(seconds / PING_INTERVAL), PING_INTERVAL);
  await stream;
  return times;
}

async function throughput(system: System, seconds: number): Promise<Figures> {
  const one = await tcp(system.star, system, 1, seconds);
  return { "tcp-1": one.mbit, cpu: one.cpu, "tcp-4": (await tcp(system.star, system, 4, seconds)).mbit };
}

async function relayed(system: System, seconds: number): Promise<Figures> {
  const idle = await roundTrips(system.star, system, PINGS, PING_INTERVAL);
  const [machine, relay] = [machineSeconds(), cpuSeconds(system.relay as number)];
  const { mbit, bytes } = await tcp(system.star, system, 1, seconds);
  const perGb = (used: number): number => used / (bytes / 1e9);
  return {
    "tcp-1": mbit,
    "relay-cpu": perGb(cpuSeconds(system.relay as number) - relay),
    "machine-cpu": perGb(machineSeconds() - machine),
    ...percentiles("rtt", idle),
  };
}

/** Starts those that can be had, each on a star of its own, hands those that run to `measure` and removes them. */
async function withSystems(
  ready: Ready,
  throughRelay: boolean,
  missing: string[],
  measure: (systems: readonly System[]) => Promise<Row[]>,
): Promise<Row[]> {
  const stars: Star[] = [];
  const remove = async (): Promise<void> => {
    for (const star of stars) await star.remove();
  };
  const interrupted = (): void => void remove().then(() => process.exit(130));
  process.once("SIGINT", interrupted);
  try {
    const systems: System[] = [];
    for (const [peer, { programs }] of ready) {
      const star = new Star(peer.name, throughRelay);
      stars.push(star);
      await star.build();
      try {
        systems.push(await startOn(star, peer, programs));
      } catch (error) {
        missing.push(`missing: ${peer.name}${throughRelay ? ", relayed" : ""}: it did not start: ${messageOf(error)}`);
        console.log(missing.at(-1));
      }
    }
    await Bun.sleep(SETTLE_MS);
    return await measure(systems);
  } finally {
    process.off("SIGINT", interrupted);
    await remove();
  }
}

const datagrams = ({ star, ...system }: System, known: number | undefined): Promise<number> =>
  known
    ? udpRate(star, system, 1200, UDP_SECONDS, known, UDP_STEP)
    : udpRate(star, system, 1200, UDP_SECONDS, UDP_FROM);

async function directRows(systems: readonly System[], rounds: number, seconds: number): Promise<Row[]> {
  const rates = new Map<string, number>();
  const rows = await rounded(systems, rounds, "on/", async (system) => {
    const idle = await roundTrips(system.star, system, PINGS, PING_INTERVAL);
    const streams = await throughput(system, seconds);
    const loaded = await underLoad(system, seconds);
    const udp = await datagrams(system, rates.get(system.name));
    rates.set(system.name, udp);
    return { ...percentiles("rtt", idle), ...streams, ...percentiles("load", loaded), "udp-1200": udp };
  });
  rows.push(...(await rounded(systems, 1, "", async (system) => ({ rss: residentMb(system) }))));
  const offloading = systems.filter(({ name }) => OFFLOADING.includes(name));
  for (const { star } of offloading) await star.setOffloads("off");
  return [...rows, ...(await rounded(offloading, rounds, "off/", (system) => throughput(system, seconds)))];
}

/** One line for each system, one column for each figure. */
function print(title: string, rows: readonly Row[], ready: Ready, columns: readonly string[]): void {
  const heads = columns.map((what) => what.replace(/^(on|relayed)\//, ""));
  console.log(`\n${title}`);
  console.log(["".padEnd(16), ...heads.map((head) => head.padStart(12))].join(""));
  console.log(["".padEnd(16), ...columns.map((what) => unitOf(what).padStart(12))].join(""));
  for (const [{ name }] of ready) {
    const cells = columns.map((what) => {
      const value = rows.find(({ id }) => id === `peers/${what}/${name}`)?.value;
      return (value === undefined ? "-" : value >= 100 ? value.toFixed(0) : value.toPrecision(3)).padStart(12);
    });
    console.log([name.padEnd(16), ...cells].join(""));
  }
}

const DIRECT = ["tcp-1", "cpu", "tcp-4", "udp-1200", "rtt/p50", "rtt/p99", "load/p50", "load/p99"].map(
  (w) => `on/${w}`,
);
const OFF = ["rss", "off/tcp-1", "off/cpu", "off/tcp-4"];
const RELAYED = ["tcp-1", "relay-cpu", "machine-cpu", "rtt/p50", "rtt/p99"].map((what) => `relayed/${what}`);

async function main(names: readonly string[], rounds: number, seconds: number): Promise<Row[]> {
  const ready: (readonly [Peer, Found])[] = [];
  const missing: string[] = [];
  for (const peer of PEERS.filter(({ name }) => names.includes(name))) {
    const found = await peer.find();
    if ("missing" in found) missing.push(`missing: ${peer.name}: ${found.missing}`);
    else ready.push([peer, found]);
  }
  for (const [peer, { version }] of ready) {
    console.log(`${peer.name.padEnd(16)}${version.padEnd(28)}relay: ${peer.relays ?? "cannot"}`);
  }
  for (const program of [
    ["iperf3", "--version"],
    ["uname", "-sr"],
  ])
    console.log((await must(program)).split("\n")[0]);
  for (const line of missing) console.log(line);
  const direct = await withSystems(ready, false, missing, (systems) => directRows(systems, rounds, seconds));
  const relaying = ready.filter(([peer]) => peer.relays !== undefined);
  const through = await withSystems(relaying, true, missing, (systems) =>
    rounded(systems, rounds, "relayed/", (system) => relayed(system, seconds)),
  );
  print("one cable, underlay offloads on", direct, ready, DIRECT);
  print("memory after that; underlay offloads off", direct, ready, OFF);
  print("through one relay, underlay offloads on", through, relaying, RELAYED);
  for (const line of missing) console.log(line);
  return [...direct, ...through];
}

if (import.meta.main) {
  const all = PEERS.map(({ name }) => name);
  const { values } = parseArgs({
    options: {
      peers: { type: "string", default: all.join(",") },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "2" },
      json: { type: "string" },
    },
  });
  const names = values.peers.split(",");
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    console.error(`error: no peer "${unknown}"\nhint: ${all.join(", ")}`);
    process.exit(2);
  }
  const programs = ["ip", "ping", "ethtool", "iperf3"].map((name) => `command:${name}` as const);
  if (!able("bench/peers.bench.ts", "root", "tun", "netns", "addon", ...programs)) process.exit(1);
  const rows = await main(names, Number(values.rounds), Number(values.seconds));
  if (values.json) await Bun.write(values.json, `${JSON.stringify(rows, null, 2)}\n`);
}
