/**
 * What pings lose in a ring of four gateways when a way ends: `bun bench/ring.bench.ts [--rounds N] [--only NAME] [--json FILE]`, as root.
 *
 * Method. Four gateways in namespaces with real daemons and their defaults (test/help/ring.ts), 100 pings a second from one to another. Two
 * seconds later a way ends; the figure is the number of pings that were never answered, times 10 ms: the time until packets pass both
 * ways again. Each wire is a bridge with two ports. Median over the rounds; before each round the ring is whole again.
 *
 *   backup     to the opposite corner; the wire to the neighbour in use carries nothing any more, and neither end is told. The other
 *              neighbour is known as the backup
 *   further    the same with the wire behind that neighbour, who has no backup
 *   adjacent   to the next corner, over the wire between them: no neighbour stands in without learning of it
 *   carrier    as `backup`, but our own interface goes down
 *   carrier-adjacent   as `adjacent`, but our own interface goes down
 *   plug       as `backup`, but both ends lose their carrier
 *   plug-adjacent   as `adjacent`, but both ends do
 */
import { parseArgs } from "node:util";
import { able } from "../test/help/require.ts";
import { type Corner, Ring, wireOf } from "../test/help/ring.ts";
import { must } from "../test/help/shell.ts";
import { median, show } from "./rounds.ts";
import type { Row } from "./table.ts";

const PAUSE_MS = 10;
const BEFORE_MS = 2000;
const AFTER_MS = 2000;
/** Pings at the end of which answers may not have come yet. */
const LATE = 5;

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, only: { type: "string" }, json: { type: "string" } },
});

/** Milliseconds of unanswered pings. */
async function unanswered(ring: Ring, from: Corner, to: Corner, end: () => Promise<unknown>): Promise<number> {
  const { address } = await ring.at(to).json<{ address: string }>("status");
  const command = ring.at(from).inside("ping", "-6", "-n", "-i", String(PAUSE_MS / 1000), address);
  const ping = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  await Bun.sleep(BEFORE_MS);
  await end();
  await Bun.sleep(AFTER_MS);
  ping.kill("SIGINT");
  const text = await new Response(ping.stdout).text();
  const answered = [...text.matchAll(/icmp_seq=(\d+) .*time=/g)].map((m) => Number(m[1]));
  const sent = Number(text.match(/(\d+) packets transmitted/)?.[1]);
  const last = Math.max(...answered);
  if (!(last > sent - LATE)) throw new Error(`${sent} pings were sent, and the last answer was to number ${last}`);
  return (last - new Set(answered).size) * PAUSE_MS;
}

/** A way that ends, and how it is there again. */
interface End {
  readonly end: () => Promise<unknown>;
  readonly mend: () => Promise<unknown>;
}

function silence(ring: Ring, x: Corner, y: Corner): End {
  const wire = wireOf(x, y);
  return { end: () => ring.net.cut(wire), mend: () => ring.net.mend(wire) };
}

function carrier(ring: Ring, x: Corner, y: Corner): End {
  const set = (state: string) => must(["ip", "-n", ring.at(x).namespace, "link", "set", `to-${y}`, state]);
  return { end: () => set("down"), mend: () => set("up") };
}

function plug(ring: Ring, x: Corner, y: Corner): End {
  const set = async (state: string) => {
    for (const end of [1, 2]) await must(ring.net.onWires("ip", "link", "set", `wire${wireOf(x, y)}-${end}`, state));
  };
  return { end: () => set("down"), mend: () => set("up") };
}

/** From whom to whom, and which way ends; `relay` is the neighbour in use towards the opposite corner. */
type Case = (ring: Ring, relay: Corner) => readonly [Corner, Corner, End];

const CASES: Readonly<Record<string, Case>> = {
  backup: (ring, relay) => ["a", "c", silence(ring, "a", relay)],
  further: (ring, relay) => ["a", "c", silence(ring, relay, "c")],
  adjacent: (ring) => ["a", "b", silence(ring, "a", "b")],
  carrier: (ring, relay) => ["a", "c", carrier(ring, "a", relay)],
  "carrier-adjacent": (ring) => ["a", "b", carrier(ring, "a", "b")],
  plug: (ring, relay) => ["a", "c", plug(ring, "a", relay)],
  "plug-adjacent": (ring) => ["a", "b", plug(ring, "a", "b")],
};

async function main(): Promise<void> {
  if (!able("bench/ring.bench.ts", "root", "tun", "netns", "addon", "command:ip", "command:ping")) return;
  const ring = new Ring();
  const rows: Row[] = [];
  try {
    await ring.start();
    for (const [name, make] of Object.entries(CASES)) {
      if (values.only !== undefined && !values.only.split(",").includes(name)) continue;
      const lost: number[] = [];
      for (let i = 0; i < Number(values.rounds); i++) {
        const [from, to, way] = make(ring, (await ring.via("a", "c")) as Corner);
        lost.push(await unanswered(ring, from, to, way.end));
        await way.mend();
        await ring.untilWhole();
      }
      const row = { id: `ring/${name}`, value: median(lost), unit: "ms" };
      rows.push(row);
      console.log(`${show(row)}   (${lost.join(", ")})`);
    }
  } finally {
    await ring.remove();
  }
  if (values.json) await Bun.write(values.json, JSON.stringify(rows));
}

await main();
process.exit(0);
