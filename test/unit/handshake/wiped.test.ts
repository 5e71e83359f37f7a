/** What is left in memory of an exchange, however it ends: the session's keys, or nothing. */
import { describe, expect, test } from "bun:test";
import { toHex } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { BiscuitJar } from "../../../runtime/mesh/handshake/biscuit.ts";
import { MESSAGE } from "../../../runtime/mesh/handshake/message.ts";
import type { Admission } from "../../../runtime/mesh/handshake/ports.ts";
import { MESH_ID, Net, type Packet, type Party } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";
import { areZero, watching } from "../../help/watching-provider.ts";

const SECRET = new Uint8Array(16).fill(9);
const isMessage = (p: Packet, message: number): boolean => p.payload[0] === 1 && p.payload[2] === message;

interface Course {
  readonly pattern: "k" | "f" | "join";
  readonly sessions: 0 | 1;
  /** Sets the scene, before the first message. */
  readonly scene?: (net: Net, a: Party, b: Party) => void;
}
const changed = (message: number) => (p: Packet) =>
  isMessage(p, message) ? [{ ...p, payload: p.payload.with(40, (p.payload[40] as number) ^ 1) }] : [p];
const lost = (message: number) => (p: Packet) => (isMessage(p, message) ? [] : [p]);
const wire =
  (make: (message: number) => (p: Packet) => Packet[], message: number) =>
  (net: Net): void => {
    net.wire = make(message);
  };

const COURSES: Readonly<Record<string, Course>> = {
  "a known peer": { pattern: "k", sessions: 1 },
  "first contact": { pattern: "f", sessions: 1 },
  joining: { pattern: "join", sessions: 1 },
  "a join that is refused": {
    pattern: "join",
    sessions: 0,
    scene: (_, a) => a.known.clear(), // the issuer issues a chain that nobody has
  },
  "a known peer whose certificate is unknown": { pattern: "k", sessions: 1, scene: (_, __, b) => b.known.clear() },
  "a revoked member": {
    pattern: "k",
    sessions: 0,
    scene: (_, a, b) => {
      b.known.clear();
      b.ended.set(toHex(a.keys.id), "revoked");
    },
  },
  "no answer to K1": { pattern: "k", sessions: 0, scene: wire(lost, MESSAGE.k1) },
  "no K2": { pattern: "k", sessions: 0, scene: wire(lost, MESSAGE.k2) },
  "a changed K2": { pattern: "k", sessions: 0, scene: wire(changed, MESSAGE.k2) },
  "no answer to F1": { pattern: "f", sessions: 0, scene: wire(lost, MESSAGE.f1) },
  "no F2": { pattern: "f", sessions: 0, scene: wire(lost, MESSAGE.f2) },
  "no F3": { pattern: "f", sessions: 0, scene: wire(lost, MESSAGE.f3) },
  "a stranger": {
    pattern: "f",
    sessions: 0,
    scene: (_, a, b) => {
      b.ended.set(toHex(a.keys.id), "revoked");
      a.keys.secrets.ed25519.fill(1);
    },
  },
};

async function run(
  name: string,
): Promise<{ watched: ReturnType<typeof watching>; a: Party; b: Party; lasting: number }> {
  const { pattern, scene } = COURSES[name] as Course;
  const watched = watching();
  const net = new Net(watched.crypto, seededRandom(`wiped ${name}`));
  let chain = new Uint8Array(32);
  const admission: Admission = { secretOf: () => SECRET, admit: async () => ({ accepted: true, chain }) };
  const b = await net.add("b", { admission });
  const a = await net.add("a", { member: pattern !== "join" });
  if (name !== "a join that is refused") chain = Uint8Array.from(a.keys.id);
  net.introduce(a, b);
  scene?.(net, a, b);
  const lasting = watched.secrets.length;
  const target = { meshId: MESH_ID, issuerId: b.keys.id, inviteId: new Uint8Array(8), secret: SECRET.slice() };
  const start = {
    k: () => a.machine.connect(b.member, b.endpoint, net.now),
    f: () => a.machine.contact(b.member.id, b.endpoint, net.now),
    join: () => a.machine.join(target, "a", b.endpoint, net.now),
  };
  net.perform(a, await start[pattern]());
  await net.run(25_000);
  return { watched, a, b, lasting };
}

describe("secrets", () => {
  test.each(Object.keys(COURSES))(
    "of an exchange are zero when it is over, but for the session's keys: %s",
    async (name) => {
      const { watched, a, b, lasting } = await run(name);
      const sessions = [...a.sessions, ...b.sessions];
      expect(a.sessions).toHaveLength(COURSES[name]?.sessions as number);
      expect([a.machine.load.initiators, b.machine.load.responder]).toEqual([0, 0]);
      expect(watched.secrets.length).toBeGreaterThan(lasting);
      expect(areZero(watched.secrets.slice(lasting))).toBe(true);
      expect(areZero(watched.agreed)).toBe(true);
      expect(areZero(watched.chaining)).toBe(true);
      const left = watched.derived.filter((key) => !areZero([key])).map(toHex);
      const held = sessions.flatMap((s) => [s.data.sendKey, s.data.receiveKey, s.controlSendKey, s.controlReceiveKey]);
      expect(left.sort()).toEqual(held.map(toHex).sort());
    },
  );

  test("of exchanges with a node that is forgotten in the middle are zero", async () => {
    for (const pattern of ["k", "f"] as const) {
      const watched = watching();
      const net = new Net(watched.crypto, seededRandom(`forgotten ${pattern}`));
      const [a, b] = [await net.add("a"), await net.add("b")];
      net.introduce(a, b);
      const lasting = watched.secrets.length;
      const start =
        pattern === "k"
          ? a.machine.connect(b.member, b.endpoint, net.now)
          : a.machine.contact(b.member.id, b.endpoint, net.now);
      net.perform(a, await start);
      a.machine.forget(b.keys.id);
      expect(a.machine.load.initiators).toBe(0);
      await net.run(12_000);
      expect([a.sessions, b.sessions]).toEqual([[], []]);
      expect(areZero([...watched.secrets.slice(lasting), ...watched.chaining, ...watched.agreed])).toBe(true);
    }
  });

  test("in a biscuit are zero once it is read, a replayed one too", async () => {
    const opened: Uint8Array[] = [];
    const { open } = BiscuitJar.prototype;
    BiscuitJar.prototype.open = function (...x) {
      const content = open.apply(this, x);
      if (content) opened.push(content.chain);
      return content;
    };
    try {
      const net = new Net(native, seededRandom("biscuits"));
      const [a, b] = [await net.add("a"), await net.add("b")];
      net.introduce(a, b);
      net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
      await net.run(1000);
      for (const p of net.sent.filter((x) => isMessage(x, MESSAGE.k3))) net.post(p);
      await net.run(1000);
      expect(b.meter.get("handshake.drop.replay")).toBeGreaterThan(0);
      expect(opened.length).toBeGreaterThan(1);
      expect(areZero(opened)).toBe(true);
    } finally {
      BiscuitJar.prototype.open = open;
    }
  });
});
