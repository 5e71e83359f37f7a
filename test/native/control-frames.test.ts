/** Control frames over loopback: one suite for both data paths, and for one talking to the other. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { loadAddon } from "../../runtime/dataplane/addon.io.ts";
import { openNative } from "../../runtime/dataplane/native.io.ts";
import type { DataPlane, DataPlaneHandlers, DataPlaneOptions } from "../../runtime/dataplane/port.ts";
import { openUserspace } from "../../runtime/dataplane/userspace.io.ts";
import { FRAME } from "../../runtime/mesh/frame.ts";
import type { Datagram } from "../../runtime/mesh/types.ts";
import { able } from "../help/require.ts";
import { PATIENCE } from "../help/shell.ts";

type Open = (options: DataPlaneOptions, handlers: DataPlaneHandlers) => Promise<DataPlane>;

const { addon, reason } = loadAddon();
if (!addon) console.log(`SKIP native data path: ${reason}`);

const RATES = { aes256Gcm: 1, chacha20Poly1305: 1 };
const implementations: (readonly [string, Open])[] = [["userspace", openUserspace]];
if (addon) implementations.push(["native", (o, h) => openNative(addon, o, h, RATES)]);
const pairs = implementations.flatMap(([a, openA]) =>
  implementations.map(([b, openB]) => [a, b, openA, openB] as const),
);

const OPTIONS: DataPlaneOptions = {
  port: 0,
  interface: undefined,
  device: undefined,
  address: "fd00::1",
  prefixLength: 64,
  mtu: 1400,
  workers: 1,
};

/** A data path that keeps what it is handed, and lets a test wait for the next frame. */
class Inbox {
  readonly frames: Datagram[] = [];
  #wake: () => void = () => {};
  readonly handlers: DataPlaneHandlers = {
    control: (batch) => {
      this.frames.push(...batch);
      this.#wake();
    },
    event: () => {},
  };

  async reaches(count: number): Promise<Datagram[]> {
    while (this.frames.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.frames;
  }
}

const opened: DataPlane[] = [];
async function start(open: Open, inbox = new Inbox()): Promise<{ plane: DataPlane; inbox: Inbox }> {
  const plane = await open(OPTIONS, inbox.handlers);
  opened.push(plane);
  return { plane, inbox };
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((plane) => plane.close()));
});

const frame = (type: number, size = 40): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i === 0 ? type : i & 255));

describe.each(pairs)("control frames from %s to %s", (_a, _b, openA, openB) => {
  test.each([
    ["IPv4", "127.0.0.1"],
    ["IPv6", "::1"],
  ])("arrive over %s as they were sent, with an endpoint that can be answered", async (_, address) => {
    const a = await start(openA);
    const b = await start(openB);
    const payload = frame(FRAME.handshake, 1232);
    a.plane.send([{ endpoint: { address, port: b.plane.port }, payload }]);
    const [there] = await b.inbox.reaches(1);
    expect(there?.payload).toEqual(payload);
    expect(there?.endpoint).toEqual({ address, port: a.plane.port });

    b.plane.send([{ endpoint: there?.endpoint ?? { address, port: 1 }, payload: frame(FRAME.control) }]);
    const [back] = await a.inbox.reaches(1);
    expect(back).toEqual({ endpoint: { address, port: b.plane.port }, payload: frame(FRAME.control) });
  });

  test("of every control type arrive in order, and data frames do not come this way", async () => {
    const a = await start(openA);
    const b = await start(openB);
    const types = [FRAME.handshake, FRAME.acknowledge, FRAME.cookie, FRAME.data, FRAME.control];
    const endpoint = { address: "127.0.0.1", port: b.plane.port };
    a.plane.send(types.map((type) => ({ endpoint, payload: frame(type) })));
    const seen = await b.inbox.reaches(4);
    expect(seen.map((d) => d.payload[0])).toEqual([FRAME.handshake, FRAME.acknowledge, FRAME.cookie, FRAME.control]);
    expect(Object.values(b.plane.stats().drops).reduce((sum, n) => sum + n, 0)).toBe(1);
  });
});

describe.each(implementations)("the %s data path", (kind, open) => {
  test("says what it is and which port the kernel chose", async () => {
    const { plane } = await start(open);
    expect(plane.kind).toBe(kind as DataPlane["kind"]);
    expect(plane.port).toBeGreaterThan(0);
    expect(plane.device).toBeUndefined();
  });

  test("refuses a port that is taken with an error for the person at the keyboard", async () => {
    const { plane } = await start(open);
    const second = open({ ...OPTIONS, port: plane.port }, new Inbox().handlers);
    await expect(second).rejects.toMatchObject({ code: "dataplane/port-in-use" });
  });

  test("frees its port when it closes", async () => {
    const { plane } = await start(open);
    const port = plane.port;
    await plane.close();
    const again = await open({ ...OPTIONS, port }, new Inbox().handlers);
    opened.push(again);
    expect(again.port).toBe(port);
  });

  test("survives destinations that cannot be reached and counts them at most once each", async () => {
    const { plane } = await start(open);
    const b = await start(open);
    plane.send([{ endpoint: { address: "127.0.0.1", port: b.plane.port }, payload: frame(FRAME.control, 65_000) }]);
    plane.send([{ endpoint: { address: "ff05::9999", port: 9 }, payload: frame(FRAME.control) }]);
    plane.send([{ endpoint: { address: "127.0.0.1", port: b.plane.port }, payload: frame(FRAME.control) }]);
    const [small] = await b.inbox.reaches(1);
    expect(small?.payload.length).toBe(40); // the one of 65,000 bytes was none of ours
    const failed = Object.values(plane.stats().drops).reduce((sum, n) => sum + n, 0);
    expect(failed).toBeLessThanOrEqual(2);
  });

  test("lists the sessions it was given and forgets those of a removed peer", async () => {
    const { plane } = await start(open);
    const key = new Uint8Array(32).fill(7);
    const hop = new Uint8Array(16);
    const keys = { aead: "aes-256-gcm", sendKey: key, receiveKey: key, hopSendKey: hop, hopReceiveKey: hop } as const;
    const endpoint = { address: "127.0.0.1", port: 9 };
    plane.installSession("fd00::2", { localIndex: 21, remoteIndex: 1, ...keys }, endpoint);
    plane.installSession("fd00::2", { localIndex: 22, remoteIndex: 2, ...keys }, endpoint);
    plane.installSession("fd00::3", { localIndex: 31, remoteIndex: 3, ...keys }, endpoint);
    const indices = (): number[] =>
      plane
        .stats()
        .sessions.map((s) => s.localIndex)
        .sort((x, y) => x - y);
    expect(indices()).toEqual([21, 22, 31]);
    plane.removeSession(21);
    expect(indices()).toEqual([22, 31]);
    plane.removePeer("fd00::2");
    expect(indices()).toEqual([31]);
  });
});

describe.skipIf(!able("test/native/control-frames.test.ts (link-local)", "root", "netns", "command:ip"))(
  "link-local addresses",
  () => {
    const netns = `trellis-ll-${process.pid}`;
    const runtime = join(import.meta.dir, "../../runtime/dataplane");
    const ip = (...args: string[]): void => {
      const { success, stderr } = Bun.spawnSync(["ip", ...args]);
      if (!success) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
    };

    beforeAll(() => {
      ip("netns", "add", netns);
      ip("-n", netns, "link", "set", "lo", "up");
      ip("-n", netns, "link", "add", "ll0", "type", "veth", "peer", "name", "ll1");
      ip("-n", netns, "link", "set", "ll0", "up");
      ip("-n", netns, "link", "set", "ll1", "up");
      ip("-n", netns, "address", "add", "fe80::1/64", "dev", "ll0", "nodad");
    });
    afterAll(() => ip("netns", "delete", netns));

    /** Sends a frame to itself at fe80::1 of `ll0` and prints where it came from. */
    const script = (open: string): string => `
    const { openUserspace } = await import("${runtime}/userspace.io.ts");
    const { openNative } = await import("${runtime}/native.io.ts");
    const { loadAddon } = await import("${runtime}/addon.io.ts");
    const options = ${JSON.stringify({ ...OPTIONS, port: 7777 })};
    const handlers = { event() {}, async control([{ endpoint }]) { console.log(JSON.stringify(endpoint)); await plane.close(); process.exit(0); } };
    const plane = await ${open};
    plane.send([{ endpoint: { address: "fe80::1%gone", port: 7777 }, payload: new Uint8Array(40) }]);
    plane.send([{ endpoint: { address: "fe80::1%ll0", port: 7777 }, payload: new Uint8Array(40).fill(${FRAME.control}) }]);`;

    const opens = {
      userspace: "openUserspace(options, handlers)",
      native: `openNative(loadAddon().addon, options, handlers, ${JSON.stringify(RATES)})`,
    };
    test.each(implementations.map(([kind]) => kind as keyof typeof opens))(
      "carry the interface's name in both directions on the %s data path, where another has gone",
      async (kind) => {
        const child = Bun.spawn(["ip", "netns", "exec", netns, process.execPath, "-e", script(opens[kind])], {
          timeout: PATIENCE,
          stdout: "pipe",
        });
        expect(await new Response(child.stdout).text()).toBe('{"address":"fe80::1%ll0","port":7777}\n');
        expect(await child.exited).toBe(0);
      },
    );
  },
);
