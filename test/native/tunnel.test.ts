/**
 * Two tunnels with fixed keys on a real kernel.
 *
 *   namespace a                                   namespace b
 *     mesh0 fd00::1, 10.9.0.1                       mesh0 fd00::2, 10.9.0.2
 *     under0 192.0.2.1, 2001:db8::1 --- veth --- under0 192.0.2.2, 2001:db8::2
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Addon, loadAddon, steeringObject } from "../../runtime/dataplane/addon.io.ts";
import { FRAME, SEALED_FLAG, SealedHeader } from "../../runtime/mesh/frame.ts";
import { able } from "../help/require.ts";
import type { Answers, Request } from "./tunnel-peer.ts";

const FILE = "test/native/tunnel.test.ts";
const here = able(FILE, "addon", "root", "tun", "netns", "command:ip", "command:ping", "command:ethtool");
const addon = loadAddon().addon as Addon;

const PORT = 5000;
const TCP_PORT = 7000;
const KEYS = { a: "01".repeat(32), b: "02".repeat(32) };
const HOP_KEY = "00".repeat(16); // nothing is relayed here
const INDEX = { a: 0x0a0a0a0a, b: 0x0b0b0b0b };
const INNER = { a: "fd00::1", b: "fd00::2" };

const run = (...command: string[]): string => {
  const { stdout, stderr, success } = Bun.spawnSync(command);
  if (!success) throw new Error(`${command.join(" ")}: ${stderr}${stdout}`);
  return stdout.toString();
};

type Side = "a" | "b";
const otherOf = (side: Side): Side => (side === "a" ? "b" : "a");
const netnsOf = (side: Side): string => `trellis-tun-${process.pid}-${side}`;
const inside = (side: Side, ...command: string[]): string => run("ip", "netns", "exec", netnsOf(side), ...command);

interface Noticed {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** A child process in a namespace that holds one end of the tunnel. */
class Peer {
  readonly #child;
  readonly #waiting = new Map<number, (value: never) => void>();
  readonly #events: Noticed[] = [];
  #wake: () => void = () => {};
  #next = 0;

  constructor(side: Side, options: { port: number; device: string | undefined }) {
    const program = join(import.meta.dir, "tunnel-peer.ts");
    const config = JSON.stringify({ ...options, mtu: 1400, workers: 2 });
    this.#child = Bun.spawn(["ip", "netns", "exec", netnsOf(side), process.execPath, program, config], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.reading = this.#read();
  }

  readonly reading: Promise<void>;

  async #read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(JSON.parse(line));
    }
  }

  #take(message: { id?: number; value?: unknown; event?: Noticed }): void {
    if (message.event) this.#events.push(message.event);
    if (message.id !== undefined) this.#waiting.get(message.id)?.(message.value as never);
    this.#wake();
  }

  /** Waits for the first event that fits and takes it out. */
  async event(type: string): Promise<Noticed> {
    for (;;) {
      const at = this.#events.findIndex((event) => event.type === type);
      const [found] = at < 0 ? [] : this.#events.splice(at, 1);
      if (found) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  ask<R extends Request>(request: R): Promise<R["call"] extends keyof Answers ? Answers[R["call"]] : null> {
    const id = this.#next++;
    this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  /** Asks until a counter of drops has grown by `by`. */
  async drops(reason: string, before: Answers["stats"], by: number): Promise<void> {
    const wanted = (before.drops[reason] ?? 0) + by;
    let now = before;
    while ((now.drops[reason] ?? 0) < wanted) now = await this.ask({ call: "stats" });
    expect(now.drops[reason]).toBe(wanted);
  }

  async end(): Promise<void> {
    await this.ask({ call: "close" });
    this.#child.stdin.end();
    await this.#child.exited;
    await this.reading;
  }
}

const UNDERLAY = { IPv4: { a: "192.0.2.1", b: "192.0.2.2" }, IPv6: { a: "2001:db8::1", b: "2001:db8::2" } };
type Family = keyof typeof UNDERLAY;

function buildNamespaces(offloads: "on" | "off"): void {
  for (const side of ["a", "b"] as const) run("ip", "netns", "add", netnsOf(side));
  const veth = ["under0", "type", "veth", "peer", "name", "under0", "netns", netnsOf("b")];
  run("ip", "-n", netnsOf("a"), "link", "add", ...veth);
  for (const side of ["a", "b"] as const) {
    const n = netnsOf(side);
    run("ip", "-n", n, "address", "add", `${UNDERLAY.IPv4[side]}/24`, "dev", "under0");
    run("ip", "-n", n, "address", "add", `${UNDERLAY.IPv6[side]}/64`, "dev", "under0", "nodad");
    run("ip", "-n", n, "link", "set", "under0", "up");
    if (offloads === "on") continue;
    const features = ["tso", "gso", "gro", "tx-udp-segmentation"].flatMap((feature) => [feature, "off"]);
    inside(side, "ethtool", "-K", "under0", ...features);
  }
}

async function startPeer(side: Side, family: Family): Promise<Peer> {
  const peer = new Peer(side, { port: PORT, device: "mesh0" });
  await peer.event("ready");
  const n = netnsOf(side);
  const there = otherOf(side);
  run("ip", "-n", n, "address", "add", `${INNER[side]}/64`, "dev", "mesh0", "nodad");
  run("ip", "-n", n, "address", "add", `10.9.0.${side === "a" ? 1 : 2}/24`, "dev", "mesh0");
  run("ip", "-n", n, "link", "set", "mesh0", "mtu", "1400", "up");
  await useSession(peer, side, family, KEYS, INDEX);
  await peer.ask({ call: "allow", peer: INNER[there], prefix: side === "a" ? "10.9.0.2/32" : "10.9.0.1" });
  return peer;
}

type Each<T> = Readonly<Record<Side, T>>;

async function useSession(
  peer: Peer,
  side: Side,
  family: Family,
  keys: Each<string>,
  index: Each<number>,
): Promise<void> {
  const there = otherOf(side);
  await peer.ask({
    call: "install",
    session: {
      peer: INNER[there],
      localIndex: index[side],
      remoteIndex: index[there],
      aead: "aes-256-gcm",
      sendKey: keys[side],
      receiveKey: keys[there],
      hopSendKey: HOP_KEY,
      hopReceiveKey: HOP_KEY,
      address: UNDERLAY[family][there],
      port: PORT,
    },
  });
  await peer.ask({ call: "allow", peer: INNER[there], prefix: `${INNER[there]}/128` });
  await peer.ask({ call: "use", peer: INNER[there], localIndex: index[side] });
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** A data frame from `a` to `b`, built from the TypeScript layout alone. */
function frame(counter: bigint, inner: Uint8Array, flags = 0): Uint8Array {
  const header = SealedHeader.encode({ type: FRAME.data, flags, receiver: INDEX.b, counter });
  const nonce = new Uint8Array(12);
  nonce.set(header.subarray(SealedHeader.offsets.counter), 4);
  return Buffer.concat([header, addon.sealOnce("aes-256-gcm", fromHex(KEYS.a), nonce, header, inner)]);
}

/** A UDP packet over IPv6 from `fd00::from` to `fd00::2`. */
function innerPacket(from: number, payload = 4): Uint8Array {
  const packet = new Uint8Array(40 + 8 + payload);
  packet.set([0x60, 0, 0, 0, 0, 8 + payload, 17, 64]);
  packet[8] = packet[24] = 0xfd;
  packet[23] = from;
  packet[39] = 2;
  packet.set([1, 0, 2, 0, 0, 8 + payload, 0, 1], 40);
  return packet;
}

describe.skipIf(!here).each([
  ["on", "IPv4"],
  ["off", "IPv4"],
  ["on", "IPv6"],
] as const)("a tunnel with offloads %s over %s", (offloads, family) => {
  let a: Peer;
  let b: Peer;
  const to = { address: UNDERLAY[family].b, port: PORT };
  const inject = (...frames: Uint8Array[]): Promise<null> =>
    a.ask({ call: "send", datagrams: frames.map((each) => ({ ...to, payload: hex(each) })) });
  /** Counters that the real traffic will not reach, yet so near that it stays inside the replay window. */
  let counter = 0n;

  beforeAll(async () => {
    buildNamespaces(offloads);
    [a, b] = await Promise.all([startPeer("a", family), startPeer("b", family)]);
    // The kernel may ask for a neighbour's address again only after a second; tests count packets from there on.
    inside("a", "ping", "-c", "1", "-w", "60", INNER.b);
  });
  afterAll(async () => {
    await Promise.all([a?.end(), b?.end()]);
    for (const side of ["a", "b"] as const) run("ip", "netns", "delete", netnsOf(side));
  });

  test.each([
    ["IPv6", "fd00::2"],
    ["IPv4", "10.9.0.2"],
  ])("answers a ping over inner %s", (_, address) => {
    expect(inside("a", "ping", "-c", "3", "-i", "0.02", "-W", "60", address)).toContain("3 received");
  });

  test("carries packets of every size up to its MTU", () => {
    for (const size of [0, 1, 100, 1351, 1352])
      expect(inside("a", "ping", "-c", "1", "-W", "60", "-M", "do", "-s", String(size), "fd00::2")).toContain(
        "1 received",
      );
  });

  test.each([
    ["IPv6", "fd00::2"],
    ["IPv4", "10.9.0.2"],
  ])("carries a TCP stream over inner %s without a changed byte", async (_, address) => {
    await b.ask({ call: "listen", port: TCP_PORT });
    const sent = await a.ask({ call: "transfer", address, port: TCP_PORT, bytes: 64_000_004 });
    expect(await b.ask({ call: "digest" })).toBe(sent);
    const stats = await b.ask({ call: "stats" });
    expect(stats.drops).toMatchObject({ auth: 0, replay: 0, source: 0, tunFull: 0 });
  });

  test.skipIf(!steeringObject())(
    "gives sparse flows a worker of their own at both ends, and keeps bulk flows out of it",
    async () => {
      const before = { a: await a.ask({ call: "stats" }), b: await b.ask({ call: "stats" }) };
      inside("a", "ping", "-c", "20", "-i", "0.01", "-W", "60", "fd00::2");
      const pinged = { a: await a.ask({ call: "stats" }), b: await b.ask({ call: "stats" }) };
      for (const side of ["a", "b"] as const) {
        expect(pinged[side].sparse.sent).toBeGreaterThanOrEqual(before[side].sparse.sent + 20);
        expect(pinged[side].sparse.received).toBeGreaterThanOrEqual(before[side].sparse.received + 20);
      }
      await b.ask({ call: "listen", port: TCP_PORT });
      const sent = await a.ask({ call: "transfer", address: "fd00::2", port: TCP_PORT, bytes: 64_000_000 });
      expect(await b.ask({ call: "digest" })).toBe(sent);
      const after = await b.ask({ call: "stats" });
      const all = after.received.packets - pinged.b.received.packets;
      expect(all).toBeGreaterThan(40_000);
      expect(after.sparse.received - pinged.b.sparse.received).toBeLessThan(all / 10);
    },
  );

  test("delivers a frame built from the layout, once", async () => {
    counter = BigInt((await a.ask({ call: "stats" })).sent.packets + 5000);
    const before = await b.ask({ call: "stats" });
    const good = frame(counter++, innerPacket(1), 0);
    await inject(good, good, good);
    await b.drops("replay", before, 2);
    const after = await b.ask({ call: "stats" });
    expect(after.received.packets).toBe(before.received.packets + 1);
    expect(after.received.bytes).toBe(before.received.bytes + innerPacket(1).length);
    expect(after.sessions[0]?.idleMs).toBeLessThan(10_000);
  });

  const flip = (bytes: Uint8Array, at: number, mask = 1): Uint8Array => bytes.map((x, i) => (i === at ? x ^ mask : x));
  test.each<[string, string, (good: Uint8Array) => Uint8Array]>([
    ["a changed byte", "auth", (good) => flip(good, 20)],
    ["a changed tag", "auth", (good) => flip(good, good.length - 1)],
    ["a changed checksum flag", "auth", (good) => flip(good, 1, SEALED_FLAG.partialChecksum)],
    ["a cut tag", "auth", (good) => good.subarray(0, good.length - 1)],
    ["an unknown session", "noSession", (good) => flip(good, 4)],
    ["an unknown flag", "malformed", (good) => flip(good, 1, 0x80)],
    ["a reserved byte", "malformed", (good) => flip(good, 2)],
    ["an unknown type", "malformed", (good) => flip(good, 0, 0x40)],
    ["no room for a tag", "malformed", (good) => good.subarray(0, 31)],
    ["a foreign inner source", "source", () => frame(counter++, innerPacket(3))],
    ["our own inner source", "source", () => frame(counter++, innerPacket(2))],
    ["no IP packet inside", "malformed", () => frame(counter++, new Uint8Array(60))],
  ])("drops and counts a frame with %s as %s", async (_, reason, mangle) => {
    const before = await b.ask({ call: "stats" });
    await inject(mangle(frame(counter++, innerPacket(1))));
    await b.drops(reason, before, 1);
    expect(inside("a", "ping", "-c", "1", "-W", "60", "fd00::2")).toContain("1 received");
  });

  test("takes an empty packet as a sign of life", async () => {
    const before = await b.ask({ call: "stats" });
    await inject(frame(counter++, new Uint8Array(0)));
    let after = before;
    while (after.received.packets === before.received.packets) after = await b.ask({ call: "stats" });
    expect(after.received).toEqual({ packets: before.received.packets + 1, bytes: before.received.bytes });
    expect(after.drops).toEqual(before.drops);
  });

  test("hands control frames to the runtime with the address they came from", async () => {
    await inject(Uint8Array.of(FRAME.handshake, 1, 2, 3));
    expect(await b.event("control")).toEqual({
      type: "control",
      address: UNDERLAY[family].a,
      port: PORT,
      payload: "01010203",
    });
  });

  test("hears nothing on its own port that came through the tunnel", async () => {
    const before = await b.ask({ call: "stats" });
    const datagram = { address: INNER.b, port: PORT, payload: hex(Uint8Array.of(FRAME.handshake, 4, 5, 6)) };
    await a.ask({ call: "send", datagrams: [datagram] });
    await b.drops("throughMesh", before, 1);
  });

  test("follows its peer to a new address, and says so", async () => {
    const roamed = new Peer("a", { port: 0, device: undefined });
    const { port } = await roamed.event("ready");
    const forged = flip(frame(counter++, new Uint8Array(0)), 20);
    const moved = frame(counter++, new Uint8Array(0));
    await roamed.ask({ call: "send", datagrams: [forged, moved].map((each) => ({ ...to, payload: hex(each) })) });
    expect(await b.event("moved")).toEqual({
      type: "moved",
      localIndex: INDEX.b,
      address: UNDERLAY[family].a,
      port: port as number,
    });
    await inject(frame(counter++, new Uint8Array(0)));
    expect(await b.event("moved")).toMatchObject({ port: PORT });
    await roamed.end();
  });

  test("asks for a session to an address that has none, and forgets a removed peer", async () => {
    await b.ask({ call: "removePeer", peer: INNER.a });
    const before = await b.ask({ call: "stats" });
    expect(before.sessions).toEqual([]);
    const { success } = Bun.spawnSync([
      ...["ip", "netns", "exec", netnsOf("b"), "ping", "-c", "1", "-W", "1", INNER.a],
    ]);
    expect(success).toBe(false);
    expect(await b.event("wanted")).toEqual({ type: "wanted", peer: INNER.a });
    await b.drops("noSession", before, 1);
  });

  test("the first packet to a peer waits for a session and is answered", async () => {
    await a.ask({ call: "removePeer", peer: INNER.b });
    const ping = ["ip", "netns", "exec", netnsOf("b"), "ping", "-c", "1", "-W", "20", INNER.a];
    const { exited } = Bun.spawn(ping, { stdout: "ignore" });
    await b.event("wanted");
    const [keys, index] = [
      { a: "03".repeat(32), b: "04".repeat(32) },
      { a: 3, b: 4 },
    ];
    await useSession(a, "a", family, keys, index);
    await useSession(b, "b", family, keys, index);
    expect(await exited).toBe(0);
  });
});

describe.skipIf(!able(`${FILE} (addon only)`, "addon"))("the addon's tunnel", () => {
  const options = {
    port: 0,
    interface: undefined,
    device: undefined,
    address: "fd00::1",
    prefixLength: 64,
    mtu: 1400,
    workers: 2,
  };
  const open = (port = 0) =>
    addon.openTunnel(
      { ...options, port },
      () => {},
      () => {},
    );

  test("has its port to itself, and gives it back", async () => {
    const first = open();
    expect(() => open(first.port)).toThrow(expect.objectContaining({ code: "EADDRINUSE", syscall: "bind" }));
    await first.close();
    const second = open(first.port);
    await second.close();
  });

  test("does nothing once it is closed, and closes twice without harm", async () => {
    const tunnel = open();
    await Promise.all([tunnel.close(), tunnel.close()]);
    tunnel.send([{ address: "127.0.0.1", port: 9, payload: new Uint8Array(1) }]);
    tunnel.allow("fd00::2", "fd00::2/128");
    expect(tunnel.stats().sessions).toEqual([]);
    await tunnel.close();
  });

  const session = {
    peer: "fd00::2",
    localIndex: 1,
    remoteIndex: 2,
    aead: "aes-256-gcm" as const,
    sendKey: new Uint8Array(32),
    receiveKey: new Uint8Array(32),
    hopSendKey: new Uint8Array(16),
    hopReceiveKey: new Uint8Array(16),
    address: "127.0.0.1",
    port: 9,
  };
  test("refuses arguments that make no sense", async () => {
    const tunnel = open();
    tunnel.installSession(session);
    expect(() => tunnel.installSession(session)).toThrow(expect.objectContaining({ code: "EEXIST" }));
    expect(() => tunnel.installSession({ ...session, localIndex: 0 })).toThrow(TypeError);
    expect(() => tunnel.installSession({ ...session, localIndex: 2, sendKey: new Uint8Array(31) })).toThrow(TypeError);
    expect(() => tunnel.installSession({ ...session, localIndex: 2, address: "nowhere" })).toThrow(TypeError);
    expect(() => tunnel.useSession("fd00::3", 1)).toThrow(expect.objectContaining({ code: "ENOENT" }));
    for (const prefix of ["fd00::1/129", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "", "fd00::1/x"])
      expect(() => tunnel.allow("fd00::2", prefix)).toThrow(TypeError);
    await tunnel.close();
  });

  test("measures both ciphers", () => {
    const rates = addon.measureAead();
    expect(rates.aes256Gcm).toBeGreaterThan(1);
    expect(rates.chacha20Poly1305).toBeGreaterThan(1);
  });
});
