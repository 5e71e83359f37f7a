/**
 * Packets per second and core that a relay in the kernel carries, beside IP forwarding: `bun bench/pps.bench.ts [--rounds N]
 * [--seconds S] [--json FILE]`, as root.
 *
 * Method. Three network namespaces in a row joined by veth pairs; single packets of 64 bytes UDP payload with whole checksums, a to b.
 * A program of BPF_PROG_TEST_RUN sends live frames out of a's device (`bench/pps.bpf.c`), so what comes to the middle are frames as a
 * driver has them, for all ways alike: no socket, no packet buffer yet. XDP at b counts and drops them. All of it happens on
 * one CPU in batches of 64, sending, the middle and sink, and its CPU time is measured, so other load on the machine
 * matters little. What `direct` takes, the same sender and sink on one cable, is taken off: what is left is what the middle spends on
 * a packet, and a second through that is the figure. For `forwarding` and `relay` the packet buffer that they made is freed at
 * the sink, as by a driver after sending: that is theirs.
 * A datagram's relay tag is verified, and it gets a new one. Median of interleaved rounds; the middle is started anew for each.
 *
 *   direct       no middle: ns of sender and sink
 *   forwarding   the middle routes IP, without our program
 *   relay        our program at tcx
 *   relay-xdp    our program in XDP
 */
import { parseArgs } from "node:util";
import { able } from "../test/help/require.ts";
import { buildDrive, RelayLab, type Way } from "./relay-lab.ts";
import { median } from "./rounds.ts";
import type { Row } from "./table.ts";

const MIDDLES: readonly Way[] = ["forwarding", "relay", "relay-xdp"];

async function measureAll(lab: RelayLab, rounds: number, seconds: number): Promise<Row[]> {
  const spent = new Map<Way, number[]>(MIDDLES.map((way) => [way, []]));
  const ends: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const direct = await lab.by("direct", () => lab.packetCost("direct", seconds));
    ends.push(direct);
    for (const way of MIDDLES) spent.get(way)?.push((await lab.by(way, () => lab.packetCost(way, seconds))) - direct);
  }
  console.log(`sender and sink ${median(ends).toFixed(0)} ns   (${ends.map((ns) => ns.toFixed(0)).join(", ")})`);
  const base = median(spent.get("forwarding") ?? []);
  return [...spent].map(([way, values]) => {
    const ns = median(values);
    const row = { id: `pps/64/${way}`, value: 1e6 / ns, unit: "kpps" };
    const all = values.map((v) => v.toFixed(0)).join(", ");
    const ratio = (base / ns).toFixed(2);
    console.log(
      `${way.padEnd(12)}${row.value.toFixed(0).padStart(6)} kpps per core, ${ratio} x forwarding; ${ns.toFixed(0)} ns   (${all})`,
    );
    return row;
  });
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    json: { type: "string" },
  },
});
const programs = ["ip", "ethtool", "iperf3", "g++", "clang"].map((name) => `command:${name}` as const);
if (!able("bench/pps.bench.ts", "root", "tun", "netns", "addon", ...programs)) process.exit(1);
const lab = new RelayLab();
try {
  await buildDrive();
  await lab.build();
  await lab.setSinglePackets();
  const rows = await measureAll(lab, Number(values.rounds), Number(values.seconds));
  if (values.json) await Bun.write(values.json, `${JSON.stringify(rows, null, 2)}\n`);
} finally {
  await lab.remove();
}
