/** Three gateways in a line: the outer two reach each other through the one between, which reads nothing of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

interface Peer {
  readonly name: string;
  readonly state: string;
  readonly endpoint: string | null;
  readonly via: string | null;
}

const ready = able("test/netns/relay.test.ts", "root", "netns", "command:ip");

/** Founds a mesh at the middle one, which the other two join; `options` for every `trellis run`. */
async function joined(net: TestNet, ...options: readonly string[]): Promise<void> {
  const [a, r, b] = net.gateways as [TestGateway, TestGateway, TestGateway];
  await net.buildWires(["a", "r"], ["r", "b"]);
  await r.json("init", "--name", "r");
  await r.start(...options);
  for (const [g, name] of [
    [a, "a"],
    [b, "b"],
  ] as const) {
    const { token } = await r.json<{ token: string }>("invite");
    await g.json("join", token, "--name", name);
    await g.start(...options);
  }
}

const peer = async (on: TestGateway, name: string): Promise<Peer | undefined> =>
  (await on.json<{ peers: Peer[] }>("peers")).peers.find((p) => p.name === name);

/** `via`: through whom; null for nobody. */
const untilUp = (on: TestGateway, name: string, via: string | null): Promise<Peer> =>
  until(`${on.name}'s session with ${name} through ${via ?? "nobody"}`, async () => {
    const p = await peer(on, name);
    return p?.state === "up" && p.via === via ? p : undefined;
  });

describe.skipIf(!ready)("without a tunnel", () => {
  const net = new TestNet("a", "r", "b");
  const [a, r, b] = net.gateways as [TestGateway, TestGateway, TestGateway];
  beforeAll(() => joined(net, "--no-device"));
  afterAll(() => net.remove());

  test("the outer two have a session of their own, through the one between", async () => {
    expect((await untilUp(a, "b", "r")).endpoint).toBeNull();
    expect((await untilUp(b, "a", "r")).endpoint).toBeNull();
    expect((await untilUp(a, "r", null)).endpoint).not.toBeNull();
  });

  test("and are answered", async () => {
    expect(await a.untilAnswered("b")).toMatchObject({ roundTripMs: expect.any(Number), path: "through r" });
  });

  test("the session ends with the way, and comes back with it", async () => {
    await r.end("SIGKILL");
    await until("silence", async () => ((await peer(a, "b"))?.state === "up" ? undefined : true));
    await r.start("--no-device");
    await untilUp(a, "b", "r");
    await a.untilAnswered("b");
  });
});

const withTunnel = able("test/netns/relay.test.ts", "root", "tun", "netns", "addon", "command:ip", "command:socat");

describe.skipIf(!withTunnel)("with a tunnel", () => {
  const net = new TestNet("a", "r", "b");
  const [a, r, b] = net.gateways as [TestGateway, TestGateway, TestGateway];
  let address = "";
  beforeAll(async () => {
    await joined(net);
    ({ address } = await b.json<{ address: string }>("status"));
  });
  afterAll(() => net.remove());

  test("other programs' packets cross", async () => {
    await untilUp(a, "b", "r");
    await until("an answer", async () =>
      (await run(a.inside("ping", "-6", "-c", "1", "-W", "1", address))).code === 0 ? true : undefined,
    );
  });

  test("a TCP stream arrives whole, and the one between counts what it carried", async () => {
    const sent = randomBytes(8 << 20);
    const target = join(net.folder, "received");
    const listener = Bun.spawn(b.inside("socat", "-u", "TCP6-LISTEN:7000", `CREATE:${target}`));
    await until("the listener", async () =>
      (await must(b.inside("ss", "-ltnH"))).includes(":7000") ? true : undefined,
    );
    expect((await run(a.inside("socat", "-u", "-", `TCP6:[${address}]:7000`), sent)).code).toBe(0);
    expect(await listener.exited).toBe(0);
    expect(sent.equals(await Bun.file(target).bytes())).toBe(true);
    const { traffic } = await r.json<{ traffic: { sent: { packets: number } } }>("status");
    expect(traffic.sent.packets).toBeLessThan(100); // it sealed next to nothing itself
  });
});
