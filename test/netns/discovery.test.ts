/**
 * Gateways on one link that know each other's certificates and nobody's address: all were renumbered while they were off. Beacons alone
 * bring them together.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
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
const address = async (g: TestGateway): Promise<string> => (await g.json<{ address: string }>("status")).address;

/** All know all; then all end, and their interfaces get other addresses: `renumber` says which. */
async function acquainted(net: TestNet, renumber: (g: TestGateway) => readonly (readonly string[])[]): Promise<void> {
  await net.build();
  const [first, ...others] = net.gateways as [TestGateway, ...TestGateway[]];
  await first.json("init", "--name", first.name);
  await first.start();
  for (const g of others) {
    const { token } = await first.json<{ token: string }>("invite");
    await g.json("join", token, "--name", g.name);
    await g.start("--no-discovery");
  }
  for (const g of net.gateways)
    await until(
      `the roster of ${g.name}`,
      async () => ((await peers(g)).length === others.length ? true : undefined),
      60_000,
    );
  for (const g of net.gateways) {
    await g.end("SIGTERM");
    for (const words of renumber(g)) await ip(g, ...words);
  }
}

const elsewhere = (g: TestGateway): readonly (readonly string[])[] => [
  ["-4", "address", "flush", "dev", "eth0"],
  ["address", "add", `${g.underlay.replace("10.78.", "10.79.")}/24`, "dev", "eth0"],
];

describe.skipIf(!ready)("two gateways", () => {
  const net = new TestNet("a", "b");
  const [a, b] = net.gateways as [TestGateway, TestGateway];
  beforeAll(() => acquainted(net, elsewhere));
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
    const to = await address(b);
    await until("an answer", async () =>
      (await run(a.inside("ping", "-6", "-c", "1", "-W", "1", to))).code === 0 ? true : undefined,
    );
    expect((await peers(a))[0]).toMatchObject({ state: "up", endpoint: expect.any(String) });
  });

  test("meet by IPv6 alone, without any address but those of the link", async () => {
    for (const g of [a, b]) {
      await g.end("SIGTERM");
      await ip(g, "-4", "address", "flush", "dev", "eth0");
    }
    for (const g of [a, b]) await g.start();
    const to = await address(b);
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
  beforeAll(() => acquainted(net, elsewhere), 180_000);
  afterAll(() => net.remove());

  test("that start at the same moment all reach all", async () => {
    for (const g of net.gateways) g.spawn();
    for (const g of net.gateways) await g.untilReady(60_000);
    for (const g of net.gateways)
      await until(
        `all sessions of ${g.name}`,
        async () => ((await peers(g)).filter(isUp).length === net.gateways.length - 1 ? true : undefined),
        60_000,
      );
    const [first, ...others] = net.gateways as [TestGateway, ...TestGateway[]];
    const to = await address(first);
    for (const g of others) await must(g.inside("ping", "-6", "-c", "1", "-W", "5", to));
    expect(others).toHaveLength(9);
  }, 120_000);
});
