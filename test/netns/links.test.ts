/** Two gateways with two links between them, eth0 and eth1: which carries by what is said of them, and what a cap holds back. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const ready = able("test/netns/links.test.ts", "root", "tun", "netns", "addon", "command:ip", "command:ping");
const CAP = 200_000;
const STATES = ["carries", "over cap", "ready", "silent"];

interface Link {
  readonly interface: string;
  readonly state: string;
  readonly cost: number;
  readonly metered: boolean;
  readonly roundTripMs: number | null;
  readonly frames: number;
}
interface Links {
  readonly links: readonly Link[];
  readonly interfaces: readonly { readonly interface: string; readonly cap: number | null; readonly today: number }[];
}
interface Peer {
  readonly state: string;
  readonly sessionAgeMs: number;
}
interface Status {
  readonly address: string;
}

describe.skipIf(!ready)("two gateways with two links", () => {
  const net = new TestNet("a", "b");
  const [a, b] = net.gateways as [TestGateway, TestGateway];
  const links = (g: TestGateway): Promise<Links> => g.json<Links>("links");
  /** By interface, over which several addresses may answer: the best state of any. */
  const states = async (g: TestGateway): Promise<Readonly<Record<string, string>>> => {
    const all = (await links(g)).links.toSorted((x, y) => STATES.indexOf(y.state) - STATES.indexOf(x.state));
    return Object.fromEntries(all.map((l) => [l.interface, l.state]));
  };
  const sentOver = async (g: TestGateway, device: string): Promise<number> =>
    (await links(g)).links.reduce((sum, l) => sum + (l.interface === device ? l.frames : 0), 0);
  const becomes = (g: TestGateway, wanted: Readonly<Record<string, string>>): Promise<true> =>
    until(`${g.name}: ${JSON.stringify(wanted)}`, async () => {
      const now = await states(g);
      return Object.entries(wanted).every(([device, state]) => now[device] === state) ? true : undefined;
    });
  const pings = async (from: TestGateway, to: TestGateway, ...more: readonly string[]): Promise<boolean> => {
    const { address } = await to.json<Status>("status");
    return (await run(from.inside("ping", "-6", "-c", "3", "-i", "0.1", "-W", "1", ...more, address))).code === 0;
  };
  const reaches = (from: TestGateway, to: TestGateway): Promise<true> =>
    until(`${from.name} to reach ${to.name}`, async () => ((await pings(from, to)) ? true : undefined));
  const begin = async (...args: readonly string[]): Promise<void> => {
    await a.end("SIGTERM");
    await a.start(...args);
    await reaches(a, b);
  };
  /** Neither daemon runs for a moment, while packets flow. */
  const standStill = async (): Promise<void> => {
    const { address } = await b.json<Status>("status");
    const flow = Bun.spawn(a.inside("ping", "-6", "-q", "-i", "0.05", address), { stdout: "ignore" });
    await Bun.sleep(500);
    for (const signal of ["SIGSTOP", "SIGCONT"] as const) {
      for (const g of [a, b]) process.kill(g.pid as number, signal);
      await Bun.sleep(500);
    }
    flow.kill();
    await flow.exited;
  };
  /** What goes over eth0 is lost, and neither end is told. */
  const silence = (): Promise<string> => must(net.onWires("ip", "link", "set", "port0", "nomaster"));
  const mend = (): Promise<string> => must(net.onWires("ip", "link", "set", "port0", "master", "br0"));

  beforeAll(async () => {
    await net.build();
    await must(net.onWires("ip", "link", "add", "br1", "type", "bridge"));
    await must(net.onWires("ip", "link", "set", "br1", "up"));
    for (const [i, g] of net.gateways.entries()) {
      const peer = ["peer", "name", "eth1", "netns", g.namespace];
      await must(net.onWires("ip", "link", "add", `second${i}`, "type", "veth", ...peer));
      await must(net.onWires("ip", "link", "set", `second${i}`, "master", "br1", "up"));
      await must(["ip", "-n", g.namespace, "address", "add", `10.79.0.${i + 1}/24`, "dev", "eth1"]);
      await must(["ip", "-n", g.namespace, "link", "set", "eth1", "up"]);
      await g.untilRunning();
    }
    await a.json("init", "--name", "a");
    await a.start();
    const { token } = await a.json<{ token: string }>("invite");
    await b.json("join", token, "--name", "b");
    await b.start();
    await reaches(a, b);
  });
  afterAll(() => net.remove());

  test("leave the dear one for the cheap one, also when they stood still a few times", async () => {
    await begin("--links", "eth0.cost=100");
    for (let i = 0; i < 4; i++) await standStill();
    await becomes(a, { eth0: "ready", eth1: "carries" });
    const { links: all, interfaces } = await until("it to be measured", async () => {
      const seen = await links(a);
      return seen.links.some((l) => l.interface === "eth1" && l.state === "carries" && l.roundTripMs !== null)
        ? seen
        : undefined;
    });
    expect(all.find((l) => l.interface === "eth0")).toMatchObject({ cost: 100, metered: false });
    expect(all.find((l) => l.interface === "eth1")).toMatchObject({ cost: 0, metered: false });
    expect(interfaces).toEqual([{ interface: "eth0", cost: 100, metered: false, cap: null, today: null } as never]);
    await until("the table", async () => /^b +eth1 .* carries/m.test((await a.trellis("links")).stdout) || undefined);
  });

  test("use the metered one at both ends only while no other lives, and lose no peer when one dies", async () => {
    await begin("--links", "eth1.metered,eth0.cost=1000");
    for (const g of [a, b]) await becomes(g, { eth0: "carries", eth1: "ready" });
    const before = (await b.json<{ peers: Peer[] }>("peers")).peers[0] as Peer;
    await silence();
    for (const g of [a, b]) await becomes(g, { eth0: "silent", eth1: "carries" });
    await reaches(a, b);
    const after = (await b.json<{ peers: Peer[] }>("peers")).peers[0] as Peer;
    expect(after.state).toBe("up");
    expect(after.sessionAgeMs).toBeGreaterThan(before.sessionAgeMs); // the same session
    await until("what the other end says of it", async () =>
      (await links(b)).links.some((l) => l.interface === "eth1" && l.state === "carries" && l.metered)
        ? true
        : undefined,
    );
    await mend();
    for (const g of [a, b]) await becomes(g, { eth0: "carries", eth1: "ready" });
  });

  test("send nothing but control where the cap of either end is reached, and count on after a new start", async () => {
    const cap = `eth1.cap=${CAP}`;
    await begin("--links", cap);
    await silence();
    await until("the cap to be reached", async () => {
      await pings(a, b, "-s", "1200", "-i", "0.01", "-c", "100");
      return (await states(a)).eth1 === "over cap" ? true : undefined;
    });
    await becomes(b, { eth1: "over cap" });
    const before = await Promise.all([sentOver(a, "eth1"), sentOver(b, "eth1")]);
    expect(await pings(a, b)).toBe(false);
    expect(await pings(b, a)).toBe(false);
    expect(await Promise.all([sentOver(a, "eth1"), sentOver(b, "eth1")])).toEqual(before);
    await a.untilAnswered("b"); // control
    await a.end("SIGTERM");
    await a.start("--links", cap);
    await becomes(a, { eth1: "over cap" });
    const [said] = (await links(a)).interfaces;
    expect(said).toMatchObject({ interface: "eth1", cap: CAP });
    expect(said?.today).toBeGreaterThanOrEqual(CAP);
    expect((await a.trellis("links")).stdout).toContain("only control");
    expect(await pings(a, b)).toBe(false);
    await mend();
    await reaches(a, b); // the other link has no cap
  });
});
