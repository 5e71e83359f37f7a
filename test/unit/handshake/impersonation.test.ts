/** An attacker that holds keys, certificates or messages of others: who it can be taken for. Nobody but itself. */
import { describe, expect, test } from "bun:test";
import { equal, toHex } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { generateKeys, type NodeKeys } from "../../../runtime/identity/keys.ts";
import { nodeId } from "../../../runtime/identity/node-id.ts";
import {
  consumeFirstReply,
  consumePurpose,
  createFirstHello,
  createFirstReply,
  createIdentity,
} from "../../../runtime/mesh/handshake/first-contact.ts";
import { instanceOf } from "../../../runtime/mesh/handshake/fragment.ts";
import { consumeHello, createHello } from "../../../runtime/mesh/handshake/known-peer.ts";
import { firstMacKey, setMac } from "../../../runtime/mesh/handshake/mac.ts";
import { MESSAGE } from "../../../runtime/mesh/handshake/message.ts";
import { ControlSession } from "../../../runtime/mesh/session/control.ts";
import { call, isMessage, MESH_ID, Net, PATTERNS, type Packet, type Party } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";
import { DataModel } from "../../sim/data-model.ts";

const peers = (p: Party): string[] => p.sessions.map((s) => s.peer.name);

describe("a thief of all static keys", () => {
  const CASES = PATTERNS.flatMap((pattern) => [
    [pattern, "calls", "victim"] as const,
    [pattern, "is called by", "victim"] as const,
    [pattern, "calls", "nobody"] as const,
    [pattern, "is called by", "nobody"] as const,
  ]);

  test.each(CASES)(
    "cannot pose as another to its victim: %s, the thief %s the victim; keys taken from: %s",
    async (pattern, how, robbed) => {
      const net = new Net(native, seededRandom(`impersonation ${pattern} ${how}`));
      const victim = await net.add("victim");
      const member = await net.add("member");
      const secrets = robbed === "victim" ? victim.keys.secrets : member.keys.secrets; // the second: that it could work
      const thief = await net.add("thief", { keys: { ...member.keys, secrets } });
      net.introduce(victim, member);
      thief.known.set(toHex(victim.member.certificateHash), victim.member);
      await (how === "calls" ? call(net, pattern, thief, victim) : call(net, pattern, victim, member, thief.endpoint));
      await net.run(12_000);
      const taken = robbed === "victim" ? [] : ["member"];
      expect(peers(victim)).toEqual(taken);
      expect(peers(thief)).toEqual(taken.length > 0 ? ["victim"] : []);
    },
  );
});

describe("both ends", () => {
  test.each(PATTERNS)("agree on who they talk to, while a member stands in the middle: %s", async (pattern) => {
    const net = new Net(native, seededRandom(`middle ${pattern}`));
    const [a, b, middle] = [await net.add("a"), await net.add("b"), await net.add("middle")];
    net.introduce(a, b, middle);
    // It answers what it can itself, and passes everything on both ways.
    net.wire = (p) => [p, { ...p, to: middle.endpoint }, { ...p, from: middle.endpoint }];
    await call(net, pattern, a, b);
    await net.run(5000);
    expect([peers(a), peers(b), peers(middle)]).toEqual([["b"], ["a"], []]);
    expect(equal(a.sessions[0]?.data.sendKey as Uint8Array, b.sessions[0]?.data.receiveKey as Uint8Array)).toBe(true);
  });

  test("agree on who they talk to, when a caller shows another's chain", async () => {
    const net = new Net(native, seededRandom("another's chain"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    const swapper = await net.add("swapper", { shows: a.keys.id });
    await call(net, "first contact", swapper, b);
    await net.run(12_000);
    expect([peers(b), peers(swapper)]).toEqual([[], []]);
    expect(b.meter.get("handshake.drop.signature")).toBe(1);
  });

  test("agree on who they talk to, when a callee shows another's chain", async () => {
    const net = new Net(native, seededRandom("another's chain, called"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    const swapper = await net.add("swapper", { shows: b.keys.id, posesAs: b.keys.id });
    await call(net, "first contact", a, b, swapper.endpoint);
    await net.run(12_000);
    expect([peers(a), peers(swapper)]).toEqual([[], []]);
  });

  describe("when an attacker had the victim's KEM keys certified as its own", () => {
    /** Its signing keys, the victim's keys for agreement: a certificate can say so, an id follows. */
    async function hybrid(): Promise<{ victim: NodeKeys; forged: NodeKeys }> {
      const random = seededRandom("certified for somebody else");
      const [victim, attacker] = [await generateKeys(native, random), await generateKeys(native, random)];
      const { x25519, mlKem768 } = victim.public;
      const keys = { ...attacker.public, x25519, mlKem768 };
      return { victim, forged: { secrets: attacker.secrets, public: keys, id: nodeId(native, keys) } };
    }
    const random = seededRandom("victim");
    const exchange = new Uint8Array(8).fill(1);
    const rates = { aes256Gcm: 1000, chacha20Poly1305: 500 };

    test("agree on who they talk to: K1 for the attacker does not open at the victim", async () => {
      const { victim, forged } = await hybrid();
      const self = { certificateHash: new Uint8Array(32), rates, index: 1 };
      const opens = async (id: Uint8Array): Promise<boolean> => {
        const hello = await createHello(native, random, self, { meshId: MESH_ID, id, keys: forged.public }, exchange);
        const at = { meshId: MESH_ID, keys: victim };
        return (await consumeHello(native, at, hello?.payload as Uint8Array, exchange)) !== undefined;
      };
      expect([await opens(victim.id), await opens(forged.id)]).toEqual([true, false]);
    });

    test("agree on who they talk to: F3 for the attacker does not open at the victim", async () => {
      const { victim, forged } = await hybrid();
      const caller = { keys: await generateKeys(native, random), rates };
      const opens = async (id: Uint8Array): Promise<boolean> => {
        const hello = await createFirstHello(native, random, 1, { meshId: MESH_ID, id }, exchange);
        const self = { meshId: MESH_ID, id, genesis: Uint8Array.of(1), chain: Uint8Array.of(2) };
        const asked = await createFirstReply(native, random, self, hello.payload, exchange);
        // The attacker passes F1 on to the victim, whose own F2 it cannot open; so it lets the caller see its own.
        const atVictim = await createFirstReply(native, random, { ...self, id: victim.id }, hello.payload, exchange);
        const shown = asked && (await consumeFirstReply(native, hello, asked.payload));
        if (!asked || !shown || !atVictim) throw new Error("no reply");
        const who = { purpose: "member", chain: Uint8Array.of(3) } as const;
        const f3 = await createIdentity(native, random, caller, who, forged.public, shown.state, hello.ephemeral);
        const state = equal(id, victim.id) ? asked : atVictim;
        return (await consumePurpose(native, victim, state, f3 as Uint8Array)) !== undefined;
      };
      expect([await opens(victim.id), await opens(forged.id)]).toEqual([true, false]);
    });
  });
});

describe("messages", () => {
  test.each(PATTERNS)("sent back to their sender give nobody a session with itself: %s", async (pattern) => {
    const net = new Net(native, seededRandom(`reflection ${pattern}`));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    for (const p of [a, b]) p.known.set(toHex(p.member.certificateHash), p.member); // a roster holds its own chain too
    const reflected = (p: Packet): Packet => ({ from: p.to, to: p.from, payload: p.payload });
    net.wire = (p) => [reflected(p)];
    await call(net, pattern, a, b);
    await net.run(12_000);
    expect([peers(a), peers(b)]).toEqual([[], []]);
    net.wire = (p) => [reflected(p), p, reflected(p)];
    await call(net, pattern, a, b);
    await net.run(5000);
    expect([peers(a), peers(b)]).toEqual([["b"], ["a"]]);
  });

  test("sent back to their sender do not open, data and control frames alike, even under one index at both ends", async () => {
    const net = new Net(native, seededRandom("reflected frames"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    await call(net, "known peer", a, b);
    await net.run(2000);
    const ends = [a, b].map((p) => {
      const session = p.sessions[0];
      if (!session) throw new Error("no session");
      const established = { ...session, data: { ...session.data, localIndex: 7, remoteIndex: 7 } };
      const model = new DataModel(native);
      model.apply({ type: "installSession", peer: "x", session: established.data, endpoint: p.endpoint });
      model.apply({ type: "useSession", peer: "x", localIndex: 7 });
      return {
        control: new ControlSession(native, established, 0, { rejectAfter: 1000, rejectUnused: 1000 }),
        data: model,
      };
    });
    const [mine, theirs] = ends as [(typeof ends)[0], (typeof ends)[0]];
    const frame = mine.control.seal(Uint8Array.of(1), 0) as Uint8Array;
    expect(mine.control.open(frame, 0)).toEqual({ refused: "auth" });
    expect(theirs.control.open(frame, 0)).toHaveProperty("plaintext");
    const packet = { endpoint: a.endpoint, payload: mine.data.packets(64)[0]?.payload as Uint8Array };
    expect([mine, theirs].map((end) => end.data.receive(packet).opened)).toEqual([false, true]);
  });
});

describe("a biscuit", () => {
  test("of another exchange or another source gives no session, and the true K3 still does", async () => {
    const net = new Net(native, seededRandom("biscuit theft"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    const thief = { address: "203.0.113.9", port: 51_820 };
    const key = firstMacKey(native, MESH_ID, b.keys.id);
    const biscuits: Uint8Array[] = [];
    net.wire = (p) => {
      if (!isMessage(p, MESSAGE.k3)) return [p];
      const otherExchange = p.payload.slice();
      otherExchange.set(new Uint8Array(8).fill(9), 8);
      const earlier = biscuits.at(-1);
      biscuits.push(p.payload.slice(32, 32 + 141));
      const swapped = p.payload.slice();
      if (earlier) swapped.set(earlier, 32);
      new DataView(swapped.buffer).setUint16(6, instanceOf(native, swapped.subarray(32)), true);
      return [
        { ...p, from: thief },
        { ...p, payload: setMac(key, otherExchange) },
        { ...p, payload: setMac(key, swapped) },
        p,
      ];
    };
    for (const n of [1, 2]) {
      await call(net, "known peer", a, b);
      await net.run(2000);
      expect(b.sessions).toHaveLength(n);
    }
    expect(b.sessions.map((s) => s.endpoint)).toEqual([a.endpoint, a.endpoint]);
    expect(b.meter.get("handshake.drop.authentication")).toBeGreaterThanOrEqual(5);
  });
});
