import { describe, expect, test } from "bun:test";
import { toHex } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { noble } from "../../../runtime/crypto/noble.ts";
import type { Admission } from "../../../runtime/mesh/handshake/ports.ts";
import { MESH_ID, Net, type Party } from "../../help/handshake-pair.ts";
import { seededNumber, seededRandom } from "../../help/seeded.ts";

const SECRET = new Uint8Array(16).fill(9);
const INVITE = new Uint8Array(8).fill(3);

const accepting = (): Admission => ({
  secretOf: (id) => (toHex(id) === toHex(INVITE) ? SECRET : undefined),
  admit: async () => ({ accepted: true, chain: joinerId }),
});
let joinerId: Uint8Array = new Uint8Array(0);

function expectSameSession(a: Party, b: Party): void {
  const [mine, theirs] = [a.sessions.at(-1), b.sessions.at(-1)];
  expect(toHex(mine?.data.sendKey as Uint8Array)).toBe(toHex(theirs?.data.receiveKey as Uint8Array));
  expect(toHex(mine?.data.receiveKey as Uint8Array)).toBe(toHex(theirs?.data.sendKey as Uint8Array));
  expect(toHex(mine?.controlSendKey as Uint8Array)).toBe(toHex(theirs?.controlReceiveKey as Uint8Array));
  expect(toHex(mine?.sessionId as Uint8Array)).toBe(toHex(theirs?.sessionId as Uint8Array));
  expect(mine?.data.localIndex).toBe(theirs?.data.remoteIndex as number);
  expect(mine?.data.remoteIndex).toBe(theirs?.data.localIndex as number);
  expect(mine?.data.aead).toBe(theirs?.data.aead as "aes-256-gcm");
}

async function pair(seed: string, crypto = native): Promise<{ net: Net; a: Party; b: Party }> {
  const net = new Net(crypto, seededRandom(seed));
  const a = await net.add("a");
  const b = await net.add("b");
  return { net, a, b };
}

describe.each([native, noble])("a handshake with the provider $name", (crypto) => {
  test("gives two known peers the same keys in three messages", async () => {
    const { net, a, b } = await pair("known", crypto);
    net.introduce(a, b);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(2000);
    expectSameSession(a, b);
    expect([a.sessions.length, b.sessions.length]).toEqual([1, 1]);
    expect(a.machine.load.initiators).toBe(0);
  });

  test("gives members who do not know each other the same keys at first contact", async () => {
    const { net, a, b } = await pair("first", crypto);
    net.perform(a, await a.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(2000);
    expectSameSession(a, b);
    expect(b.sessions[0]?.peer.name).toBe("a");
  });

  test("admits a joiner who has the invite's secret", async () => {
    const net = new Net(crypto, seededRandom("join"));
    const b = await net.add("b", { admission: accepting() });
    const a = await net.add("a", { member: false });
    joinerId = a.keys.id;
    const target = { meshId: MESH_ID, issuerId: b.keys.id, inviteId: INVITE, secret: SECRET };
    net.perform(a, await a.machine.join(target, "a", b.endpoint, net.now));
    await net.run(2000);
    expectSameSession(a, b);
    expect(toHex(a.sessions[0]?.joined?.chain as Uint8Array)).toBe(toHex(a.keys.id));
  });
});

describe("a joiner", () => {
  test("is told why it is refused once it has proven the secret", async () => {
    const net = new Net(native, seededRandom("refused"));
    const admission: Admission = {
      secretOf: () => SECRET,
      admit: async () => ({ accepted: false, code: "invite/used", message: "used up" }),
    };
    const b = await net.add("b", { admission });
    const a = await net.add("a", { member: false });
    const target = { meshId: MESH_ID, issuerId: b.keys.id, inviteId: INVITE, secret: SECRET };
    net.perform(a, await a.machine.join(target, "a", b.endpoint, net.now));
    await net.run(2000);
    expect(a.failures.map((f) => [f.code, f.told])).toEqual([["invite/used", true]]);
    expect([a.sessions.length, b.sessions.length]).toEqual([0, 0]);
  });

  test("with a wrong secret hears nothing, is slowed, and locks nobody else out", async () => {
    const net = new Net(native, seededRandom("guess"));
    const b = await net.add("b", { admission: accepting() });
    const guesser = await net.add("guesser", { member: false });
    const honest = await net.add("honest", { member: false });
    joinerId = honest.keys.id;
    const target = { meshId: MESH_ID, issuerId: b.keys.id, inviteId: INVITE, secret: SECRET };
    for (let i = 0; i < 8; i++) {
      const wrong = { ...target, secret: new Uint8Array(16).fill(i) };
      net.perform(guesser, await guesser.machine.join(wrong, "x", b.endpoint, net.now));
    }
    await net.run(500);
    net.perform(honest, await honest.machine.join(target, "honest", b.endpoint, net.now));
    await net.run(12_000);
    expect(guesser.sessions).toHaveLength(0);
    expect(guesser.failures.every((f) => f.code === "handshake/timeout" && !f.told)).toBe(true);
    expect(b.meter.get("handshake.drop.slowed")).toBeGreaterThan(0);
    expect(honest.sessions).toHaveLength(1);
  });
});

describe("a hostile wire", () => {
  test.each(["k", "f"] as const)("that loses 40 % of all datagrams does not stop pattern %s", async (pattern) => {
    const chance = seededNumber(`loss ${pattern}`);
    for (let i = 0; i < 5; i++) {
      const { net, a, b } = await pair(`loss ${pattern} ${i}`);
      if (pattern === "k") net.introduce(a, b);
      net.wire = (p) => (chance() < 0.4 ? [] : [p]);
      const start =
        pattern === "k"
          ? a.machine.connect(b.member, b.endpoint, net.now)
          : a.machine.contact(b.member.id, b.endpoint, net.now);
      net.perform(a, await start);
      await net.run(10_000);
      expectSameSession(a, b);
    }
  });

  test.each(["k", "f"] as const)("that copies and reorders everything establishes pattern %s once", async (pattern) => {
    const { net, a, b } = await pair(`copies ${pattern}`);
    if (pattern === "k") net.introduce(a, b);
    const held: Parameters<Net["post"]>[0][] = [];
    net.wire = (p) => {
      held.push(p);
      return held.length % 3 === 0 ? [...held.splice(0).reverse(), p] : [p];
    };
    const start =
      pattern === "k"
        ? a.machine.connect(b.member, b.endpoint, net.now)
        : a.machine.contact(b.member.id, b.endpoint, net.now);
    net.perform(a, await start);
    await net.run(9000);
    expectSameSession(a, b);
    expect([a.sessions.length, b.sessions.length]).toEqual([1, 1]);
  });

  test.each(["k", "f"] as const)(
    "that adds a forged twin to every datagram of pattern %s changes nothing",
    async (pattern) => {
      const chance = seededNumber(`twins ${pattern}`);
      const { net, a, b } = await pair(`twins ${pattern}`);
      if (pattern === "k") net.introduce(a, b);
      net.wire = (p) => {
        const forged = p.payload.slice();
        const at = Math.floor(chance() * forged.length);
        forged[at] = (forged[at] as number) ^ (1 << Math.floor(chance() * 8));
        return [{ ...p, payload: forged }, p, { ...p, payload: forged.subarray(0, at) }];
      };
      const start =
        pattern === "k"
          ? a.machine.connect(b.member, b.endpoint, net.now)
          : a.machine.contact(b.member.id, b.endpoint, net.now);
      net.perform(a, await start);
      await net.run(9000);
      expectSameSession(a, b);
      expect([a.sessions.length, b.sessions.length]).toEqual([1, 1]);
    },
  );

  test("cannot make a session from a replayed exchange", async () => {
    const { net, a, b } = await pair("replay");
    net.introduce(a, b);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(1000);
    const recorded = net.sent.filter((p) => p.to === b.endpoint);
    for (const p of [...recorded, ...recorded]) net.post(p);
    await net.run(5000);
    expect(b.sessions).toHaveLength(1);
    expect(b.meter.get("handshake.drop.replay")).toBeGreaterThan(0);
  });

  test("gets no answer for garbage", async () => {
    const { net, b } = await pair("garbage");
    const random = seededRandom("garbage bytes");
    for (let i = 0; i < 2000; i++) {
      const payload = random(1 + (i % 1300));
      payload[0] = 1 + (i % 3);
      payload[1] = 1;
      const from = { address: `192.0.2.${i % 250}`, port: 1 };
      net.perform(b, await b.machine.receive({ endpoint: from, payload }, net.now));
    }
    expect(net.sent).toHaveLength(0);
  });
});

describe("a flood of hellos from sources that never answer", () => {
  test("leaves no state, is answered with no more than it sent, and known peers are still served", async () => {
    const { net, a, b } = await pair("flood");
    net.introduce(a, b);
    const actions = await a.machine.connect(b.member, b.endpoint, net.now);
    const hello = actions.flatMap((x) => (x.type === "send" ? [x.datagram.payload] : []));
    let received = 0;
    let answered = 0;
    for (let i = 0; i < 5000; i++) {
      const payload = (hello[i % hello.length] as Uint8Array).slice();
      received += payload.length;
      const from = { address: `198.51.${i >> 8}.${i & 255}`, port: 4000 };
      for (const x of await b.machine.receive({ endpoint: from, payload }, net.now)) {
        if (x.type === "send") answered += x.datagram.payload.length;
      }
    }
    expect(b.machine.load).toEqual({ reassembly: 0, initiators: 0, responder: 0 });
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThanOrEqual(received);
    net.perform(a, actions);
    await net.run(2000);
    expectSameSession(a, b);
  });
});
