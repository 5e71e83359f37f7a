/** Daemons in namespaces of their own, driven by the command line alone: found, invite, join, cross, recover, revoke, stop. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { WIRE_VERSION } from "../../runtime/mesh/frame.ts";
import { TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const ready = able(
  "test/netns/daemon.test.ts",
  "root",
  "tun",
  "netns",
  "addon",
  "command:ip",
  "command:ping",
  "command:socat",
);

interface Invite {
  readonly token: string;
  readonly inviteId: string;
}
interface Peer {
  readonly name: string;
  readonly state: string;
  readonly suite: string;
  readonly aead: string;
  readonly wireVersion: number;
  readonly endpoint: string;
  readonly traffic: { readonly sentBytes: number; readonly receivedPackets: number };
}

describe.skipIf(!ready)("two gateways", () => {
  const net = new TestNet("a", "b", "c");
  const [a, b, c] = net.gateways as [TestNet["gateways"][0], TestNet["gateways"][0], TestNet["gateways"][0]];
  let address = { a: "", b: "" };

  const peer = async (on: typeof a, name: string): Promise<Peer | undefined> =>
    (await on.json<{ peers: Peer[] }>("peers")).peers.find((p) => p.name === name);
  const crosses = async (from: typeof a, to: string): Promise<boolean> =>
    (await run(from.inside("ping", "-6", "-c", "1", "-W", "1", to))).code === 0;
  const untilCrosses = (from: typeof a, to: string): Promise<boolean> =>
    until(`an answer of ${to}`, async () => ((await crosses(from, to)) ? true : undefined));
  const refusal = async (token: string): Promise<{ code: number; message: string }> => {
    const { code, stderr } = await c.trellis("--json", "join", token, "--name", "c", "--timeout", "60");
    return { code, message: (JSON.parse(stderr) as { error: { code: string } }).error.code };
  };

  beforeAll(() => net.build());
  afterAll(() => net.remove());

  test("a daemon without a mesh says what to do", async () => {
    const { code, stderr } = await a.trellis("run");
    expect(code).toBe(1);
    expect(stderr).toContain("hint: found a mesh with `trellis init");
  });

  test("commands say that no daemon runs, with exit code 3", async () => {
    expect((await a.trellis("status")).code).toBe(3);
  });

  test("a gateway founds a mesh, another joins it by an invite, both run", async () => {
    const founded = await a.json<{ address: string }>("init", "--name", "a");
    await a.start();
    const { token } = await a.json<Invite>("invite");
    const joined = await b.json<{ address: string }>("join", token, "--name", "b");
    await b.start();
    address = { a: founded.address, b: joined.address };
    expect(await a.json("status")).toMatchObject({
      name: "a",
      address: address.a,
      device: "mesh0",
      dataPlane: "native",
    });
  });

  test("ping crosses between overlay addresses, both ways", async () => {
    await untilCrosses(b, address.a);
    await untilCrosses(a, address.b);
  });

  test("peers shows suite, wire version and the state of the session", async () => {
    expect(await peer(a, "b")).toMatchObject({
      state: "up",
      wireVersion: WIRE_VERSION,
      suite: expect.stringContaining("ML-KEM-768"),
    });
  });

  test("trellis ping is answered by the other daemon", async () => {
    expect(await a.untilAnswered("b")).toMatchObject({ name: "b", roundTripMs: expect.any(Number) });
  });

  test("a TCP stream arrives whole", async () => {
    const sent = randomBytes(8 << 20);
    const target = join(net.folder, "received");
    const listener = Bun.spawn(b.inside("socat", "-u", "TCP6-LISTEN:7000", `CREATE:${target}`));
    await until("the listener", async () =>
      (await must(b.inside("ss", "-ltnH"))).includes(":7000") ? true : undefined,
    );
    const { code } = await run(a.inside("socat", "-u", "-", `TCP6:[${address.b}]:7000`), sent);
    expect(code).toBe(0);
    expect(await listener.exited).toBe(0);
    const hash = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    expect(hash(await Bun.file(target).bytes())).toBe(hash(sent));
  });

  test("peers counts what went to and from each of them, across sessions", async () => {
    const carried = async (): Promise<Peer["traffic"] | undefined> => (await peer(a, "b"))?.traffic;
    const before = await carried();
    expect(before?.sentBytes).toBeGreaterThan(8 << 20);
    expect(before?.receivedPackets).toBeGreaterThan(0);
    expect(await b.end("SIGTERM")).toBe(0); // says goodbye: its sessions end
    await until("the end of the session", async () => ((await peer(a, "b"))?.state !== "up" ? true : undefined));
    expect((await carried())?.sentBytes).toBeGreaterThanOrEqual(before?.sentBytes as number);
    await b.start();
    await untilCrosses(a, address.b);
    expect((await carried())?.sentBytes).toBeGreaterThan(before?.sentBytes as number);
  });

  test("peers has a page for each of them, and a table that fits a terminal", async () => {
    // It may have been met at its link-local address, and is spoken to at this one as soon as it answers there.
    const wanted = /^name +state +endpoint +rtt +sent +received\nb +up +10\.78\.0\.2:51820 /;
    const stdout = await until(`the table: ${wanted}`, async () => {
      const table = await a.trellis("peers");
      return wanted.test(table.stdout) ? table.stdout : undefined;
    });
    const one = await a.trellis("peers", "b");
    expect(one.stdout).toContain(address.b);
    for (const line of [...stdout.split("\n"), ...one.stdout.split("\n")]) expect(line.length).toBeLessThanOrEqual(80);
    expect((await a.trellis("peers", "nobody")).stderr).toContain("trellis peers lists them");
  });

  test("a second daemon on the same state is refused with the process of the first", async () => {
    const { pid } = await a.json<{ pid: number }>("status");
    const { code, stderr } = await a.trellis("run", "--device", "mesh1");
    expect(code).toBe(1);
    expect(stderr).toContain(`process ${pid}`);
  });

  test("a truncated, a revoked and a used token are each refused by name", async () => {
    const open = await a.json<Invite>("invite");
    expect((await refusal(open.token.slice(0, -8))).code).toBe(4);
    await a.trellis("invite", "--revoke", open.inviteId);
    expect(await refusal(open.token)).toEqual({ code: 4, message: "invite/revoked" });
    const one = await a.json<Invite>("invite");
    expect((await c.trellis("join", one.token, "--name", "c")).code).toBe(0);
    const { code, stderr } = await b.trellis(
      "--json",
      "--state-dir",
      join(net.folder, "d"),
      "join",
      one.token,
      "--name",
      "d",
    );
    expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringContaining("invite/used") });
  });

  test("after a kill the device is gone, and the next start has the session again", async () => {
    await b.end("SIGKILL");
    expect(await b.devices()).not.toContain("mesh0");
    await b.start();
    await untilCrosses(b, address.a);
    await untilCrosses(a, address.b);
  });

  test("a packet that is sent before there is a session waits for it", async () => {
    await b.end("SIGKILL");
    await must(["ip", "-n", b.namespace, "link", "set", "eth0", "down"]);
    await b.start();
    const ping = Bun.spawn(b.inside("ping", "-6", "-c", "1", "-W", "20", "-s", "1000", address.a), {
      stdout: "ignore",
    });
    await until("the packet in the tunnel", async () => {
      const [link] = JSON.parse(await must(b.inside("ip", "-json", "-s", "link", "show", "mesh0")));
      return link.stats64.tx.bytes > 1000 || undefined; // no handshake has left the machine so far
    });
    await must(["ip", "-n", b.namespace, "link", "set", "eth0", "up"]);
    expect(await ping.exited).toBe(0);
  });

  test("the session follows a gateway whose address changes", async () => {
    await must(["ip", "-n", b.namespace, "address", "add", "10.78.0.77/24", "dev", "eth0"]);
    await must(["ip", "-n", b.namespace, "address", "del", `${b.underlay}/24`, "dev", "eth0"]);
    await must(["ip", "-n", b.namespace, "address", "replace", "10.78.0.77/24", "dev", "eth0"]);
    await untilCrosses(b, address.a);
    await until("the new endpoint", async () =>
      (await peer(a, "b"))?.endpoint.includes("10.78.0.77") ? true : undefined,
    );
    await untilCrosses(a, address.b);
  });

  test("a revoked gateway is cut off both ways", async () => {
    expect((await a.trellis("revoke", "b", "--reason", "test")).code).toBe(0);
    expect(await crosses(a, address.b)).toBe(false);
    expect(await crosses(b, address.a)).toBe(false);
    expect(await peer(a, "b")).toBeUndefined();
  });

  test("down without a daemon takes the socket away that a killed one left, and what relays for it", async () => {
    await b.end("SIGKILL");
    expect(existsSync(join(b.stateDir, "control.sock"))).toBe(true);
    expect(await b.json("down")).toEqual({ stopped: false, removed: true });
    expect(existsSync(join(b.stateDir, "control.sock"))).toBe(false);
  });

  test("down leaves neither device nor socket", async () => {
    expect((await a.trellis("down")).code).toBe(0);
    expect(await a.ended()).toBe(0);
    expect(await a.devices()).not.toContain("mesh0");
    expect(existsSync(join(a.stateDir, "control.sock"))).toBe(false);
  });
});
