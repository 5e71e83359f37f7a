/** What is left in memory of an exchange, however it ends: the session's keys, or nothing. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { concat, toHex } from "../../../runtime/base/bytes.ts";
import { KdfChain } from "../../../runtime/crypto/kdf-chain.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { generateKeys } from "../../../runtime/identity/keys.ts";
import { BiscuitJar } from "../../../runtime/mesh/handshake/biscuit.ts";
import {
  consumeAnswer,
  consumeFirstReply,
  consumePurpose,
  createFirstHello,
  createFirstReply,
  createIdentity,
} from "../../../runtime/mesh/handshake/first-contact.ts";
import { instanceOf } from "../../../runtime/mesh/handshake/fragment.ts";
import {
  consumeHello,
  consumeReply,
  createHello,
  createReply,
  createUnknown,
  isUnknown,
  type OpenedHello,
} from "../../../runtime/mesh/handshake/known-peer.ts";
import { firstMacKey, setMac } from "../../../runtime/mesh/handshake/mac.ts";
import { MESSAGE } from "../../../runtime/mesh/handshake/message.ts";
import type { Admission } from "../../../runtime/mesh/handshake/ports.ts";
import { isMessage, MESH_ID, Net, type Packet, type Party } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";
import { areZero, watching } from "../../help/watching-provider.ts";

const SECRET = new Uint8Array(16).fill(9);

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

/** Copies that chains made of themselves for messages that might be forged. */
const forks: KdfChain[] = [];
/** What chains gave away to be kept elsewhere. */
const saves: Uint8Array[] = [];
const { fork, save } = KdfChain.prototype;
const { resume } = KdfChain;
const keepFork = (copy: KdfChain): KdfChain => {
  forks.push(copy);
  return copy;
};
beforeAll(() => {
  KdfChain.prototype.fork = function () {
    return keepFork(fork.apply(this));
  };
  KdfChain.resume = (...x) => keepFork(resume(...x));
  KdfChain.prototype.save = function () {
    const state = save.apply(this);
    saves.push(state);
    return state;
  };
});
afterAll(() => {
  Object.assign(KdfChain.prototype, { fork, save });
  KdfChain.resume = resume;
});
const forksLeft = (): number => {
  const left = forks.splice(0).filter((c) => !areZero([save.apply(c)])).length;
  return left + (areZero(saves.splice(0)) ? 0 : 1);
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
      expect(forksLeft()).toBe(0);
      const left = watched.derived.filter((key) => !areZero([key])).map(toHex);
      const held = sessions.flatMap((s) => [s.data.sendKey, s.data.receiveKey, s.controlSendKey, s.controlReceiveKey]);
      expect(left.sort()).toEqual(held.map(toHex).sort());
    },
  );

  test("of an exchange that met the wrong gateway are zero", async () => {
    const watched = watching();
    const net = new Net(watched.crypto, seededRandom("wrong gateway"));
    const [a, called] = [await net.add("a"), await net.add("called")];
    const impostor = await net.add("impostor", { posesAs: called.keys.id });
    const lasting = watched.secrets.length;
    net.perform(a, await a.machine.contact(called.keys.id, impostor.endpoint, net.now));
    await net.run(12_000);
    expect(a.failures.map((f) => f.code)).toEqual(["handshake/wrong-gateway"]);
    expect(areZero([...watched.secrets.slice(lasting), ...watched.chaining, ...watched.agreed])).toBe(true);
    expect([watched.chaining.length > 0, forksLeft()]).toEqual([true, 0]);
  });

  test("of an exchange that was answered are zero before the answer has arrived", async () => {
    const watched = watching();
    const net = new Net(watched.crypto, seededRandom("answered"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    const lasting = watched.secrets.length;
    net.wire = (p) => (isMessage(p, MESSAGE.f4) ? [] : [p]);
    net.perform(a, await a.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(200);
    expect([b.sessions.length, b.machine.load.responder]).toEqual([1, 1]);
    // The caller still needs its own to read F4: the chain as it was after F3.
    expect(areZero(watched.secrets.slice(lasting))).toBe(true);
    expect(watched.chaining.filter((key) => !areZero([key]))).toHaveLength(1);
  });

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

  test("of a message that does not open are zero at once", async () => {
    const watched = watching();
    const c = watched.crypto;
    const random = seededRandom("does not open");
    const [i, r] = [await generateKeys(c, random), await generateKeys(c, random)];
    const exchange = new Uint8Array(8).fill(1);
    const callee = { meshId: MESH_ID, id: r.id };
    const rates = { aes256Gcm: 1000, chacha20Poly1305: 500 };
    const self = { certificateHash: i.id, rates, index: 1 };
    const shows = { ...callee, genesis: Uint8Array.of(1), chain: Uint8Array.of(2) };
    const changed = (m: Uint8Array): Uint8Array => m.with(m.length - 1, (m.at(-1) as number) ^ 1);
    const k1 = await createHello(c, random, self, { ...callee, keys: r.public }, exchange);
    const at = { meshId: MESH_ID, keys: r };
    const opened = k1 && (await consumeHello(c, at, k1.payload, exchange));
    const known = k1 && (await consumeHello(c, at, k1.payload, exchange));
    const k2 = known && (await createReply(c, random, { rates, index: 2 }, i.public, known));
    const f1 = await createFirstHello(c, random, 1, callee, exchange);
    const f2 = await createFirstReply(c, random, shows, f1.payload, exchange);
    const shown = f2 && (await consumeFirstReply(c, f1, f2.payload));
    if (!k1 || !opened || !k2 || !f2 || !shown) throw new Error("no messages");
    const who = { purpose: "member", chain: Uint8Array.of(3) } as const;
    const f3 = await createIdentity(c, random, { keys: i, rates }, who, r.public, shown.state, f1.ephemeral);
    if (!f3) throw new Error("no F3");
    const unknown = createUnknown(c, opened);
    const reads: Record<string, () => Promise<unknown> | unknown> = {
      K1: () => consumeHello(c, at, changed(k1.payload), exchange),
      U: () => isUnknown(c, k1, changed(unknown)) || undefined,
      K2: () => consumeReply(c, i, k1, concat(changed(k2.body), new Uint8Array(141))),
      F2: () => consumeFirstReply(c, f1, changed(f2.payload)),
      F3: () => consumePurpose(c, r, f2, f3.with(1119, (f3[1119] as number) ^ 1)),
      F4: () => consumeAnswer(c, i, r.public, shown.responderEphemeral, shown.state, new Uint8Array(1200).fill(7)),
    };
    for (const [name, read] of Object.entries(reads)) {
      for (const list of [watched.chaining, watched.agreed, watched.derived]) list.length = 0;
      forks.length = 0;
      expect([name, await read()]).toEqual([name, undefined]);
      expect([name, forksLeft()]).toEqual([name, 0]);
      expect([name, watched.derived.length > 0, watched.chaining.length > 0]).toEqual([name, true, name !== "U"]);
      expect([name, areZero([...watched.chaining, ...watched.agreed, ...watched.derived])]).toEqual([name, true]);
    }
    expect(isUnknown(c, k1, unknown)).toBe(true);
  });

  test("that a caller puts into its messages are zero when these are made", async () => {
    const random = seededRandom("made");
    const drawn: Uint8Array[] = [];
    const drawing = (length: number): Uint8Array => {
      const out = random(length);
      drawn.push(out);
      return out;
    };
    const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
    const callee = { meshId: MESH_ID, id: r.id, keys: r.public };
    const self = { certificateHash: i.id, rates: { aes256Gcm: 1, chacha20Poly1305: 1 }, index: 1 };
    const sealed: Uint8Array[] = [];
    const aes = native.aead["aes-256-gcm"];
    const seal: typeof aes.seal = (key, nonce, aad, plaintext) => {
      sealed.push(plaintext);
      return aes.seal(key, nonce, aad, plaintext);
    };
    const crypto = { ...native, aead: { ...native.aead, "aes-256-gcm": { ...aes, seal } } };
    const k1 = await createHello(crypto, drawing, self, callee, new Uint8Array(8));
    expect(areZero(sealed)).toBe(true);
    // Drawn: both ephemeral secrets, which the exchange needs, what encapsulation may use, and the nonce.
    expect(drawn.map((d) => areZero([d]))).toEqual([false, false, false, true]);
    const opened = await consumeHello(
      native,
      { meshId: MESH_ID, keys: r },
      k1?.payload as Uint8Array,
      new Uint8Array(8),
    );
    drawn.length = 0;
    await createReply(native, drawing, { rates: self.rates, index: 2 }, i.public, opened as OpenedHello);
    expect(areZero([drawn[0] as Uint8Array])).toBe(true);
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
      const watched = watching();
      const net = new Net(watched.crypto, seededRandom("biscuits"));
      const [a, b] = [await net.add("a"), await net.add("b")];
      net.introduce(a, b);
      net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
      await net.run(1000);
      const [k3] = net.sent.filter((x) => isMessage(x, MESSAGE.k3)).map((x) => x.payload);
      const broken = (k3 as Uint8Array).slice();
      broken[188] = (broken[188] as number) ^ 1;
      new DataView(broken.buffer).setUint16(6, instanceOf(native, broken.subarray(32)), true);
      setMac(firstMacKey(native, MESH_ID, b.keys.id), broken);
      for (const payload of [k3 as Uint8Array, broken]) net.post({ from: a.endpoint, to: b.endpoint, payload });
      await net.run(1000);
      expect(b.meter.get("handshake.drop.replay")).toBe(1);
      expect(b.meter.get("handshake.drop.authentication")).toBe(1);
      expect(opened).toHaveLength(3);
      expect([areZero(opened), forksLeft()]).toEqual([true, 0]);
      expect(watched.derived.filter((key) => !areZero([key]))).toHaveLength(8); // four of the session, at both ends
    } finally {
      BiscuitJar.prototype.open = open;
    }
  });
});
