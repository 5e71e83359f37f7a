/**
 * What a flow loses when the gateway of a subnet that it goes through fails and another announces the same: `bun bench/subnet.bench.ts
 * [--rounds N] [--json FILE]`, as root.
 *
 * Method. Three gateways in namespaces with real daemons: two in one network that they announce and masquerade, each on a wire of its own to
 * the third (test/help/failover.ts). The third pings a host in that network 100 times a second. The gateway in use fails; the figure is the
 * longest time between two answers, of which 10 ms are no gap. Median over the rounds; every round begins with both gateways reached.
 *
 * And the same with a relay between them and the third (`relay-`), which alone is a neighbour of theirs.
 *
 *   kill     its daemon is killed (SIGKILL)
 *   freeze   its daemon is stopped (SIGSTOP): its kernel goes on to answer for it
 *   cut      its wire carries nothing any more, and neither end is told
 */
import { parseArgs } from "node:util";
import { FAILURES, Failover, type Failure, type Pings, PLACES, type Place } from "../test/help/failover.ts";
import { able } from "../test/help/require.ts";
import { median, show } from "./rounds.ts";
import type { Row } from "./table.ts";

const STEADY = 200; // answers before a failure and after it

const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" }, json: { type: "string" } } });

/** Milliseconds without an answer. */
async function once(world: Failover, pings: Pings, how: Failure): Promise<number> {
  const used = await world.inUse();
  await pings.answers(STEADY);
  pings.longestGap();
  await world.fail(used, how);
  await pings.answers(STEADY);
  const gap = pings.longestGap();
  await world.untilInUse(world.otherThan(used));
  await world.mend(used, how);
  await world.untilReady();
  return gap;
}

async function fail(place: Place): Promise<readonly Row[]> {
  const world = new Failover(place);
  const rows: Row[] = [];
  try {
    await world.start();
    const pings = world.pings();
    for (const how of FAILURES) {
      const gaps: number[] = [];
      for (let i = 0; i < Number(values.rounds); i++) gaps.push(await once(world, pings, how));
      const id = place === "on a wire" ? how : `relay-${how}`;
      const row = { id: `subnet/${id}`, value: median(gaps), unit: "ms" };
      rows.push(row);
      console.log(`${show(row)}   (${gaps.map((ms) => ms.toFixed(0)).join(", ")})`);
    }
    await pings.end();
  } finally {
    await world.remove();
  }
  return rows;
}

async function main(): Promise<void> {
  const needs = ["root", "tun", "netns", "addon", "command:ip", "command:ping", "command:nft"] as const;
  if (!able("bench/subnet.bench.ts", ...needs)) return;
  const rows: Row[] = [];
  for (const place of PLACES) rows.push(...(await fail(place)));
  if (values.json) await Bun.write(values.json, JSON.stringify(rows));
}

await main();
process.exit(0);
