/** The table of exchanges: what begins, repeats, ends and is forgotten, and what does not touch its neighbours. */
import { describe, expect, test } from "bun:test";
import { compare, toHex } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { sipHash24 } from "../../../runtime/crypto/siphash.ts";
import { generateKeys } from "../../../runtime/identity/keys.ts";
import { acknowledgement } from "../../../runtime/mesh/handshake/acknowledgement.ts";
import { type Fragment, instanceOf, parseFragment } from "../../../runtime/mesh/handshake/fragment.ts";
import { firstMacKey, nonceMacKey, setMac } from "../../../runtime/mesh/handshake/mac.ts";
import { CookieReply, MESSAGE } from "../../../runtime/mesh/handshake/message.ts";
import {
  call,
  isMessage,
  MESH_ID,
  Net,
  PATTERNS,
  type Packet,
  type Party,
  pairOn,
  sends,
  whole,
} from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";
import { standIn } from "../../help/stand-in-provider.ts";

async function party(seed: string, names: readonly string[]): Promise<{ net: Net; parties: Party[] }> {
  const net = new Net(native, seededRandom(seed));
  const parties: Party[] = [];
  for (const name of names) parties.push(await net.add(name));
  net.introduce(...parties);
  return { net, parties };
}
const byId = (parties: readonly Party[]) =>
  parties.toSorted((a, b) => compare(a.keys.id, b.keys.id)) as [low: Party, high: Party];

/** Two that call each other at the same moment. */
async function crossing(seed: string): Promise<{ net: Net; low: Party; high: Party }> {
  const { net, parties } = await party(seed, ["a", "b"]);
  const [low, high] = byId(parties);
  for (const [from, to] of [
    [high, low],
    [low, high],
  ] as const)
    net.perform(from, await from.machine.connect(to.member, to.endpoint, net.now));
  return { net, low, high };
}
const pair = (seed: string) => pairOn(native, seed);

describe("a machine", () => {
  test("that has nothing to do has no deadline", async () => {
    const { net, a, b } = await pair("idle");
    expect([a.machine.deadline(), b.machine.deadline()]).toEqual([undefined, undefined]);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    expect(a.machine.deadline()).toBe(net.now + 60);
    await net.run(12_000);
    expect([a.machine.deadline(), b.machine.deadline()]).toEqual([undefined, undefined]);
  });

  test("of a joiner calls nobody but by its invite, and answers nobody", async () => {
    const net = new Net(native, seededRandom("joiner"));
    const [a, b] = [await net.add("a", { member: false }), await net.add("b")];
    b.known.set(toHex(a.member.certificateHash), a.member);
    expect(() => a.machine.connect(b.member, b.endpoint, net.now)).toThrow(RangeError);
    expect(() => a.machine.contact(b.keys.id, b.endpoint, net.now)).toThrow(RangeError);
    for (const begun of [
      await b.machine.connect(a.member, a.endpoint, net.now),
      await b.machine.contact(a.keys.id, a.endpoint, net.now),
    ])
      for (const payload of sends(begun))
        expect(await a.machine.receive({ endpoint: b.endpoint, payload }, net.now)).toEqual([]);
    expect(a.meter.get("handshake.drop.mac")).toBe(4);
  });

  test("gives an index only when no session and no other exchange has it", async () => {
    const net = new Net(native, seededRandom("indices"));
    const taken = new Set<number>();
    const words: number[] = [];
    const base = seededRandom("indices of a");
    const random = (n: number): Uint8Array => {
      if (n !== 4) return base(n);
      const out = Buffer.alloc(4);
      out.writeUInt32LE((words.shift() ?? 99) - 1);
      return new Uint8Array(out);
    };
    const a = await net.add("a", { random, isFree: (index) => !taken.has(index) });
    const b = await net.add("b");
    net.introduce(a, b);
    const indexOf = async (...drawn: number[]): Promise<number> => {
      words.push(...drawn);
      const [first] = sends(await a.machine.connect(b.member, b.endpoint, net.now));
      return Buffer.from(first as Uint8Array).readUInt32LE(32);
    };
    taken.add(7).add(8);
    expect([await indexOf(7, 8, 9), await indexOf(9, 10), await indexOf(11)]).toEqual([9, 10, 11]);
  });
});

describe("an exchange", () => {
  test("that is confirmed ends, and others with it do not", async () => {
    const { net, parties } = await party("confirmed", ["a", "b", "c"]);
    const [a, b, c] = parties as [Party, Party, Party];
    net.wire = (p) => (p.payload[0] === 5 ? [] : [p]); // nobody's confirmation arrives
    for (const to of [b, c]) net.perform(a, await a.machine.connect(to.member, to.endpoint, net.now));
    await net.run(500);
    expect(a.machine.load.initiators).toBe(2);
    a.machine.confirmed(a.sessions.find((s) => s.peer.name === "b")?.data.localIndex as number);
    expect(a.machine.load.initiators).toBe(1);
    const before = net.sent.filter((p) => p.to === c.endpoint).length;
    await net.run(1000);
    expect(net.sent.filter((p) => p.to === c.endpoint).length).toBeGreaterThan(before);
  });

  test("with a node that is forgotten ends, and others do not", async () => {
    const { net, parties } = await party("forgotten", ["a", "b", "c"]);
    const [a, b, c] = parties as [Party, Party, Party];
    for (const to of [b, c]) net.perform(a, await a.machine.connect(to.member, to.endpoint, net.now));
    a.machine.forget(b.keys.id);
    expect(a.machine.load.initiators).toBe(1);
    await net.run(1000);
    expect(a.sessions.map((s) => s.peer.name)).toEqual(["c"]);
  });

  test("with a node that there is a session with by now ends, but for the one that made it; others do not", async () => {
    const { net, parties } = await party("settled", ["a", "b", "c"]);
    const [a, b, c] = parties as [Party, Party, Party];
    net.wire = () => [];
    for (const to of [b, c, b]) net.perform(a, await a.machine.connect(to.member, to.endpoint, net.now));
    expect([b, c].map((to) => a.machine.isCalling(to.keys.id, to.endpoint))).toEqual([true, true]);
    expect(a.machine.isCalling(b.keys.id, c.endpoint)).toBe(false);
    a.machine.settled(b.keys.id, 0);
    expect([b, c].map((to) => a.machine.isCalling(to.keys.id, to.endpoint))).toEqual([false, true]);
    net.wire = (p) => (isMessage(p, MESSAGE.k3) ? [] : [p]);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(500);
    const made = a.sessions.find((s) => s.peer.name === "b")?.data.localIndex as number;
    a.machine.settled(b.keys.id, made);
    expect(a.machine.isCalling(b.keys.id, b.endpoint)).toBe(true);
    net.wire = (p) => [p];
    await net.run(1000);
    expect(b.sessions.map((s) => s.peer.name)).toEqual(["a"]);
  });

  test("that crosses another of the same two makes the session for both, when its caller has the lower id", async () => {
    const { net, low, high } = await crossing("crossed");
    for (let ms = 0; ms < 100 && (low.sessions.length === 0 || high.sessions.length === 0); ms++) await net.run(1);
    for (const p of [low, high]) for (const { peer, data } of p.sessions) p.machine.settled(peer.id, data.localIndex);
    await net.run(3000);
    expect([low, high].map((p) => p.sessions.map((s) => s.role))).toEqual([["initiator"], ["responder"]]);
    expect([low, high].map((p) => p.meter.get("handshake.crossed") > 0)).toEqual([true, false]);
  });

  test("that crosses another makes the session where that does not get through, after a second", async () => {
    const { net, low, high } = await crossing("crossed, one way");
    net.wire = (p) => (p.from === low.endpoint && isMessage(p, MESSAGE.k1) ? [] : [p]);
    await net.run(900);
    expect([low, high].flatMap((p) => p.sessions)).toEqual([]);
    await net.run(3000);
    expect([low, high].map((p) => p.sessions.map((s) => s.role))).toEqual([["responder"], ["initiator"]]);
  });

  test("that is called elsewhere by who calls it does not go before that", async () => {
    const { net, parties } = await party("crossed elsewhere", ["a", "b"]);
    const [low, high] = byId(parties);
    const nowhere = { address: "10.0.0.99", port: 1 };
    net.perform(low, await low.machine.connect(high.member, nowhere, net.now));
    net.perform(high, await high.machine.connect(low.member, low.endpoint, net.now));
    await net.run(500);
    expect(low.sessions.map((s) => s.role)).toEqual(["responder"]);
  });

  test("that is answered says so for two seconds, of who began it alone", async () => {
    const { net, parties } = await party("answering", ["a", "b", "c"]);
    const [a, b, c] = parties as [Party, Party, Party];
    net.wire = (p) => (isMessage(p, MESSAGE.k2) ? [] : [p]);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(100);
    const answering = (): boolean[] => [a, c].map((p) => b.machine.isAnswering(p.keys.id, net.now));
    expect(answering()).toEqual([true, false]);
    await net.run(2000);
    expect(answering()).toEqual([false, false]);
  });

  test("that has made its session is answered no more", async () => {
    const { net, a, b } = await pair("answered");
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(500);
    expect([b.sessions.length, b.machine.isAnswering(a.keys.id, net.now)]).toEqual([1, false]);
  });

  test("that a forgotten member began is not answered any more, and others are", async () => {
    const { net, parties } = await party("forgotten caller", ["a", "b", "c"]);
    const [a, b, c] = parties as [Party, Party, Party];
    net.wire = (p) => (isMessage(p, MESSAGE.f4) ? [] : [p]);
    for (const from of [a, c]) net.perform(from, await from.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(150);
    expect(b.machine.load.responder).toBe(2);
    b.machine.forget(a.keys.id);
    expect(b.machine.load.responder).toBe(1);
    net.sent.length = 0;
    await net.run(1000);
    const answered = net.sent.filter((p) => isMessage(p, MESSAGE.f4)).map((p) => p.to.address);
    expect([answered.length > 0, answered.includes(a.endpoint.address)]).toEqual([true, false]);
  });

  test("whose F4 was answered by a sealed frame repeats it no more, though no acknowledgement came; others do", async () => {
    const { net, parties } = await party("no acknowledgement", ["a", "b", "c"]);
    const [a, b, c] = parties as [Party, Party, Party];
    net.wire = (p) => {
      if (p.payload[0] === 2 && p.payload[2] === MESSAGE.f4) return [];
      return p.from === c.endpoint && p.payload[0] === 5 ? [] : [p];
    };
    for (const from of [a, c]) net.perform(from, await from.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(200);
    expect(b.sessions).toHaveLength(2);
    expect(b.machine.load.responder).toBe(1);
    net.sent.length = 0;
    await net.run(1000);
    const repeated = new Set(net.sent.filter((p) => isMessage(p, MESSAGE.f4)).map((p) => p.to.address));
    expect([...repeated]).toEqual([c.endpoint.address]);
  });

  test.each([
    ["K3", "k", MESSAGE.k2, MESSAGE.k3],
    ["F3", "f", MESSAGE.f2, MESSAGE.f3],
  ] as const)("sends %s again at once when the message before it comes again", async (_, pattern, before, after) => {
    const { net, a, b } = await pair(`again ${pattern}`);
    const heard: Packet[] = [];
    net.wire = (p) => {
      if (isMessage(p, before)) heard.push(p);
      return isMessage(p, after) ? [] : [p];
    };
    net.perform(
      a,
      await (pattern === "k"
        ? a.machine.connect(b.member, b.endpoint, net.now)
        : a.machine.contact(b.member.id, b.endpoint, net.now)),
    );
    await net.run(45);
    const [first] = heard;
    if (!first) throw new Error("not heard");
    const again = await a.machine.receive({ endpoint: b.endpoint, payload: first.payload }, net.now + 10);
    expect(sends(again).map((d) => d[2])).toContain(after);
    expect(await a.machine.receive({ endpoint: b.endpoint, payload: first.payload }, net.now + 11)).toEqual([]);
  });

  test.each([
    ["K2", "k", MESSAGE.k1, MESSAGE.k2],
    ["F2", "f", MESSAGE.f1, MESSAGE.f2],
  ] as const)(
    "sends %s again when the first message comes again, and for nobody else",
    async (_, pattern, first, reply) => {
      const { net, a, b } = await pair(`reply again ${pattern}`);
      const asked: Packet[] = [];
      net.wire = (p) => {
        if (isMessage(p, first) && p.payload.subarray(16, 24).some((x) => x !== 0)) asked.push(p);
        return isMessage(p, reply) ? [] : [p];
      };
      net.perform(
        a,
        await (pattern === "k"
          ? a.machine.connect(b.member, b.endpoint, net.now)
          : a.machine.contact(b.member.id, b.endpoint, net.now)),
      );
      await net.run(45);
      const payload = asked[0]?.payload as Uint8Array;
      const again = sends(await b.machine.receive({ endpoint: a.endpoint, payload }, net.now + 10));
      expect(again.map((d) => d[2])).toContain(reply);
      const { instance } = parseFragment(payload) as { instance: number };
      const other = payload.slice();
      new DataView(other.buffer).setUint16(6, instance ^ 1, true);
      const remade = setMac(firstMacKey(native, MESH_ID, b.keys.id), other);
      expect(sends(await b.machine.receive({ endpoint: a.endpoint, payload: remade }, net.now + 30))).toEqual([]);
    },
  );

  test("goes on though F2 was reported as whole", async () => {
    const { net, a, b } = await pair("whole F2");
    const seen: Packet[] = [];
    net.wire = (p) => {
      if (isMessage(p, MESSAGE.f2)) seen.push(p);
      return [p];
    };
    await call(net, "first contact", a, b);
    await net.run(35);
    const f = parseFragment(seen[0]?.payload as Uint8Array) as Fragment;
    const key = nonceMacKey(native, MESH_ID, b.keys.id, whole(net.sent, MESSAGE.f1).slice(1220));
    const payload = acknowledgement(f, 2 ** f.count - 1, key);
    expect(await b.machine.receive({ endpoint: a.endpoint, payload }, net.now)).toEqual([]);
    expect([b.machine.load.responder, b.meter.get("handshake.drop.mac")]).toEqual([1, 0]);
    await net.run(500);
    expect(b.sessions).toHaveLength(1);
  });

  test("sends F4 again when F3 comes again, and acknowledges it again when F4 does", async () => {
    const { net, a, b } = await pair("F4 again");
    const seen = new Map<number, Packet>();
    net.wire = (p) => {
      for (const message of [MESSAGE.f3, MESSAGE.f4]) if (isMessage(p, message)) seen.set(message, p);
      return p.payload[0] === 2 || p.payload[0] === 5 ? [] : [p];
    };
    net.perform(a, await a.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(100);
    const [f3, f4] = [seen.get(MESSAGE.f3)?.payload, seen.get(MESSAGE.f4)?.payload] as [Uint8Array, Uint8Array];
    const again = sends(await b.machine.receive({ endpoint: a.endpoint, payload: f3 }, net.now + 300));
    expect(again.map((d) => d[2])).toContain(MESSAGE.f4);
    const acknowledged = sends(await a.machine.receive({ endpoint: b.endpoint, payload: f4 }, net.now));
    expect(acknowledged.map((d) => [d[0], d[2]])).toEqual([[2, MESSAGE.f4]]);
    expect(a.sessions).toHaveLength(1);
  });
});

describe("a callee", () => {
  test.each(PATTERNS)("whose keys are malformed cannot be called: %s", async (pattern) => {
    for (const bad of [{ x25519: new Uint8Array(32) }, { mlKem768: new Uint8Array(1184).fill(0xff) }]) {
      const net = new Net(native, seededRandom(`malformed ${pattern}`));
      const a = await net.add("a");
      const keys = await generateKeys(native, net.random);
      const b = await net.add("b", { keys: { ...keys, public: { ...keys.public, ...bad } } });
      net.introduce(a, b);
      await call(net, pattern, a, b);
      await net.run(500);
      expect(a.failures.map((f) => [f.code, f.told])).toEqual([["handshake/peer-keys", false]]);
      expect([a.machine.load.initiators, a.sessions.length]).toEqual([0, 0]);
    }
  });

  test("that is silent is reported as such after ten seconds, and not when the keys were out", async () => {
    for (const pattern of PATTERNS) {
      const { net, a, b } = await pair(`silent ${pattern}`);
      net.wire = () => [];
      await call(net, pattern, a, b);
      await net.run(9999);
      expect(a.failures).toEqual([]);
      await net.run(1);
      expect(a.failures.map((f) => [f.code, f.told])).toEqual([["handshake/timeout", false]]);
    }
    for (const pattern of PATTERNS) {
      const { net, a, b } = await pair(`no confirmation ${pattern}`);
      net.wire = (p) => (isMessage(p, MESSAGE.k3) || p.payload[0] === 5 ? [] : [p]);
      await call(net, pattern, a, b);
      await net.run(12_000);
      expect([a.sessions.length, a.failures, a.machine.load.initiators]).toEqual([1, [], 0]);
    }
  });
});

describe("a caller", () => {
  test.each(PATTERNS)("whose keys are malformed is not answered: %s", async (pattern) => {
    for (const bad of [{ x25519: new Uint8Array(32) }, { mlKem768: new Uint8Array(1184).fill(0xff) }]) {
      const net = new Net(native, seededRandom(`malformed caller ${pattern}`));
      const keys = await generateKeys(native, net.random);
      const a = await net.add("a", { keys: { ...keys, public: { ...keys.public, ...bad } } });
      const b = await net.add("b");
      net.introduce(a, b);
      await call(net, pattern, a, b);
      await net.run(500);
      expect([a.sessions, b.sessions]).toEqual([[], []]);
      expect(b.meter.get("handshake.drop.authentication")).toBe(1);
    }
  });

  test("is not sent K2 or F2 again unless it asks", async () => {
    for (const pattern of PATTERNS) {
      const { net, a, b } = await pair(`unasked ${pattern}`);
      net.wire = (p) => (p.from === a.endpoint && net.now > 1025 ? [] : [p]);
      await call(net, pattern, a, b);
      await net.run(45);
      expect(b.machine.load.responder).toBe(1);
      for (const later of [60, 300, 5000]) expect(b.machine.tick(net.now + later)).toEqual([]);
    }
  });
});

describe("a message that did not authenticate", () => {
  test("is dropped, and its repeated fragments are neither reported nor computed again", async () => {
    const { net, a, b } = await pair("not authentic");
    net.wire = () => [];
    const key = firstMacKey(native, MESH_ID, b.keys.id);
    const begun = await a.machine.connect(b.member, b.endpoint, net.now);
    const elsewhere = sends(
      await b.machine.receive({ endpoint: a.endpoint, payload: sends(begun)[0] as Uint8Array }, net.now),
    );
    const cookie = CookieReply.decode(elsewhere[0] as Uint8Array)?.cookie as Uint8Array;
    const bodies = sends(begun).map((d) => d.slice(32));
    (bodies[1] as Uint8Array)[1191] = 0xff; // in the tag of what is sealed
    const whole = new Uint8Array([...(bodies[0] as Uint8Array), ...(bodies[1] as Uint8Array)]);
    const parts = sends(begun).map((d, n) => {
      const part = d.slice();
      part.set(bodies[n] as Uint8Array, 32);
      part.set(cookie, 16);
      new DataView(part.buffer).setUint16(6, instanceOf(native, whole), true);
      return setMac(key, part);
    });
    const feed = (n: number) => b.machine.receive({ endpoint: a.endpoint, payload: parts[n] as Uint8Array }, net.now);
    expect(sends(await feed(0))).toEqual([]);
    expect(await feed(1)).toEqual([]);
    expect(b.meter.get("handshake.drop.authentication")).toBe(1);
    for (const n of [1, 0, 1]) expect(await feed(n)).toEqual([]);
    expect(b.meter.get("handshake.drop.authentication")).toBe(1);
    expect(b.meter.get("handshake.drop.repeated")).toBe(3);
  });
});

describe("cookies that a caller keeps", () => {
  test("are of the last 1024 endpoints", async () => {
    const net = new Net(standIn, seededRandom("many endpoints"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    const key = firstMacKey(standIn, MESH_ID, b.keys.id);
    const endpoint = (n: number) => ({ address: "10.3.0.1", port: n });
    const begin = async (n: number): Promise<Uint8Array> =>
      sends(await a.machine.connect(b.member, endpoint(n), net.now))[0] as Uint8Array;
    const carries = (d: Uint8Array): boolean => d.subarray(16, 24).some((x) => x !== 0);
    for (let n = 1; n <= 1025; n++) {
      const exchange = (await begin(n)).slice(8, 16);
      const cookie = sipHash24(new Uint8Array(16), exchange);
      const reply = CookieReply.encode({ type: 3, version: 1, exchange, cookie, mac: new Uint8Array(8) });
      await a.machine.receive({ endpoint: endpoint(n), payload: setMac(key, reply) }, net.now);
      a.machine.forget(b.keys.id);
      if (n === 2) expect([carries(await begin(1)), carries(await begin(2))]).toEqual([true, true]);
      a.machine.forget(b.keys.id);
    }
    const kept = [1, 2, 1025].map(async (n) => carries(await begin(n)));
    expect(await Promise.all(kept)).toEqual([false, true, true]);
  });
});
