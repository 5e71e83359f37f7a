/** A - R - B on loopback: three data paths in userspace. A and B have a session, R only its own with each of them. */
import { afterEach, describe, expect, test } from "bun:test";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { concat } from "../../runtime/base/bytes.ts";
import { type Addon, loadAddon } from "../../runtime/dataplane/addon.io.ts";
import { type NativeDataPlane, openNative } from "../../runtime/dataplane/native.io.ts";
import type { RelayVerdict } from "../../runtime/dataplane/relay-layout.ts";
import { FRAME, HELLO, HelloFrame, RELAY_TTL, SealedHeader } from "../../runtime/mesh/frame.ts";
import type { Datagram, DataPlaneEvent } from "../../runtime/mesh/types.ts";
import {
  type Deviation,
  dataKey,
  helloFrame,
  indexOf,
  onward,
  overlay,
  relayFrame,
  sessionOf,
} from "../help/relay-frames.ts";
import { able } from "../help/require.ts";
import { PATIENCE, until } from "../help/shell.ts";

const addon = loadAddon().addon as Addon;
const RATES = { aes256Gcm: 1, chacha20Poly1305: 1 };
const THROUGH_MESH = 0;

interface Gateway {
  readonly plane: NativeDataPlane;
  readonly control: Datagram[];
  readonly events: DataPlaneEvent[];
}

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

async function gateway(name: string): Promise<Gateway> {
  const control: Datagram[] = [];
  const events: DataPlaneEvent[] = [];
  const options = { port: 0, interface: undefined, device: undefined, prefixLength: 64, mtu: 1400, workers: 2 };
  const handlers = {
    control: (batch: readonly Datagram[]) => void control.push(...batch),
    event: (event: DataPlaneEvent) => void events.push(event),
  };
  const plane = await openNative(addon, { ...options, address: overlay(name) }, handlers, RATES);
  open.push(() => plane.close());
  return { plane, control, events };
}

const near = (port: number) => ({ address: "127.0.0.1", port });
const far = (name: string) => ({ address: overlay(name), port: THROUGH_MESH });

function meet(own: Gateway, name: string, other: string, endpoint: { address: string; port: number }): void {
  own.plane.installSession(overlay(other), sessionOf(name, other), endpoint);
  own.plane.useSession(overlay(other), indexOf(name, other));
}

interface Line {
  readonly a: Gateway;
  readonly r: Gateway;
  readonly b: Gateway;
}

/** R is called "e" in the mesh, where names are hex digits. */
async function line(): Promise<Line> {
  const [a, r, b] = [await gateway("a"), await gateway("e"), await gateway("b")];
  meet(a, "a", "e", near(r.plane.port));
  meet(b, "b", "e", near(r.plane.port));
  meet(a, "a", "b", far("b"));
  meet(b, "b", "a", far("a"));
  meet(r, "e", "a", near(a.plane.port));
  meet(r, "e", "b", near(b.plane.port));
  a.plane.setRoute(overlay("b"), overlay("e"), undefined);
  b.plane.setRoute(overlay("a"), overlay("e"), undefined);
  r.plane.setRoute(overlay("a"), overlay("a"), undefined);
  r.plane.setRoute(overlay("b"), overlay("b"), undefined);
  return { a, r, b };
}

const wait = <T>(what: string, ready: () => T | undefined | Promise<T | undefined>): Promise<T> =>
  until(what, PATIENCE, async () => ready());
/** Of frames in transit; neighbours say hello whenever they like. */
const transits = (g: Gateway): number => {
  const { reply: _, heard: __, stale: ___, ...rest } = g.plane.relayed();
  return Object.values(rest).reduce((sum, n) => sum + n, 0);
};
const counted = (g: Gateway, verdict: RelayVerdict, count: number): Promise<true> =>
  wait(`${count} x ${verdict}`, () => (g.plane.relayed()[verdict] === count ? true : undefined));

/** What a neighbour of R does with a question. */
function answer(r: Gateway, name: string, socket: Socket, question: Uint8Array): void {
  const { patience, asked } = HelloFrame.decode(question) ?? { patience: 0, asked: 0n };
  const frame = helloFrame({ from: name, to: "e" }, { kind: HELLO.answer, patience, asked });
  socket.send(frame, r.plane.port, "127.0.0.1");
}

/** A data frame of the session of `from` with `to`; the inner packet is empty, which is a sign of life. */
function sealed(from: string, to: string, counter: bigint): Uint8Array {
  const header = SealedHeader.encode({ type: FRAME.data, flags: 0, receiver: indexOf(to, from), counter });
  const nonce = concat(new Uint8Array(4), header.subarray(SealedHeader.offsets.counter));
  return concat(header, addon.sealOnce("aes-256-gcm", dataKey(from, to), nonce, header, new Uint8Array(0)));
}

const CONTROL = new Uint8Array(40).fill(FRAME.control);

/** A plain socket that plays a neighbour, so that what is on the wire can be seen and made. */
async function socket(): Promise<Socket> {
  const plain = createSocket("udp4");
  plain.bind(0, "127.0.0.1");
  await once(plain, "listening");
  open.push(() => new Promise<void>((resolve) => plain.close(() => resolve())));
  return plain;
}

describe.skipIf(!able("test/native/relay.test.ts", "addon"))("two gateways with a third between them", () => {
  test("speak to each other by overlay address, both ways", async () => {
    const { a, r, b } = await line();
    a.plane.send([{ endpoint: far("b"), payload: CONTROL }]);
    await wait("a frame at b", () => b.control[0]);
    expect(b.control).toEqual([{ endpoint: far("a"), payload: CONTROL }]);
    b.plane.send([{ endpoint: b.control[0]?.endpoint ?? near(1), payload: CONTROL }]);
    await wait("the answer at a", () => a.control[0]);
    expect(a.control).toEqual([{ endpoint: far("b"), payload: CONTROL }]);
    expect(r.control).toEqual([]);
    expect(r.plane.relayed()).toMatchObject({ forward: 2, deliver: 0 });
    expect(b.plane.relayed()).toMatchObject({ forward: 0, deliver: 1 });
  });

  test("have sealed frames carried that the third cannot open, each delivered once", async () => {
    const { a, r, b } = await line();
    const frame = sealed("a", "b", 0n);
    for (const payload of [frame, frame, sealed("a", "b", 1n)]) a.plane.send([{ endpoint: far("b"), payload }]);
    await counted(r, "forward", 3);
    await wait("two packets at b", () => (b.plane.stats().received.packets === 2 ? true : undefined));
    expect(b.plane.stats().drops.replay).toBe(1);
    expect(r.plane.stats().received.packets).toBe(0);
    expect(
      r.plane
        .stats()
        .sessions.map((s) => s.localIndex)
        .sort(),
    ).toEqual([indexOf("e", "a"), indexOf("e", "b")]);
    expect(b.events.filter((e) => e.type === "moved")).toEqual([]); // by relayed frames
  });

  test("are reached directly once that is their endpoint", async () => {
    const { a, r, b } = await line();
    a.plane.setEndpoint(overlay("b"), near(b.plane.port));
    a.plane.setRoute(overlay("b"), undefined, undefined);
    a.plane.send([{ endpoint: far("b"), payload: CONTROL }]);
    expect(a.plane.stats().drops.sendFailed).toBe(1); // no route any more
    a.plane.send([{ endpoint: near(b.plane.port), payload: CONTROL }]);
    await wait("a frame at b", () => b.control[0]);
    expect(b.control).toEqual([{ endpoint: near(a.plane.port), payload: CONTROL }]);
    expect(r.plane.relayed().forward).toBe(0);
  });

  test("see each hop's header as the layout has it", async () => {
    const { r } = await line();
    const [asA, asB] = [await socket(), await socket()];
    r.plane.setEndpoint(overlay("b"), near(asB.address().port));
    const sent = relayFrame({ from: "a", to: "e" }, "a", "b", CONTROL);
    const arrived = Promise.withResolvers<Buffer>();
    asB.on("message", (frame) => frame[0] === FRAME.relay && arrived.resolve(frame)); // R says hello as well
    asA.send(sent, r.plane.port, "127.0.0.1");
    expect([...(await arrived.promise)]).toEqual([...onward(sent, { from: "e", to: "b" })]);
  });

  test.each<[string, RelayVerdict, string, Deviation]>([
    ["an index of nobody", "unknownLink", "b", { link: 5 }],
    ["the index of another neighbour", "badTag", "b", { link: indexOf("e", "b") }],
    ["a changed destination", "badTag", "b", { flip: 8 }],
    ["a changed tag", "badTag", "b", { flip: 31 }],
    ["more hops than there may be", "malformed", "b", { ttl: RELAY_TTL + 1 }],
    ["no hops left", "malformed", "b", { ttl: 0 }],
    ["a reserved byte", "malformed", "b", { reserved: 1 }],
    ["its last hop behind it", "expired", "b", { ttl: 1 }],
    ["a destination nobody leads to", "noRoute", "c", {}],
    ["its own sender as the next hop", "loop", "a", {}],
  ])("have a frame with %s dropped and counted as %s", async (_, verdict, destination, deviation) => {
    const { a, r, b } = await line();
    const plain = await socket();
    const frame = relayFrame({ from: "a", to: "e" }, "a", destination, CONTROL, deviation);
    plain.send(frame, r.plane.port, "127.0.0.1");
    await counted(r, verdict, 1);
    expect(r.plane.stats().drops[`relay.${verdict}`]).toBe(1);
    plain.send(relayFrame({ from: "a", to: "e" }, "a", "b", CONTROL), r.plane.port, "127.0.0.1");
    await wait("the good frame after it", () => b.control[0]);
    expect(b.control).toHaveLength(1);
    expect([...a.control, ...r.control]).toEqual([]);
    expect(transits(r)).toBe(2);
  });

  test("change over to the backup while the primary is silent", async () => {
    const { r } = await line();
    const asA = await socket();
    const count = { c: 0, d: 0 };
    const alive = { c: true, d: true };
    for (const name of ["c", "d"] as const) {
      const plain = await socket();
      plain.on("message", (frame) => {
        if (frame[0] === FRAME.relay) count[name]++;
        else if (alive[name]) answer(r, name, plain, frame);
      });
      meet(r, "e", name, near(plain.address().port));
    }
    r.plane.setRoute(overlay("f"), overlay("c"), overlay("d"));
    const frame = relayFrame({ from: "a", to: "e" }, "a", "f", CONTROL);
    /** Sends until one arrives at this neighbour. */
    const reaches = async (name: "c" | "d", before: () => void = () => {}): Promise<void> => {
      const start = count[name];
      await wait(`a frame at ${name}`, () => {
        before();
        asA.send(frame, r.plane.port, "127.0.0.1");
        return count[name] > start ? true : undefined;
      });
    };
    await wait("all to have answered", () =>
      r.plane.neighbours().every((n) => n.roundTripMs !== undefined) ? true : undefined,
    );
    // A late answer of c, which is this very process, makes it silent for a moment: a few in a row all the same.
    await wait("the primary alone", async () => {
      const before = count.d;
      for (let i = 0; i < 10; i++) await reaches("c");
      return count.d === before || undefined;
    });
    alive.c = false;
    await reaches("d");
    alive.c = true;
    await reaches("c");
  });

  test("refuse routes to what is not in their mesh", async () => {
    const { a } = await line();
    for (const destination of ["fd99::1", "192.0.2.1", "nowhere"])
      expect(() => a.plane.setRoute(destination, overlay("e"), undefined)).toThrow(
        expect.objectContaining({ code: "EADDRNOTAVAIL" }),
      );
  });
});
