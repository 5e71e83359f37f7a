/**
 * What a relay costs: `bun bench/relay.bench.ts [--rounds N] [--seconds S] [--json FILE]`, as root.
 *
 * Method. Three network namespaces in a row joined by veth pairs, MTU 1500; data paths as the daemon opens them, with fixed keys, inner
 * MTU 1380. Every figure is the median of interleaved rounds, one way after the other; the gateway in the middle is started anew for
 * each, and a round counts only if what it says carried the frames did.
 *
 *   tcp      one iperf3 stream (cubic) between overlay addresses, Mbit/s received
 *
 *   direct           the two ends on one cable
 *   forwarding       the middle routes IP, without our program
 *   relay            our program at tcx, in the kernel
 *   relay-xdp        our program in XDP on the veths, which costs them their offloads
 *   relay-userspace  the daemon's workers
 *
 * Sender, relay and receiver share the same cores, so absolute figures are the machine's; compare the ways in one run.
 */
import { parseArgs } from "node:util";
import { able } from "../test/help/require.ts";
import { RelayLab, type Way } from "./relay-lab.ts";
import { median } from "./rounds.ts";
import type { Row } from "./table.ts";

async function rounds(
  count: number,
  ways: readonly Way[],
  what: string,
  unit: string,
  measure: (way: Way) => Promise<number>,
): Promise<Row[]> {
  const figures = new Map<Way, number[]>(ways.map((way) => [way, []]));
  for (let round = 0; round < count; round++) {
    for (const way of ways) figures.get(way)?.push(await measure(way));
  }
  return [...figures].map(([way, values]) => {
    const row = { id: `relay/${what}/${way}`, value: median(values), unit };
    console.log(
      `${row.id.padEnd(36)}${row.value.toFixed(0).padStart(8)} ${unit}   (${values.map((v) => v.toFixed(0)).join(", ")})`,
    );
    return row;
  });
}

async function measureAll(lab: RelayLab, count: number, seconds: number): Promise<Row[]> {
  const rows: Row[] = [];
  const tcp = (way: Way): Promise<number> => lab.by(way, () => lab.tcp(seconds));
  for (const state of ["on", "off"] as const) {
    await lab.setOffloads(state);
    const ways: readonly Way[] = [
      "direct",
      "forwarding",
      "relay",
      ...(state === "on" ? (["relay-xdp", "relay-userspace"] as const) : []),
    ];
    rows.push(...(await rounds(count, ways, `${state}/tcp`, "Mbit/s", tcp)));
  }
  return rows;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    json: { type: "string" },
  },
});
const needs = ["root", "tun", "netns", "addon", "command:ip", "command:ethtool", "command:iperf3"] as const;
if (able("bench/relay.bench.ts", ...needs)) {
  const lab = new RelayLab();
  try {
    await lab.build();
    const rows = await measureAll(lab, Number(values.rounds), Number(values.seconds));
    if (values.json) await Bun.write(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  } finally {
    await lab.remove();
  }
}
