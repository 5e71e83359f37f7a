/**
 * Gateways on one link that know each other's certificates and nobody's address: all were renumbered while they were off. Beacons alone
 * bring them together.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { acquaint } from "../help/acquainted.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const ready = able("test/netns/discovery.test.ts", "root", "tun", "netns", "addon", "command:ip");
const SEND = join(import.meta.dir, "../help/noise.ts");

interface Peer {
  readonly name: string;
  readonly state: string;
  readonly endpoint: string | null;
}
interface Status {
  readonly discovery: { readonly on: readonly string[]; readonly reason: string };
  readonly counters: Readonly<Record<string, number>>;
}

const ip = (g: TestGateway, ...words: readonly string[]): Promise<string> => must(["ip", "-n", g.namespace, ...words]);
const peers = async (on: TestGateway): Promise<readonly Peer[]> => (await on.json<{ peers: Peer[] }>("peers")).peers;
const isUp = ({ state, endpoint }: Peer): boolean => state === "up" && endpoint !== null;
describe.skipIf(!ready)("two gateways", () => {
  const net = new TestNet("a", "b");
  const [a, b] = net.gateways as [TestGateway, TestGateway];
  let to = "";
  beforeAll(async () => {
    to = (await acquaint(net))[1] as string;
  });
  afterAll(() => net.remove());

  test("whose beacons are off, or on interfaces that are left out, do not meet, and say so", async () => {
    await a.start("--no-discovery");
    await b.start("--quiet-on", "eth1,eth0");
    expect((await a.json<Status>("status")).discovery).toEqual({ on: [], reason: expect.stringContaining("off") });
    expect((await b.json<Status>("status")).discovery).toEqual({ on: [], reason: expect.stringMatching(/./) });
    await Bun.sleep(3000); // longer than it takes them otherwise
    expect((await peers(a)).filter(isUp)).toEqual([]);
    for (const g of [a, b]) {
      const { counters } = await g.json<Status>("status");
      expect([counters["discovery.sent"], counters["discovery.heard"]]).toEqual([undefined, undefined]);
      await g.end("SIGTERM");
    }
  });

  test("meet by them, and carry packets", async () => {
    await a.start();
    await b.start();
    expect((await a.json<Status>("status")).discovery).toEqual({ on: ["eth0"], reason: "" });
    await until("an answer", async () =>
      (await run(a.inside("ping", "-6", "-c", "1", "-W", "1", to))).code === 0 ? true : undefined,
    );
    expect((await peers(a)).map(isUp)).toEqual([true]);
  });

  test("and speak over addresses that relays carry in the kernel, whichever they met at", async () => {
    const isCarried = async (g: TestGateway): Promise<boolean> =>
      (await peers(g))[0]?.endpoint?.startsWith("10.") === true;
    await until("IPv4 at both ends", async () => ((await isCarried(a)) && (await isCarried(b)) ? true : undefined));
  });

  test("meet by IPv6 alone, without any address but those of the link", async () => {
    for (const g of [a, b]) {
      await g.end("SIGTERM");
      await ip(g, "-4", "address", "flush", "dev", "eth0");
    }
    for (const g of [a, b]) await g.start();
    await until("an answer", async () =>
      (await run(a.inside("ping", "-6", "-c", "1", "-W", "1", to))).code === 0 ? true : undefined,
    );
    expect((await peers(a))[0]?.endpoint).toStartWith("[fe80:");
  });

  test("that hear garbage, and beacons of another mesh, drop and count it", async () => {
    const send = (bytes: number): Promise<string> => must(a.inside(process.execPath, SEND, String(bytes)));
    await send(10);
    await send(88);
    await until("two drops", async () => {
      const { counters } = await b.json<Status>("status");
      return counters["discovery.drop.length"] === 1 && counters["discovery.drop.foreign"] === 1 ? true : undefined;
    });
    expect((await peers(b)).filter(isUp)).toHaveLength(1);
  });
});

describe.skipIf(!ready)("ten gateways", () => {
  const net = new TestNet(..."abcdefghij");
  let to = "";
  beforeAll(async () => {
    to = (await acquaint(net))[0] as string;
  });
  afterAll(() => net.remove());

  test("that start at the same moment all reach all", async () => {
    for (const g of net.gateways) g.spawn();
    for (const g of net.gateways) await g.untilReady();
    for (const g of net.gateways)
      await until(`all sessions of ${g.name}`, async () =>
        (await peers(g)).filter(isUp).length === net.gateways.length - 1 ? true : undefined,
      );
    const [, ...others] = net.gateways;
    for (const g of others)
      await until(`an answer to ${g.name}`, async () =>
        (await run(g.inside("ping", "-6", "-c", "1", "-W", "5", to))).code === 0 ? true : undefined,
      );
    expect(others).toHaveLength(9);
  });
});
