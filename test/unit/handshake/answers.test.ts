/** Answers that come again, come late, or are false though their mac is right; and who is believed to be proven. */
import { describe, expect, test } from "bun:test";
import { native } from "../../../runtime/crypto/native.ts";
import { createFirstReply } from "../../../runtime/mesh/handshake/first-contact.ts";
import { instanceOf, split } from "../../../runtime/mesh/handshake/fragment.ts";
import { consumeHello } from "../../../runtime/mesh/handshake/known-peer.ts";
import { firstMacKey, nonceMacKey, setMac } from "../../../runtime/mesh/handshake/mac.ts";
import { MESSAGE } from "../../../runtime/mesh/handshake/message.ts";
import { call, isMessage, MESH_ID, Net, type Packet, pairOn, sends, whole } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";

const pair = (seed: string) => pairOn(native, seed);

describe("K3", () => {
  test("ends the exchange at the responder", async () => {
    const { net, a, b } = await pair("K3 ends");
    await call(net, "known peer", a, b);
    await net.run(60);
    expect([b.sessions.length, b.machine.load.responder]).toEqual([1, 0]);
  });

  test("for an index that was taken meanwhile gives no session", async () => {
    const net = new Net(native, seededRandom("taken meanwhile"));
    let free = true;
    const [a, b] = [await net.add("a"), await net.add("b", { isFree: () => free })];
    net.introduce(a, b);
    net.wire = (p) => {
      if (isMessage(p, MESSAGE.k2)) free = false;
      return [p];
    };
    await call(net, "known peer", a, b);
    await net.run(2000);
    expect(b.sessions).toEqual([]);
    expect(b.meter.get("handshake.drop.authentication")).toBeGreaterThan(0);
  });

  test("that comes again is answered with a sealed frame when it made the newest session, and only if it is whole", async () => {
    const { net, a, b } = await pair("K3 again");
    const confirmations: Packet[] = [];
    net.wire = (p) => {
      if (isMessage(p, MESSAGE.k3)) confirmations.push(p);
      return [p];
    };
    for (const _ of [1, 2]) {
      await call(net, "known peer", a, b);
      await net.run(1000);
    }
    const [older, newest] = [confirmations[0], confirmations.at(-1)].map((p) => p?.payload as Uint8Array);
    const again = async (payload: Uint8Array): Promise<string[]> =>
      (await b.machine.receive({ endpoint: a.endpoint, payload }, net.now)).map((x) => x.type);
    expect(await again(newest as Uint8Array)).toEqual(["repeated"]);
    expect(await again(older as Uint8Array)).toEqual([]);
    expect(b.meter.get("handshake.drop.replay")).toBe(2);
    const broken = (newest as Uint8Array).slice();
    broken[188] = (broken[188] as number) ^ 1;
    new DataView(broken.buffer).setUint16(6, instanceOf(native, broken.subarray(32)), true);
    expect(await again(setMac(firstMacKey(native, MESH_ID, b.keys.id), broken))).toEqual([]);
    expect([b.meter.get("handshake.drop.replay"), b.meter.get("handshake.drop.authentication")]).toEqual([2, 1]);
  });
});

describe("a false answer of the callee's own, under the right mac", () => {
  test.each([
    ["K2", MESSAGE.k2, 2373],
    ["`unknown`", MESSAGE.unknown, 16],
  ] as const)("instead of K2 is dropped, and the true K2 still counts: %s", async (_, message, length) => {
    const { net, a, b } = await pair("false K2");
    net.wire = (p) => (p.from === b.endpoint && isMessage(p, MESSAGE.k2) ? [] : [p]);
    await call(net, "known peer", a, b);
    await net.run(45);
    const exchange = (net.sent[0] as Packet).payload.slice(8, 16);
    const at = { meshId: MESH_ID, keys: b.keys };
    const opened = await consumeHello(native, at, whole(net.sent, MESSAGE.k1), exchange);
    const key = opened?.macKey as Uint8Array;
    for (const payload of split(native, { message, exchange }, net.random(length), key, new Uint8Array(8)))
      expect(sends(await a.machine.receive({ endpoint: b.endpoint, payload }, net.now))).toEqual([]);
    expect(a.meter.get("handshake.drop.authentication")).toBe(1);
    net.wire = (p) => [p];
    await net.run(1000);
    expect(a.sessions.map((s) => s.pattern)).toEqual(["known-peer"]);
  });

  test("instead of F2 or F4 is dropped, and the true ones still count", async () => {
    const { net, a, b } = await pair("false F2");
    const held: Packet[] = [];
    net.wire = (p) => {
      const isAnswer = isMessage(p, MESSAGE.f2) || isMessage(p, MESSAGE.f4);
      if (isAnswer) held.push(p);
      return isAnswer ? [] : [p];
    };
    await call(net, "first contact", a, b);
    await net.run(45);
    const exchange = (net.sent[0] as Packet).payload.slice(8, 16);
    const f1 = whole(net.sent, MESSAGE.f1);
    const nonceKey = nonceMacKey(native, MESH_ID, b.keys.id, f1.slice(1220));
    const feed = async (message: number, key: Uint8Array, length: number): Promise<void> => {
      for (const payload of split(native, { message, exchange }, net.random(length), key, new Uint8Array(8)))
        await a.machine.receive({ endpoint: b.endpoint, payload }, net.now);
    };
    await feed(MESSAGE.f2, nonceKey, 1500);
    await feed(MESSAGE.f2, nonceKey, 1136);
    expect(a.meter.get("handshake.drop.authentication")).toBe(2);
    // A callee of our own making, so that F4's key is known.
    const own = { meshId: MESH_ID, id: b.keys.id, genesis: Uint8Array.of(1), chain: b.keys.id };
    const reply = await createFirstReply(native, net.random, own, f1, exchange);
    if (!reply) throw new Error("no F2");
    for (const payload of split(
      native,
      { message: MESSAGE.f2, exchange },
      reply.payload,
      reply.replyMacKey,
      new Uint8Array(8),
    ))
      net.perform(a, await a.machine.receive({ endpoint: b.endpoint, payload }, net.now));
    await feed(MESSAGE.f4, reply.macKey, 5000);
    expect(a.meter.get("handshake.drop.authentication")).toBe(3);
    expect(a.failures).toEqual([]);
  });
});

describe("a chain", () => {
  test("counts as proven by its member once that has signed, and not because it was shown", async () => {
    const { net, a, b } = await pair("proven");
    await call(net, "first contact", a, b);
    await net.run(500);
    expect([a.admitted, b.admitted]).toEqual([["b"], ["a, proven"]]);
  });

  test("of a joiner counts as proven: it has signed before its chain was made", async () => {
    const net = new Net(native, seededRandom("proven joiner"));
    let chain: Uint8Array = new Uint8Array(32);
    const secret = new Uint8Array(16).fill(2);
    const admit = async () => ({ accepted: true, chain }) as const;
    const b = await net.add("b", { admission: { secretOf: () => secret, admit } });
    const a = await net.add("a", { member: false });
    chain = a.keys.id;
    const target = { meshId: MESH_ID, issuerId: b.keys.id, inviteId: new Uint8Array(8), secret };
    net.perform(a, await a.machine.join(target, "a", b.endpoint, net.now));
    await net.run(500);
    expect([a.sessions.length, b.admitted]).toEqual([1, ["a, proven"]]);
  });
});
