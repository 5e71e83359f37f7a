/** Interfaces that are renumbered, or go and come back, under a TCP connection through the tunnel: it outlives all of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must } from "../help/shell.ts";
import { TcpStream } from "../help/stream.ts";

const ready = able("test/netns/renumber.test.ts", "root", "tun", "netns", "addon", "command:ip", "command:ss");

interface Peer {
  readonly name: string;
  readonly state: string;
  readonly endpoint: string | null;
  readonly sessionAgeMs: number | null;
}

describe.skipIf(!ready).each([
  ["a gateway", "IPv4", []],
  ["a gateway bound to one interface", "IPv4", ["--interface", "eth0"]],
  ["a gateway with link-local IPv6 beside it", "both", []],
] as const)("under %s", (_, families, options) => {
  const net = new TestNet("a", "b");
  const [a, b] = net.gateways as [TestGateway, TestGateway];
  let stream: TcpStream;

  const peer = async (on: TestGateway): Promise<Peer | undefined> =>
    (await on.json<{ peers: Peer[] }>("peers")).peers[0];
  const ip = (g: TestGateway, ...words: readonly string[]): Promise<string> =>
    must(["ip", "-n", g.namespace, ...words]);
  /** Where there is another way, it may be that one. */
  const untilAt = (on: TestGateway, address: string): Promise<true> =>
    until(`${on.name} to follow to ${address}`, async () => {
      const { endpoint = null } = (await peer(on)) ?? {};
      const other = families === "both" && endpoint?.startsWith("[fe80:") === true;
      return other || endpoint === `${address}:51820` ? true : undefined;
    });
  const withoutV6 = async (g: TestGateway): Promise<void> => {
    if (families === "both") return;
    await ip(g, "link", "set", "eth0", "addrgenmode", "none");
    await ip(g, "-6", "address", "flush", "dev", "eth0");
  };

  beforeAll(async () => {
    await net.build();
    for (const g of [a, b]) await withoutV6(g);
    await a.json("init", "--name", "a");
    await a.start(...options);
    const { token } = await a.json<{ token: string }>("invite");
    await b.json("join", token, "--name", "b");
    await b.start(...options);
    for (const g of [a, b])
      await until(`a session at ${g.name}`, async () => ((await peer(g))?.state === "up" ? true : undefined));
    stream = await TcpStream.start(a, b);
  });
  afterAll(async () => {
    await stream?.end();
    await net.remove();
  });

  /** One connection, never broken off, every byte in its place. */
  const survives = async (): Promise<void> => {
    expect(await stream.goesOn()).toMatchObject({ connections: 1, ended: 0, wrong: 0 });
    for (const g of [a, b]) expect((await peer(g))?.state).toBe("up");
  };

  test("the interface gets another address, and the other end follows", async () => {
    await ip(a, "address", "del", "10.78.0.1/24", "dev", "eth0");
    await ip(a, "address", "add", "10.78.0.11/24", "dev", "eth0");
    await untilAt(b, "10.78.0.11");
    await survives();
    expect((await a.json<{ endpoints: string[] }>("invite")).endpoints).toEqual(["10.78.0.11:51820"]);
  });

  test("both interfaces get other addresses at once: neither can tell the other, but both hear beacons", async () => {
    for (const g of [a, b]) await ip(g, "address", "flush", "dev", "eth0", "scope", "global");
    await Promise.all([a, b].map((g, i) => ip(g, "address", "add", `10.78.7.${i + 1}/24`, "dev", "eth0")));
    await untilAt(b, "10.78.7.1");
    await untilAt(a, "10.78.7.2");
    await survives();
    for (const g of [a, b]) await ip(g, "address", "add", `${g.underlay}/24`, "dev", "eth0");
  });

  test("the interface goes and comes back, which makes it another one", async () => {
    await ip(a, "link", "delete", "eth0");
    await net.replug(a);
    await withoutV6(a);
    await ip(a, "address", "add", "10.78.0.21/24", "dev", "eth0");
    await ip(a, "link", "set", "eth0", "up");
    await untilAt(b, "10.78.0.21");
    await survives();
  });
});
