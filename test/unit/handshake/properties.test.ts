import { describe, expect, test } from "bun:test";
import { toHex } from "../../../runtime/base/bytes.ts";
import { signHybrid, verifyHybrid } from "../../../runtime/crypto/hybrid-signature.ts";
import { LABEL } from "../../../runtime/crypto/labels.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { generateKeys, keysFromSecrets, type NodeKeys } from "../../../runtime/identity/keys.ts";
import { consumeHello, consumeReply, createHello, createReply } from "../../../runtime/mesh/handshake/known-peer.ts";
import { InitHello } from "../../../runtime/mesh/handshake/message.ts";
import { chooseAead } from "../../../runtime/mesh/handshake/schedule.ts";
import { MESH_ID, Net } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";

const random = seededRandom("properties");
const RATES = { aes256Gcm: 1000, chacha20Poly1305: 500 };
const EXCHANGE = new Uint8Array(8).fill(1);

/** `keys` with one secret replaced by a stranger's: what an attacker holds who broke the other half only. */
async function lacking(keys: NodeKeys, half: "x25519" | "mlKem768"): Promise<NodeKeys> {
  const stranger = await generateKeys(native, random);
  const secrets = { ...keys.secrets, [half]: stranger.secrets[half] };
  return { ...(await keysFromSecrets(native, secrets)), public: keys.public, id: keys.id };
}

/** K1 and K2 between an initiator and a responder that may hold other secrets than their public keys say. */
async function tryExchange(initiator: NodeKeys, responder: NodeKeys, honest: { i: NodeKeys; r: NodeKeys }) {
  const self = { certificateHash: new Uint8Array(32), rates: RATES, index: 1 };
  const peer = { meshId: MESH_ID, id: honest.r.id, keys: honest.r.public };
  const hello = await createHello(native, random, self, peer, EXCHANGE);
  if (!hello) throw new Error("no hello");
  const opened = await consumeHello(native, { meshId: MESH_ID, keys: responder }, hello.payload, EXCHANGE);
  if (!opened) return { opened: false, agreed: false };
  const reply = await createReply(native, random, { rates: RATES, index: 2 }, honest.i.public, opened);
  if (!reply) throw new Error("no reply");
  const payload = new Uint8Array(reply.body.length + 141);
  payload.set(reply.body);
  const agreed = await consumeReply(native, initiator, hello, payload);
  return { opened: true, agreed: agreed !== undefined };
}

describe("a known-peer session", () => {
  test("comes about between the right keys", async () => {
    const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
    expect(await tryExchange(i, r, { i, r })).toEqual({ opened: true, agreed: true });
  });

  test.each(["x25519", "mlKem768"] as const)(
    "cannot be had by a caller that lacks one half of its static keys: %s",
    async (half) => {
      const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
      expect(await tryExchange(await lacking(i, half), r, { i, r })).toEqual({ opened: true, agreed: false });
    },
  );

  test.each(["x25519", "mlKem768"] as const)(
    "cannot be had by a callee that lacks one half of its static keys: %s",
    async (half) => {
      const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
      expect((await tryExchange(i, await lacking(r, half), { i, r })).opened).toBe(false);
    },
  );

  test("uses new ephemeral keys in every exchange", async () => {
    const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
    const self = { certificateHash: i.id, rates: RATES, index: 1 };
    const peer = { meshId: MESH_ID, id: r.id, keys: r.public };
    const hellos = [
      await createHello(native, random, self, peer, EXCHANGE),
      await createHello(native, random, self, peer, EXCHANGE),
    ];
    const [one, two] = hellos.map((h) => InitHello.decode(h?.payload as Uint8Array));
    expect(toHex(one?.ephemeralX25519 as Uint8Array)).not.toBe(toHex(two?.ephemeralX25519 as Uint8Array));
    expect(toHex(one?.ephemeralMlKem as Uint8Array)).not.toBe(toHex(two?.ephemeralMlKem as Uint8Array));
    expect(toHex(one?.sealed as Uint8Array)).not.toBe(toHex(two?.sealed as Uint8Array));
  });

  test.each([
    ["another mesh", { meshId: new Uint8Array(32).fill(8) }, EXCHANGE],
    ["another exchange", { meshId: MESH_ID }, new Uint8Array(8).fill(2)],
  ])("is bound to wire version, mesh and responder: %s does not open", async (_, mesh, exchange) => {
    const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
    const self = { certificateHash: i.id, rates: RATES, index: 1 };
    const hello = await createHello(native, random, self, { meshId: MESH_ID, id: r.id, keys: r.public }, EXCHANGE);
    const opened = await consumeHello(native, { ...mesh, keys: r }, hello?.payload as Uint8Array, exchange);
    expect(opened).toBeUndefined();
  });

  test.each(Array.from({ length: 24 }, (_, n) => Math.floor((n * InitHello.size) / 24)))(
    "does not come of a hello with byte %i changed",
    async (at) => {
      const r = await generateKeys(native, random);
      const self = { certificateHash: r.id, rates: RATES, index: 1 };
      const hello = await createHello(native, random, self, { meshId: MESH_ID, id: r.id, keys: r.public }, EXCHANGE);
      if (!hello) throw new Error("no hello");
      const changed = hello.payload.slice();
      changed[at] = (changed[at] as number) ^ 1;
      expect(await consumeHello(native, { meshId: MESH_ID, keys: r }, changed, EXCHANGE)).toBeUndefined();
    },
  );
});

describe("the wire", () => {
  test("shows nothing of the initiator's certificate, id or keys", async () => {
    const net = new Net(native, seededRandom("hidden"));
    const a = await net.add("a");
    const b = await net.add("b");
    net.introduce(a, b);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(1000);
    const wire = net.sent.map((p) => toHex(p.payload)).join("");
    const telling = [a.member.certificateHash, a.keys.id, a.keys.public.x25519, a.keys.public.mlKem768.subarray(0, 16)];
    for (const secret of telling) expect(wire).not.toContain(toHex(secret));
  });

  test("gives no answer to a caller with the wrong node id in mind, not even a cookie", async () => {
    const net = new Net(native, seededRandom("wrong id"));
    const a = await net.add("a");
    const b = await net.add("b");
    const actions = await a.machine.contact(new Uint8Array(32), b.endpoint, net.now);
    for (const x of actions) {
      if (x.type === "send")
        expect(await b.machine.receive({ ...x.datagram, endpoint: a.endpoint }, net.now)).toEqual([]);
    }
    expect(b.meter.get("handshake.drop.mac")).toBe(2);
  });

  test("does not let a cookie serve another address", async () => {
    const net = new Net(native, seededRandom("cookie theft"));
    const a = await net.add("a");
    const b = await net.add("b");
    net.introduce(a, b);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(1000);
    const proven = net.sent.filter((p) => p.to === b.endpoint && p.payload[2] === 1 && p.payload[16] !== 0);
    expect(proven.length).toBeGreaterThan(0);
    const thief = { address: "203.0.113.9", port: 51_820 };
    for (const p of proven) {
      const answers = await b.machine.receive({ endpoint: thief, payload: p.payload }, net.now);
      expect(answers.map((x) => (x.type === "send" ? x.datagram.payload[0] : 0))).toEqual([3]);
    }
  });

  test("carries nothing to a member that was forgotten in the middle of an exchange", async () => {
    const net = new Net(native, seededRandom("revoked"));
    const a = await net.add("a");
    const b = await net.add("b");
    net.introduce(a, b);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(25);
    b.known.clear();
    b.ended.set(toHex(a.keys.id), "revoked");
    b.machine.forget(a.keys.id);
    await net.run(5000);
    expect(b.sessions).toHaveLength(0);
  });
});

describe("a composite signature", () => {
  test.each(["ed25519", "mlDsa65"] as const)("is refused when its %s half is another's", async (half) => {
    const [mine, other] = [await generateKeys(native, random), await generateKeys(native, random)];
    const message = random(32);
    const good = await signHybrid(native, mine.secrets, message, LABEL.handshakeInitiator);
    const bad = await signHybrid(native, other.secrets, message, LABEL.handshakeInitiator);
    const check = (s: typeof good) => verifyHybrid(native, mine.public, message, LABEL.handshakeInitiator, s);
    expect(await check(good)).toBe(true);
    expect(await check({ ...good, [half]: bad[half] })).toBe(false);
  });
});

describe("chooseAead()", () => {
  test.each([
    ["AES where both are fast at it", [2000, 900], [1800, 900], "aes-256-gcm"],
    ["ChaCha20 where one end has no AES instructions", [2000, 900], [60, 300], "chacha20-poly1305"],
    ["AES on a tie", [100, 100], [100, 100], "aes-256-gcm"],
    ["AES when one end does not offer ChaCha20", [90, 900], [90, 0], "aes-256-gcm"],
  ] as const)("takes %s", (_, a, b, want) => {
    const rates = ([aes256Gcm, chacha20Poly1305]: readonly [number, number]) => ({ aes256Gcm, chacha20Poly1305 });
    expect(chooseAead(rates(a), rates(b))).toBe(want);
  });
});
