/**
 * Our tunnel beside Debian's wireguard-go: `bun bench/tunnel.bench.ts [--rounds N] [--seconds S] [--json FILE]`, as root.
 *
 * Method. Two network namespaces joined by one veth pair, MTU 1500; our daemons as a user starts them (init, run, invite,
 * join, run) and wireguard-go's run in both at the same time, each with its own defaults (inner MTU 1388 and 1420),
 * and carry IPv6 over the same IPv4 underlay. Every figure is the median of interleaved rounds: ours, theirs, ours, theirs.
 * Underlay offloads are those of `ethtool`: tso, gso, gro and tx-udp-segmentation, on or off at both ends.
 *
 *   tcp-1, tcp-4   one and four iperf3 streams (cubic), Mbit/s received
 *   cpu            CPU seconds (user and kernel) of both daemons per 10^9 bytes that one stream received
 *   udp-N          highest rate, Mbit/s received, of N-byte payloads with less than 1 % lost; iperf3 is both ends
 *   rtt-p50, -p99  round trips of ping, one every 10 ms, nothing else under way
 *   rss            resident memory of our larger daemon after all that
 *   idle-cpu       CPU of our busier daemon with an idle session, before all that, once its start is 5 s past
 *
 * Programs and daemons share the same cores, so absolute figures are the machine's; compare the two systems in one run.
 */
import { parseArgs } from "node:util";
import { able } from "../test/help/require.ts";
import { must } from "../test/help/shell.ts";
import { at, interleaved, show } from "./rounds.ts";
import type { Row } from "./table.ts";
import { Lab, type System } from "./tunnel-lab.ts";
import { idleCpu, residentMb, roundTrips, tcp, udpRate } from "./tunnel-load.ts";

const IDLE_SECONDS = 10;
const SETTLE_MS = 5000; // the runtime compiles what has become hot
const PINGS = 300;

interface Options {
  readonly rounds: number;
  readonly seconds: number;
}

async function measureAll(lab: Lab, systems: readonly System[], { rounds, seconds }: Options): Promise<Row[]> {
  const [ours] = systems as [System, ...System[]];
  await Bun.sleep(SETTLE_MS);
  const idle = { id: "tunnel/idle-cpu/trellis", value: await idleCpu(ours, IDLE_SECONDS), unit: "%" };
  console.log(show(idle));
  const each = (
    unit: Readonly<Record<string, string>>,
    measure: (system: System) => Promise<Readonly<Record<string, number>>>,
  ): Promise<Row[]> =>
    interleaved(systems, rounds, "tunnel/", (what) => unit[what.split("/").at(-1) ?? ""] ?? "Mbit/s", measure);
  const rows = [idle];
  rows.push(
    ...(await each({ "rtt-p50": "ms", "rtt-p99": "ms" }, async (system) => {
      const times = await roundTrips(lab, system, PINGS, 0.01);
      return { "rtt-p50": at(times, 0.5), "rtt-p99": at(times, 0.99) };
    })),
  );
  for (const state of ["on", "off"] as const) {
    await lab.setOffloads(state);
    rows.push(
      ...(await each({ cpu: "s/GB" }, async (system) => {
        const one = await tcp(lab, system, 1, seconds);
        const four = await tcp(lab, system, 4, seconds);
        return { [`${state}/tcp-1`]: one.mbit, [`${state}/cpu`]: one.cpu, [`${state}/tcp-4`]: four.mbit };
      })),
    );
    for (const size of [1200, 64]) {
      rows.push(
        ...(await each({}, async (system) => ({
          [`${state}/udp-${size}`]: await udpRate(lab, system, size, 1, size / 4),
        }))),
      );
    }
  }
  const rss = { id: "tunnel/rss/trellis", value: residentMb(ours), unit: "MB" };
  console.log(show(rss));
  return [...rows, rss];
}

async function tunnelRows(options: Options): Promise<Row[]> {
  const lab = new Lab();
  const interrupted = (): void => void lab.remove().then(() => process.exit(130));
  process.once("SIGINT", interrupted);
  try {
    await lab.build();
    const systems = [await lab.startTrellis(), await lab.startWireguard()];
    const programs = [await must(["iperf3", "--version"]), await must(["uname", "-sr"])];
    for (const line of [...systems.map((s) => s.version), ...programs.map((text) => text.split("\n")[0] ?? "")])
      console.log(line);
    return await measureAll(lab, systems, options);
  } finally {
    process.off("SIGINT", interrupted);
    await lab.remove();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "3" },
      json: { type: "string" },
    },
  });
  const programs = ["ip", "ping", "ethtool", "iperf3", "wireguard-go", "wg"] as const;
  const needs = programs.map((name) => `command:${name}` as const);
  if (!able("bench/tunnel.bench.ts", "root", "tun", "netns", "addon", ...needs)) process.exit(1);
  const rows = await tunnelRows({ rounds: Number(values.rounds), seconds: Number(values.seconds) });
  if (values.json) await Bun.write(values.json, `${JSON.stringify(rows, null, 2)}\n`);
}
