/** What others can make a gateway send, compute or remember, and what they are told. */
import { describe, expect, test } from "bun:test";
import { toHex } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { MESSAGE } from "../../../runtime/mesh/handshake/message.ts";
import type { Admission, HandshakeAction } from "../../../runtime/mesh/handshake/ports.ts";
import { isHandshake, isMessage, MESH_ID, Net, type Packet, type Party } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";
import { standIn } from "../../help/stand-in-provider.ts";

const SECRET = new Uint8Array(16).fill(9);
const INVITE = new Uint8Array(8).fill(3);
const WRONG = new Uint8Array(16);
const accepting = (chain: () => Uint8Array): Admission => ({
  secretOf: (id) => (toHex(id) === toHex(INVITE) ? SECRET : undefined),
  admit: async () => ({ accepted: true, chain: chain() }),
});
const join = (b: Party, secret = SECRET, inviteId = INVITE) => ({
  meshId: MESH_ID,
  issuerId: b.keys.id,
  inviteId,
  secret,
});
const answered = (net: Net, message: number): number => net.sent.filter((p) => isMessage(p, message)).length;

describe("a source that has not proven itself", () => {
  const victim = { address: "203.0.113.7", port: 4000 };
  const bytesTo = (actions: readonly HandshakeAction[]): number =>
    actions.reduce(
      (sum, x) =>
        sum + (x.type === "send" && x.datagram.endpoint.address === victim.address ? x.datagram.payload.length : 0),
      0,
    );

  test.each(["known", "unknown", "contact", "join", "refused"] as const)(
    "never gets more bytes than it sent, by no datagram of any message at any moment: %s",
    async (kind) => {
      const net = new Net(native, seededRandom(`amplification ${kind}`), { genesis: 2020, chain: 6700 });
      let joiner: Uint8Array = new Uint8Array(32);
      const a = await net.add("a", { member: kind !== "join" });
      const b = await net.add("b", { admission: accepting(() => joiner) });
      joiner = a.keys.id;
      if (kind === "known") net.introduce(a, b);
      if (kind === "refused") b.ended.set(toHex(a.keys.id), "revoked");
      const probes: Packet[] = [];
      net.wire = (p) => {
        probes.push(p);
        // A copy from the victim's address comes first, and the true one is sometimes lost: every step is probed twice.
        return probes.length % 3 === 0 ? [{ ...p, from: victim }] : [{ ...p, from: victim }, p, { ...p, from: victim }];
      };
      const begin = {
        known: "connect",
        unknown: "connect",
        contact: "contact",
        join: "join",
        refused: "contact",
      } as const;
      const actions =
        begin[kind] === "connect"
          ? a.machine.connect(b.member, b.endpoint, net.now)
          : begin[kind] === "contact"
            ? a.machine.contact(b.member.id, b.endpoint, net.now)
            : a.machine.join(join(b), "a", b.endpoint, net.now);
      net.perform(a, await actions);
      await net.run(3000);
      expect(a.sessions.length + a.failures.length).toBe(1);
      // What was sent to the victim in all that time, against what came in its name.
      const sent = probes.filter((p) => p.to.address === victim.address);
      expect(sent.filter((p) => !isHandshake(p))).toEqual([]);
      for (const p of sent) expect(p.payload.length).toBe(32);
      // And one by one, on machines in the state after all of it and on fresh ones.
      const fresh = await new Net(native, seededRandom(`fresh ${kind}`)).add("fresh", { keys: b.keys });
      for (const { to, payload } of probes.filter(isHandshake))
        for (const machine of [to.address === b.endpoint.address ? b.machine : a.machine, fresh.machine]) {
          const out = await machine.receive({ endpoint: victim, payload: payload.slice() }, net.now);
          expect(bytesTo(out)).toBeLessThanOrEqual(payload.length);
        }
    },
  );

  test("gets a cookie for F1 though it has a session, and K2 for K1, which is no larger", async () => {
    const net = new Net(native, seededRandom("session proves"), { genesis: 2020, chain: 6700 });
    const a = await net.add("a");
    const b = await net.add("b", { isProven: () => true });
    net.introduce(a, b);
    net.wire = () => [];
    for (const pattern of ["k", "f"] as const) {
      const begun =
        pattern === "k"
          ? await a.machine.connect(b.member, b.endpoint, net.now)
          : await a.machine.contact(b.member.id, b.endpoint, net.now);
      let [asked, got] = [0, 0];
      for (const x of begun) {
        if (x.type !== "send") continue;
        asked += x.datagram.payload.length;
        const out = await b.machine.receive({ endpoint: victim, payload: x.datagram.payload }, net.now);
        got += bytesTo(out);
        const types = out.map((o) => (o.type === "send" ? o.datagram.payload[0] : 0));
        if (pattern === "f") expect(types).toEqual([3]);
      }
      if (pattern === "k") expect(got).toBeGreaterThan(2000);
      expect(got).toBeLessThanOrEqual(asked);
    }
  });

  test("does not get more reports of the holes in a message than fragments it sent", async () => {
    const net = new Net(native, seededRandom("reports"));
    const [a, b] = [await net.add("a"), await net.add("b", { isProven: () => true })];
    net.introduce(a, b);
    const [, second] = await a.machine.connect(b.member, b.endpoint, net.now);
    if (second?.type !== "send") throw new Error("no K1");
    for (let i = 0; i < 20; i++) {
      const out = await b.machine.receive({ endpoint: victim, payload: second.datagram.payload.slice() }, net.now);
      expect([out.length, bytesTo(out)]).toEqual([1, 32]);
    }
  });
});

describe("a flood", () => {
  test("from one network crowds out nobody else, and its state stays bounded", async () => {
    const net = new Net(standIn, seededRandom("fair"));
    const b = await net.add("b");
    const honest = await Promise.all([1, 2, 3].map((n) => net.add(`honest ${n}`, { address: `10.1.0.${n}` })));
    const flooders: Party[] = [];
    for (let n = 0; n < 5; n++) flooders.push(await net.add(`flooder ${n}`, { address: `2001:db8::${n + 1}` }));
    net.wire = (p) => (isMessage(p, MESSAGE.f2) && p.to.address.startsWith("2001") ? [] : [p]); // they only ask
    const flood = async (each: number): Promise<void> => {
      for (const f of flooders)
        for (let i = 0; i < each; i++) net.perform(f, await f.machine.contact(b.member.id, b.endpoint, net.now));
    };
    await flood(1); // for a cookie
    await net.run(50);
    for (const h of honest) net.perform(h, await h.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(29); // the honest exchanges are opened with the next datagrams, and 140 others right after them
    await flood(28);
    await net.run(12);
    expect(b.machine.load.responder).toBe(128);
    expect(b.machine.load.reassembly).toBeLessThanOrEqual(256);
    await net.run(100);
    expect(honest.map((h) => h.sessions.length)).toEqual([1, 1, 1]);
  });

  test("leaves nothing behind after ten seconds", async () => {
    const net = new Net(standIn, seededRandom("aging"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    net.wire = (p) => (p.payload[0] === 1 && p.payload[3] === 1 ? [] : [p]); // second fragments are lost
    for (let i = 0; i < 20; i++) net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(200);
    expect(b.machine.load.reassembly).toBe(20);
    await net.run(20_000);
    b.machine.tick(net.now);
    expect(b.machine.load).toEqual({ reassembly: 0, initiators: 0, responder: 0 });
    expect(a.machine.load.initiators).toBe(0);
  });
});

describe("a source", () => {
  test("pays once for a wrong secret, however often its message is repeated", async () => {
    const net = new Net(native, seededRandom("once"));
    let chain: Uint8Array = new Uint8Array(32);
    const b = await net.add("b", { admission: accepting(() => chain) });
    const a = await net.add("a", { member: false });
    chain = a.keys.id;
    for (let i = 1; i <= 4; i++) {
      net.perform(a, await a.machine.join(join(b, WRONG), "a", b.endpoint, net.now));
      await net.run(900); // many repetitions; no token has come back yet
      expect([b.meter.get("handshake.drop.secret"), b.machine.load.responder]).toEqual([i, 0]);
    }
    expect(answered(net, MESSAGE.f3)).toBeGreaterThan(16);
    net.perform(a, await a.machine.join(join(b), "a", b.endpoint, net.now));
    await net.run(500);
    expect(a.sessions).toHaveLength(1);
    expect(b.meter.get("handshake.drop.slowed")).toBe(0);
  });

  test.each([
    ["a wrong secret", WRONG, INVITE],
    ["an unknown invite", SECRET, new Uint8Array(8)],
  ] as const)("without a token left is not read: %s", async (_, secret, inviteId) => {
    const net = new Net(native, seededRandom("slowed"));
    let chain: Uint8Array = new Uint8Array(32);
    const b = await net.add("b", { admission: accepting(() => chain) });
    const a = await net.add("a", { member: false });
    chain = a.keys.id;
    for (let i = 0; i < 5; i++)
      net.perform(a, await a.machine.join(join(b, secret, inviteId), "a", b.endpoint, net.now));
    await net.run(500);
    expect(b.meter.get("handshake.drop.secret")).toBe(5);
    net.perform(a, await a.machine.join(join(b), "a", b.endpoint, net.now));
    await net.run(500);
    expect([a.sessions.length, b.meter.get("handshake.drop.slowed") > 0]).toEqual([0, true]);
    await net.run(2000); // one token comes back, and the exchange is still going on
    expect(a.sessions).toHaveLength(1);
  });

  test("is not charged for what others send in its name", async () => {
    const net = new Net(native, seededRandom("borrowed"));
    let chain: Uint8Array = new Uint8Array(32);
    const b = await net.add("b", { admission: accepting(() => chain) });
    const victim = await net.add("victim", { member: false });
    const guesser = await net.add("guesser", { member: false });
    chain = victim.keys.id;
    net.wire = (p) =>
      p.from === guesser.endpoint && isMessage(p, MESSAGE.f3) ? [{ ...p, from: victim.endpoint }] : [p];
    for (let i = 0; i < 12; i++)
      net.perform(guesser, await guesser.machine.join(join(b, WRONG), "x", b.endpoint, net.now));
    await net.run(1000);
    expect(b.meter.get("handshake.drop.secret")).toBe(0);
    net.perform(victim, await victim.machine.join(join(b), "victim", b.endpoint, net.now));
    await net.run(500);
    expect(victim.sessions).toHaveLength(1);
  });

  test("cannot report in the name of another: what was sent is not sent again for it", async () => {
    const net = new Net(native, seededRandom("reports of others"), { genesis: 2020, chain: 6700 });
    const [a, b] = [await net.add("a"), await net.add("b")];
    const reports: Packet[] = [];
    net.wire = (p) => {
      if (p.payload[0] !== 2 || p.payload[2] !== MESSAGE.f2) return [p];
      reports.push(p);
      return [];
    };
    net.perform(a, await a.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(45);
    expect(reports.length).toBeGreaterThan(0);
    const elsewhere = { ...a.endpoint, port: 1 };
    for (const { payload } of reports)
      expect(await b.machine.receive({ endpoint: elsewhere, payload }, net.now + 20)).toEqual([]);
    expect(b.meter.get("handshake.drop.mac")).toBeGreaterThanOrEqual(reports.length);
  });

  test("makes others verify no more chains than it has tokens", async () => {
    const net = new Net(native, seededRandom("verify"));
    const b = await net.add("b");
    const stranger = await net.add("stranger", { shows: new Uint8Array(32).fill(5) });
    const start = net.now;
    for (let i = 0; i < 40; i++) {
      net.perform(stranger, await stranger.machine.contact(b.member.id, b.endpoint, net.now));
      await net.run(100);
    }
    const allowed = 5 + (net.now - start) / 2000;
    expect(b.meter.get("handshake.drop.chain")).toBeGreaterThanOrEqual(5);
    expect(b.meter.get("handshake.drop.chain")).toBeLessThanOrEqual(allowed);
    expect(answered(net, MESSAGE.f4)).toBe(0);
  });

  test("that shows another's chain without its keys spends nothing of the other's", async () => {
    const net = new Net(native, seededRandom("spend another's"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    for (let n = 0; n < 8; n++) {
      const thief = await net.add(`thief ${n}`, { shows: a.keys.id });
      net.perform(thief, await thief.machine.contact(b.member.id, b.endpoint, net.now));
    }
    await net.run(300);
    expect(b.meter.get("handshake.drop.signature")).toBe(8);
    net.perform(a, await a.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(300);
    expect(a.sessions).toHaveLength(1);
  });
});

describe("a member", () => {
  test("has five first contacts at once and one more every two seconds, wherever it calls from", async () => {
    const net = new Net(native, seededRandom("contacts"));
    const b = await net.add("b");
    const a = await net.add("a");
    for (let n = 0; n < 12; n++) {
      const at = await net.add(`a at ${n}`, { keys: a.keys });
      net.perform(at, await at.machine.contact(b.member.id, b.endpoint, net.now));
    }
    await net.run(1000);
    expect(b.sessions).toHaveLength(5);
    expect(b.meter.get("handshake.drop.too-often")).toBe(7);
    await net.run(1500);
    const again = await net.add("a once more", { keys: a.keys });
    net.perform(again, await again.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(300);
    expect(b.sessions).toHaveLength(6);
  });

  test.each([
    ["revoked", "member/revoked"],
    ["expired", "member/expired"],
  ] as const)("is told that it was %s once it has signed, also when it calls as a known peer", async (ended, code) => {
    for (const pattern of ["k", "f"] as const) {
      const net = new Net(native, seededRandom(`told ${ended} ${pattern}`));
      const [a, b] = [await net.add("a"), await net.add("b")];
      net.introduce(a, b);
      b.known.clear();
      b.ended.set(toHex(a.keys.id), ended);
      const start =
        pattern === "k"
          ? a.machine.connect(b.member, b.endpoint, net.now)
          : a.machine.contact(b.member.id, b.endpoint, net.now);
      net.perform(a, await start);
      await net.run(200);
      expect(a.failures.map((f) => [f.code, f.told, toHex(f.peer)])).toEqual([[code, true, toHex(b.keys.id)]]);
      await net.run(12_000);
      expect([a.sessions.length, b.sessions.length, a.failures.length]).toEqual([0, 0, 1]);
      expect([a.machine.load.initiators, b.machine.load.responder]).toEqual([0, 0]);
    }
  });

  test("that does not fit into the roster is told so", async () => {
    const net = new Net(native, seededRandom("roster full"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    b.full = true;
    net.perform(a, await a.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(200);
    expect(a.failures.map((f) => f.code)).toEqual(["member/not-admitted"]);
  });
});

describe("a stranger", () => {
  test.each(["ed25519", "mlDsa65"] as const)(
    "with a revoked member's chain hears nothing: it lacks the member's %s key",
    async (half) => {
      const net = new Net(native, seededRandom(`stranger ${half}`));
      const [a, b] = [await net.add("a"), await net.add("b")];
      const own = await net.add("own");
      const secrets = { ...a.keys.secrets, [half]: own.keys.secrets[half] };
      const stranger = await net.add("stranger", { keys: { ...a.keys, secrets } });
      b.ended.set(toHex(a.keys.id), "revoked");
      net.perform(stranger, await stranger.machine.contact(b.member.id, b.endpoint, net.now));
      await net.run(12_000);
      expect(stranger.failures.map((f) => [f.code, f.told])).toEqual([["handshake/timeout", false]]);
      expect(answered(net, MESSAGE.f4)).toBe(0);
    },
  );

  test("and a member whom its callee does not know differ on the wire by nothing before F3", async () => {
    const seen: string[][] = [];
    for (const ended of [undefined, "revoked", "expired"] as const) {
      const net = new Net(native, seededRandom("no oracle"));
      const [a, b] = [await net.add("a"), await net.add("b")];
      a.known.set(toHex(b.member.certificateHash), b.member);
      if (ended) b.ended.set(toHex(a.keys.id), ended);
      net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
      await net.run(500);
      const upTo = net.sent.findIndex((p) => isMessage(p, MESSAGE.f3));
      seen.push(net.sent.slice(0, upTo).map((p) => `${p.payload.subarray(0, 5).join(" ")} ${p.payload.length}`));
    }
    expect(seen[1]).toEqual(seen[0] as string[]);
    expect(seen[2]).toEqual(seen[0] as string[]);
  });
});

describe("a caller whose certificate is not known", () => {
  test("makes first contact at once, in a new exchange, and then has its session", async () => {
    const net = new Net(native, seededRandom("unknown here"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    a.known.set(toHex(b.member.certificateHash), b.member);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(150);
    expect(a.sessions.map((s) => [s.pattern, s.peer.name])).toEqual([["first-contact", "b"]]);
    expect(new Set(net.sent.filter(isHandshake).map((p) => toHex(p.payload.subarray(8, 16)))).size).toBe(2);
    expect([b.meter.get("handshake.unknown-certificate"), a.meter.get("handshake.unknown-here")]).toEqual([1, 1]);
    expect(b.machine.load.responder).toBe(0);
  });

  test("is told again when that was lost", async () => {
    const net = new Net(native, seededRandom("unknown lost"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    a.known.set(toHex(b.member.certificateHash), b.member);
    let lost = 0;
    net.wire = (p) => (isMessage(p, MESSAGE.unknown) && lost++ < 3 ? [] : [p]);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(2000);
    expect(a.sessions).toHaveLength(1);
  });

  test("believes nobody else: a changed or foreign `unknown` is dropped", async () => {
    const net = new Net(native, seededRandom("unknown forged"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    let forged = 0;
    net.wire = (p) => {
      if (!isMessage(p, MESSAGE.k2)) return [p];
      forged++;
      const fake = new Uint8Array(48);
      fake.set(p.payload.subarray(0, 32));
      fake.set([4, 0, 1], 2);
      return [{ ...p, payload: fake }, p];
    };
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(2000);
    expect(forged).toBeGreaterThan(0);
    expect(a.sessions.map((s) => s.pattern)).toEqual(["known-peer"]);
  });
});

describe("an initiator", () => {
  test("sends its first message again for three cookies of an exchange and no more", async () => {
    const net = new Net(native, seededRandom("cookies"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    net.wire = (p) => (p.payload[0] === 3 ? [] : [p]);
    const begun = await a.machine.connect(b.member, b.endpoint, net.now);
    const [first] = begun;
    if (first?.type !== "send") throw new Error("no K1");
    const resent: number[] = [];
    for (let i = 0; i < 6; i++) {
      const other = { address: `10.9.0.${i}`, port: 1 };
      const [cookie] = await b.machine.receive({ endpoint: other, payload: first.datagram.payload }, net.now);
      if (cookie?.type !== "send") throw new Error("no cookie");
      const again = { endpoint: b.endpoint, payload: cookie.datagram.payload };
      resent.push((await a.machine.receive(again, net.now)).length);
      expect(await a.machine.receive(again, net.now)).toEqual([]); // the same once more
    }
    expect(resent).toEqual([2, 2, 2, 0, 0, 0]);
  });

  test("begins with the cookie it was given for an endpoint, for 100 seconds", async () => {
    const net = new Net(native, seededRandom("cookie kept"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    const demanded: number[] = [];
    for (const wait of [1000, 99_500, 3000]) {
      net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
      await net.run(wait);
      demanded.push(b.meter.get("handshake.cookie.demanded"));
    }
    expect(demanded).toEqual([2, 2, 4]);
    expect(a.sessions).toHaveLength(3);
  });

  test("reads one F2 of an exchange: a wrong gateway ends it", async () => {
    const net = new Net(native, seededRandom("one F2"));
    const a = await net.add("a");
    const called = await net.add("called");
    const impostor = await net.add("impostor", { posesAs: called.keys.id });
    let answers = 0;
    net.wire = (p) => {
      if (isMessage(p, MESSAGE.f2)) answers++;
      return [p, p];
    };
    net.perform(a, await a.machine.contact(called.keys.id, impostor.endpoint, net.now));
    await net.run(3000);
    expect(answers).toBeGreaterThan(0);
    expect(a.failures.map((f) => [f.code, f.told])).toEqual([["handshake/wrong-gateway", false]]);
    expect(a.machine.load.initiators).toBe(0);
    expect(answered(net, MESSAGE.f3)).toBe(0);
  });
});
