/**
 * What a flow loses when the daemon of the relay that it goes through ends and is started again: `bun bench/restart.bench.ts [--rounds N]
 * [--json FILE]`, as root.
 *
 * Method. Three gateways in a row in namespaces with real daemons (test/help/relayed-pair.ts); there is no other way than the relay. A flow of
 * 1,000 datagrams a second from end to end. The relay's daemon ends, is away until 1,000 more have come, comes back, and its neighbours have met it;
 * once 2,000 more have come the flow is asked what it lost. The most of all rounds, in datagrams, of which there is one each millisecond.
 *
 *   kill      SIGKILL, as a crash
 *   restart   SIGUSR2, as an update
 *   after     36 s later: what the earlier daemon left in the kernel has gone by then
 */
import { parseArgs } from "node:util";
import { RelayedPair } from "../test/help/relayed-pair.ts";
import { able } from "../test/help/require.ts";
import { show } from "./rounds.ts";
import type { Row } from "./table.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" }, json: { type: "string" } } });

async function main(): Promise<void> {
  if (!able("bench/restart.bench.ts", "root", "tun", "netns", "addon", "command:ip")) return;
  const pair = new RelayedPair();
  const rows: Row[] = [];
  const say = (id: string, lost: readonly number[]): void => {
    rows.push({ id: `restart/${id}`, value: Math.max(...lost), unit: "datagrams" });
    console.log(`${show(rows.at(-1) as Row)}   (${lost.join(", ")})`);
  };
  try {
    await pair.start();
    const flow = await pair.flow();
    await flow.more(1_000);
    for (const [id, signal] of [
      ["kill", "SIGKILL"],
      ["restart", "SIGUSR2"],
    ] as const) {
      const lost: number[] = [];
      for (let i = 0; i < Number(values.rounds); i++) {
        await flow.arrivals();
        let between = 0;
        await pair.restart(signal, async () => {
          between = (await flow.more(1_000)).lost;
        });
        lost.push(between + (await flow.more(2_000)).lost);
      }
      say(id, lost);
    }
    await Bun.sleep(36_000);
    say("after", [(await flow.arrivals()).lost]);
    await flow.end();
  } finally {
    await pair.remove();
  }
  if (values.json) await Bun.write(values.json, JSON.stringify(rows));
}

await main();
process.exit(0);
