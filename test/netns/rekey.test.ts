/** Ten key changes while packets flow at full rate over a wire that loses a fifth of them: none is lost by the change. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { losePackets } from "../help/loss.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";

const ready = able(
  "test/netns/rekey.test.ts",
  "root",
  "tun",
  "netns",
  "addon",
  "command:ip",
  "command:tc",
  "command:clang",
);
const REKEYS = 10;
/** Packets between two of them, each way: more than can wait on the way. */
const FLOW = 5_000;

interface Peer {
  readonly name: string;
  readonly state: string;
  readonly rekeys: number;
}
interface Status {
  readonly address: string;
  readonly traffic: { readonly received: { readonly packets: number }; readonly drops: Record<string, number> };
}

describe.skipIf(!ready)("two gateways under 20 % loss and full load", () => {
  const net = new TestNet("a", "b");
  const [a, b] = net.gateways as [TestGateway, TestGateway];
  const peer = async (on: TestGateway): Promise<Peer | undefined> =>
    (await on.json<{ peers: Peer[] }>("peers")).peers[0];

  beforeAll(async () => {
    await net.build();
    await a.json("init", "--name", "a");
    await a.start();
    const { token } = await a.json<{ token: string }>("invite");
    await b.json("join", token, "--name", "b");
    await b.start();
    for (const g of [a, b])
      await until(`a session at ${g.name}`, async () => ((await peer(g))?.state === "up" ? true : undefined));
    for (const g of [a, b]) await losePackets(20, "eth0", (...command) => g.inside(...command));
  });
  afterAll(() => net.remove());

  test("ten rekeys in a row lose no packet that the wire delivered", async () => {
    const load = [
      [a, b],
      [b, a],
    ].map(async ([from, to]) => {
      const { address } = await (to as TestGateway).json<Status>("status");
      const script = join(import.meta.dir, "../help/udp-load.ts");
      return Bun.spawn((from as TestGateway).inside(process.execPath, script, address, "9"), { stdout: "ignore" });
    });
    const running = await Promise.all(load);
    const received = async (g: TestGateway): Promise<number> =>
      (await g.json<Status>("status")).traffic.received.packets;
    const start = (await peer(a))?.rekeys ?? 0;
    for (let i = 1; i <= REKEYS; i++) {
      await a.json("rekey", "b");
      await until(`rekey ${i}`, async () => (((await peer(a))?.rekeys ?? 0) >= start + i ? true : undefined));
      // What waits for a core at the other end was sealed with keys that only so many changes leave valid.
      for (const g of [a, b]) {
        const before = await received(g);
        await until(`packets at ${g.name}`, async () => ((await received(g)) > before + FLOW ? true : undefined));
      }
    }
    for (const program of running) program.kill();
    await Promise.all(running.map((program) => program.exited));
    for (const g of [a, b]) {
      const { drops } = (await g.json<Status>("status")).traffic;
      expect({ noSession: drops.noSession, auth: drops.auth }).toEqual({ noSession: 0, auth: 0 });
    }
  });
});
