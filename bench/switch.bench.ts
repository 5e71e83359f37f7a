/**
 * What a flow loses when the wire behind its relay falls silent: `bun bench/switch.bench.ts [--rounds N] [--long S] [--json FILE]`, as
 * root.
 *
 * Method. Four gateways in namespaces with real daemons, two ways from one end to the other (test/help/diamond.ts), 1,000 UDP packets a
 * second from end to end. The wire between the relay in use and the destination is cut without either end being told (its bridge loses a
 * port; carriers stay up); the relay must take its way over the other one. A packet is a millisecond: the figure is the longest run of
 * numbers that never came. Median over the rounds; every round begins with a steady flow on the first way.
 *
 *   alive    the relay's daemon runs
 *   frozen   it has been stopped (SIGSTOP) for 2 s before the cut, and is until the flow was measured
 *   replay   the same, and 1,000 recorded frames of the silent wire a second are played to the relay
 *   long     it has been stopped for S seconds (100)
 */
import { parseArgs } from "node:util";
import { Diamond, freeze, Replay, thaw, type Way } from "../test/help/diamond.ts";
import { until } from "../test/help/netns.ts";
import { able } from "../test/help/require.ts";
import type { Row } from "./table.ts";

const WATCHED_MS = 2000; // after the cut
const FROZEN_MS = 2000;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    long: { type: "string", default: "100" },
    json: { type: "string" },
  },
});

async function steady(diamond: Diamond, way: Way): Promise<void> {
  await until(
    "a steady flow on its first way",
    async () => {
      await diamond.arrived();
      await Bun.sleep(500);
      const { received, lost } = await diamond.arrived();
      return received > 0 && lost === 0 && (await diamond.way()).relay === way.relay ? true : undefined;
    },
    60_000,
  );
}

/** Packets lost in one cut. */
async function once(diamond: Diamond, way: Way, frozenMs: number, replayed: boolean): Promise<number> {
  await steady(diamond, way);
  const replay = replayed ? await Replay.record(diamond.net, way, 2000, 1000) : undefined;
  if (frozenMs > 0) {
    await Bun.sleep(replayed ? FROZEN_MS : 0);
    freeze(way.relay);
    await Bun.sleep(frozenMs);
  }
  await diamond.arrived();
  await diamond.net.cut(way.wire);
  replay?.play();
  await Bun.sleep(WATCHED_MS);
  const { longestGap, received } = await diamond.arrived();
  await replay?.end();
  await diamond.net.mend(way.wire);
  thaw(way.relay);
  if (received < WATCHED_MS / 4) throw new Error(`only ${received} packets came after the cut`);
  return longestGap;
}

async function main(): Promise<void> {
  if (!able("bench/switch.bench.ts", "root", "tun", "netns", "addon", "command:ip", "command:g++")) return;
  const rounds = Number(values.rounds);
  const diamond = new Diamond();
  const rows: Row[] = [];
  try {
    await diamond.start();
    await diamond.flow(1000);
    const way = await diamond.way();
    for (const [name, frozenMs, replayed, times] of [
      ["alive", 0, false, rounds],
      ["frozen", FROZEN_MS, false, rounds],
      ["replay", FROZEN_MS, true, rounds],
      ["long", Number(values.long) * 1000, false, Number(values.long) > 0 ? 1 : 0],
    ] as const) {
      const lost: number[] = [];
      for (let i = 0; i < times; i++) lost.push(await once(diamond, way, frozenMs, replayed));
      if (lost.length === 0) continue;
      const value = lost.toSorted((x, y) => x - y)[Math.floor(lost.length / 2)] as number;
      rows.push({ id: `switch/${name}`, value, unit: "ms" });
      console.log(`switch/${name}   ${value} ms   (${lost.join(", ")})`);
    }
  } finally {
    await diamond.remove();
  }
  if (values.json) await Bun.write(values.json, JSON.stringify(rows));
}

await main();
process.exit(0);
