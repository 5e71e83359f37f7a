/** Ways that carry 1280 bytes and tell nobody: the tunnel finds out and carries what programs send all the same. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { loadAddon } from "../../runtime/dataplane/addon.io.ts";
import { CLOSE_ENOUGH } from "../../runtime/mesh/pmtu.ts";
import { narrow } from "../help/loss.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const FILE = "test/netns/path-mtu.test.ts";
const needs = [
  "root",
  "tun",
  "netns",
  "addon",
  "command:ip",
  "command:tc",
  "command:ping",
  "command:socat",
  "command:clang",
] as const;

function canRun(): boolean {
  if (!able(FILE, ...needs)) return false;
  const refusal = loadAddon().addon?.probe().bpf;
  if (refusal) console.log(`SKIP ${FILE}: BPF is refused (${refusal})`);
  return !refusal;
}

const NARROW = 1280;
const LESS = 1400;
const WIDE = 1500;
const hash = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

const inside =
  (g: TestGateway) =>
  (...command: readonly string[]) =>
    g.inside(...command);
const ping = async (from: TestGateway, address: string, ...more: string[]): Promise<boolean> =>
  (await run(from.inside("ping", "-6", "-c", "1", "-W", "1", ...more, address))).code === 0;
const untilCrosses = (from: TestGateway, address: string): Promise<boolean> =>
  until(`an answer of ${address}`, async () => ((await ping(from, address)) ? true : undefined));
const pathMtu = async (on: TestGateway, name: string): Promise<number | null | undefined> =>
  (await on.json<{ peers: { name: string; pathMtu: number | null }[] }>("peers")).peers.find((p) => p.name === name)
    ?.pathMtu;
/** With data on it: a path that nobody uses is looked at every ten minutes. */
const untilPath = (on: TestGateway, name: string, to: string, fits: (mtu: number) => boolean): Promise<number> =>
  until(`the path from ${on.name} to ${name}`, async () => {
    await ping(on, to);
    const mtu = await pathMtu(on, name);
    return mtu != null && fits(mtu) ? mtu : undefined;
  });

/** 1 MiB by TCP, both ways. */
async function transfer(
  a: TestGateway,
  b: TestGateway,
  folder: string,
  addresses: { a: string; b: string },
): Promise<void> {
  for (const [from, to, address] of [
    [a, b, addresses.b],
    [b, a, addresses.a],
  ] as const) {
    const sent = randomBytes(1 << 20);
    const received = join(folder, `to-${to.name}`);
    const listener = Bun.spawn(to.inside("socat", "-u", "TCP6-LISTEN:7000,reuseaddr", `CREATE:${received}`));
    await until("the listener", async () =>
      (await must(to.inside("ss", "-ltnH"))).includes(":7000") ? true : undefined,
    );
    expect((await run(from.inside("socat", "-u", "-", `TCP6:[${address}]:7000`), sent)).code).toBe(0);
    expect(await listener.exited).toBe(0);
    expect(hash(await Bun.file(received).bytes())).toBe(hash(sent));
  }
}

/** In place of IPv4 addresses: 2001:db8:78:<link>::<host>. */
async function onlyV6(g: TestGateway, devices: Readonly<Record<string, string>>): Promise<void> {
  for (const [device, address] of Object.entries(devices)) {
    await must(["ip", "-n", g.namespace, "-4", "address", "flush", "dev", device]);
    await must(["ip", "-n", g.namespace, "address", "add", `${address}/64`, "dev", device, "nodad"]);
  }
}

describe.skipIf(!canRun()).each(["IPv4", "IPv6"] as const)("over %s", (family) => {
  describe("a narrow way between two gateways", () => {
    const net = new TestNet("a", "b");
    const [a, b] = net.gateways as [TestGateway, TestGateway];
    const addresses = { a: "", b: "" };

    beforeAll(async () => {
      await net.build();
      if (family === "IPv6") {
        await onlyV6(a, { eth0: "2001:db8:78::1" });
        await onlyV6(b, { eth0: "2001:db8:78::2" });
      }
      ({ address: addresses.a } = await a.json<{ address: string }>("init", "--name", "a"));
      await a.start();
      const { token } = await a.json<{ token: string }>("invite");
      ({ address: addresses.b } = await b.json<{ address: string }>("join", token, "--name", "b"));
      await b.start();
      await untilCrosses(a, addresses.b);
    });
    afterAll(() => net.remove());

    test("is found to be wide at first", async () => {
      expect(await untilPath(a, "b", addresses.b, (mtu) => mtu === WIDE)).toBe(WIDE);
      expect(await untilPath(b, "a", addresses.a, (mtu) => mtu === WIDE)).toBe(WIDE);
    });

    test("is noticed when it becomes narrower, and senders are told what goes whole", async () => {
      await narrow(LESS, "eth0", inside(b));
      const mtu = await untilPath(a, "b", addresses.b, (found) => found <= LESS && found >= LESS - CLOSE_ENOUGH);
      const told = mtu - (family === "IPv4" ? 28 : 48) - 32;
      await until("the kernel to know it", async () => {
        await ping(a, addresses.b, "-s", "1300");
        return (await must(a.inside("ip", "-6", "route", "get", addresses.b))).includes(`mtu ${told} `)
          ? true
          : undefined;
      });
      await transfer(a, b, net.folder, addresses);
      await must(b.inside("tc", "qdisc", "delete", "dev", "eth0", "clsact"));
      await must(a.inside("ip", "-6", "route", "flush", "cache"));
    });

    test("is noticed when it becomes narrow, and carries 1 MiB each way", async () => {
      await narrow(NARROW, "eth0", inside(b));
      expect(await ping(a, addresses.b, "-s", "1300", "-M", "do")).toBe(false); // it tells nobody
      for (const [on, name, to] of [
        [a, "b", addresses.b],
        [b, "a", addresses.a],
      ] as const)
        expect(await untilPath(on, name, to, (mtu) => mtu === NARROW)).toBe(NARROW);
      await until("an answer to a large one", async () => (await ping(a, addresses.b, "-s", "1300")) || undefined);
      await transfer(a, b, net.folder, addresses);
      expect((await a.trellis("peers", "b")).stdout).toContain(`${NARROW} bytes`);
    });
  });

  describe("a narrow way behind a relay", () => {
    const net = new TestNet("a", "r", "b");
    const [a, r, b] = net.gateways as [TestGateway, TestGateway, TestGateway];
    const addresses = { a: "", b: "" };

    beforeAll(async () => {
      await net.buildWires(["a", "r"], ["r", "b"]);
      if (family === "IPv6") {
        await onlyV6(a, { "to-r": "2001:db8:1::1" });
        await onlyV6(r, { "to-a": "2001:db8:1::2", "to-b": "2001:db8:2::1" });
        await onlyV6(b, { "to-r": "2001:db8:2::2" });
      }
      await narrow(NARROW, "to-r", inside(b));
      await r.json("init", "--name", "r");
      await r.start();
      for (const g of [a, b] as const) {
        const { token } = await r.json<{ token: string }>("invite");
        const { address } = await g.json<{ address: string }>("join", token, "--name", g.name);
        addresses[g.name as "a" | "b"] = address;
        await g.start();
      }
    });
    afterAll(() => net.remove());

    test("carries handshakes, and 1 MiB each way", async () => {
      await untilCrosses(a, addresses.b);
      const known = await untilPath(a, "b", addresses.b, () => true);
      expect(known).toBeLessThanOrEqual(NARROW + 20); // over IPv4 the headers are that much shorter than we reckon
      await transfer(a, b, net.folder, addresses);
    });
  });
});
