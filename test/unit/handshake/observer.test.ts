/** Who only listens, though it knows the mesh and holds every certificate; and what nobody on the way can change. */
import { describe, expect, test } from "bun:test";
import { concat, equal, toHex, utf8 } from "../../../runtime/base/bytes.ts";
import { KdfChain } from "../../../runtime/crypto/kdf-chain.ts";
import { LABEL, STEP } from "../../../runtime/crypto/labels.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { noble } from "../../../runtime/crypto/noble.ts";
import type { CryptoProvider } from "../../../runtime/crypto/provider.ts";
import { generateKeys } from "../../../runtime/identity/keys.ts";
import {
  consumeFirstReply,
  createFirstHello,
  createFirstReply,
} from "../../../runtime/mesh/handshake/first-contact.ts";
import { split } from "../../../runtime/mesh/handshake/fragment.ts";
import { consumeHello, createHello } from "../../../runtime/mesh/handshake/known-peer.ts";
import { hasMac } from "../../../runtime/mesh/handshake/mac.ts";
import { FirstHello, MESSAGE } from "../../../runtime/mesh/handshake/message.ts";
import { isHandshake, MESH_ID, Net, type Packet, type Party } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";

type Pattern = "known peer" | "first contact";
const PATTERNS = ["known peer", "first contact"] as const;

/**
 * The same mesh and the same coins, called by one member or by another: what differs on the wire depends on who calls. The
 * portable provider makes every coin count. Chains differ in length, as names and rights do.
 */
const wires = new Map<string, ReturnType<typeof record>>();
function wireOf(pattern: Pattern, caller: 0 | 1): ReturnType<typeof record> {
  const key = `${pattern} ${caller}`;
  const known = wires.get(key) ?? record(pattern, caller);
  wires.set(key, known);
  return known;
}

async function record(pattern: Pattern, caller: 0 | 1): Promise<{ sent: Packet[]; parties: Party[] }> {
  const net = new Net(noble, seededRandom(`observer ${pattern}`), { genesis: 2020, chain: 13_500 });
  const callers = [await net.add("a"), await net.add("a-longer-name", { chain: 13_900 })] as const;
  const b = await net.add("b");
  net.introduce(...callers, b);
  // Both call from one address, which is no business of the handshake.
  const from = callers[caller];
  net.parties.clear();
  net.parties.set("10.0.0.1:51820", Object.assign(from, { endpoint: { address: "10.0.0.1", port: 51_820 } }));
  net.parties.set("10.0.0.3:51820", b);
  const calling =
    pattern === "known peer"
      ? from.machine.connect(b.member, b.endpoint, net.now)
      : from.machine.contact(b.member.id, b.endpoint, net.now);
  net.perform(from, await calling);
  await net.run(1000);
  expect(b.sessions).toHaveLength(1);
  return { sent: net.sent, parties: [...callers, b] };
}

/** Bytes of a datagram's header without instance and mac, which hash what is sealed. */
const plainHeader = (d: Uint8Array): string =>
  (d[0] as number) > 3 ? toHex(d.subarray(0, 4)) : toHex(concat(d.subarray(0, 6), d.subarray(8, 24)));
const partsOf = (sent: readonly Packet[], message: number): Uint8Array => {
  const parts = new Map<number, Uint8Array>();
  for (const { payload } of sent)
    if (payload[0] === 1 && payload[2] === message) parts.set(payload[3] as number, payload.subarray(32));
  return concat(...[...parts].sort(([x], [y]) => x - y).map(([, p]) => p));
};

describe("the wire", () => {
  test.each(PATTERNS)(
    "shows an observer with all certificates nothing that depends on the initiator, in lengths, order or header: %s",
    async (pattern) => {
      const [one, other] = [(await wireOf(pattern, 0)).sent, (await wireOf(pattern, 1)).sent];
      expect(one.map((p) => [p.to.address, p.payload.length, plainHeader(p.payload)])).toEqual(
        other.map((p) => [p.to.address, p.payload.length, plainHeader(p.payload)]),
      );
    },
  );

  test.each([
    ["K1", "known peer", MESSAGE.k1, [[2308, 2392]]], // sealed
    ["K2", "known peer", MESSAGE.k2, [[1120, 2373]]], // ciphertext to s_i, sealed, biscuit
    ["F1", "first contact", MESSAGE.f1, []],
    ["F2", "first contact", MESSAGE.f2, []],
    ["F3", "first contact", MESSAGE.f3, [[1120, 19_200]]], // sealed identity
  ] as const)(
    "shows an observer with all certificates nothing that depends on the initiator but what is sealed or encapsulated: %s",
    async (_, pattern, message, hidden: readonly (readonly [number, number])[]) => {
      const [one, other] = [
        partsOf((await wireOf(pattern, 0)).sent, message).slice(),
        partsOf((await wireOf(pattern, 1)).sent, message).slice(),
      ];
      expect(hidden.every(([from, to]) => !equal(one.subarray(from, to), other.subarray(from, to)))).toBe(true);
      for (const [from, to] of hidden) for (const m of [one, other]) m.fill(0, from, to);
      expect(toHex(one)).toBe(toHex(other));
    },
  );

  test.each(PATTERNS)(
    "shows an observer with all certificates nothing that depends on the initiator by its macs: %s",
    async (pattern) => {
      const { sent, parties } = await wireOf(pattern, 0);
      const nonce = FirstHello.decode(partsOf(sent, MESSAGE.f1))?.nonce ?? new Uint8Array(32);
      const b = parties[2] as Party;
      /** Every key that can be made of a label, the mesh id, the nonce of F1 and one thing known of a member. */
      const keysOf = ({ member: { id, keys, certificateHash } }: Party): Uint8Array[] =>
        [id, certificateHash, ...Object.values(keys as unknown as Record<string, Uint8Array>)].flatMap((known) =>
          Object.values(LABEL).flatMap((label) =>
            [
              [known],
              [MESH_ID, known],
              [MESH_ID, known, nonce],
              [known, nonce],
              [nonce, known],
              [MESH_ID, nonce, known],
            ].map((parts) => native.sha256(label, ...parts).subarray(0, 16)),
          ),
        );
      // One datagram of each kind: all of a kind have one key.
      const kinds = new Map(sent.filter(isHandshake).map((p) => [`${p.payload[0]} ${p.payload[2]}`, p.payload]));
      const opened = (p: Party): number => {
        const keys = keysOf(p);
        return [...kinds.values()].filter((d) => keys.some((key) => hasMac(key, d))).length;
      };
      expect(parties.map(opened).slice(0, 2)).toEqual([0, 0]);
      expect(opened(b)).toBeGreaterThan(0); // as the one who is called: everybody who calls it has that key
    },
  );
});

describe("a listener", () => {
  test("cannot answer F1 without knowing who was called", async () => {
    const net = new Net(native, seededRandom("listener"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    const stranger = await generateKeys(native, net.random);
    const f1: Packet[] = [];
    let forged = 0;
    const guesses = [new Uint8Array(32), stranger.id];
    net.wire = (p) => {
      if (p.payload[0] === 1 && p.payload[2] === MESSAGE.f1) f1.push(p);
      return [p];
    };
    net.perform(a, await a.machine.contact(b.member.id, b.endpoint, net.now));
    const payload = partsOf(f1, MESSAGE.f1);
    const exchange = (f1[0] as Packet).payload.slice(8, 16);
    for (const id of guesses)
      for (const meshId of [new Uint8Array(32), MESH_ID]) {
        const self = { meshId, id, genesis: Uint8Array.of(1), chain: b.keys.id };
        const reply = await createFirstReply(native, net.random, self, payload, exchange);
        if (!reply) throw new Error("no reply");
        const name = { message: MESSAGE.f2, exchange };
        for (const d of split(native, name, reply.payload, reply.replyMacKey, new Uint8Array(8))) {
          forged++;
          expect(await a.machine.receive({ endpoint: b.endpoint, payload: d }, net.now)).toEqual([]);
        }
      }
    expect(a.meter.get("handshake.drop.mac")).toBe(forged);
    await net.run(2000);
    expect(a.sessions.map((s) => s.peer.name)).toEqual(["b"]);
  });
});

/** `crypto` for one end only, which hashes something else where `from` stands: another version, suite or pattern. */
function hashing(crypto: CryptoProvider, change: (part: Uint8Array) => Uint8Array): CryptoProvider {
  return { ...crypto, sha256: (...parts) => crypto.sha256(...parts.map(change)) };
}
const OPENING = 2 + 32 + 32 + 8; // version, pattern, mesh id, node id, exchange
const opening =
  (at: number) =>
  (part: Uint8Array): Uint8Array =>
    part.length === OPENING ? part.with(at, (part[at] as number) ^ 1) : part;
const suite = (part: Uint8Array): Uint8Array =>
  equal(part, LABEL.handshake) ? utf8("trellis/1 handshake x25519 ed25519 aes-256-gcm hkdf-sha-256") : part;

describe("a session", () => {
  const DIFFERENCES: readonly (readonly [string, CryptoProvider])[] = [
    ["wire version", hashing(native, opening(0))],
    ["pattern", hashing(native, opening(1))],
    ["mesh", hashing(native, opening(2))],
    ["responder", hashing(native, opening(34))],
    ["exchange", hashing(native, opening(66))],
    ["suite", hashing(native, suite)],
  ];
  const random = seededRandom("downgrade");
  const exchange = new Uint8Array(8).fill(1);

  test.each([["nothing", native] as const, ...DIFFERENCES])(
    "is bound to wire version, suite, pattern, mesh, responder and exchange: other %s, no session, in both patterns",
    async (name, theirs) => {
      const r = await generateKeys(native, random);
      const self = { certificateHash: r.id, rates: { aes256Gcm: 1, chacha20Poly1305: 1 }, index: 1 };
      const callee = { meshId: MESH_ID, id: r.id };
      const hello = await createHello(native, random, self, { ...callee, keys: r.public }, exchange);
      const opened = await consumeHello(theirs, { meshId: MESH_ID, keys: r }, hello?.payload as Uint8Array, exchange);
      const first = await createFirstHello(native, random, 1, callee, exchange);
      const shows = { ...callee, genesis: Uint8Array.of(1), chain: Uint8Array.of(2) };
      const reply = await createFirstReply(theirs, random, shows, first.payload, exchange);
      const shown = await consumeFirstReply(native, first, reply?.payload as Uint8Array);
      expect([opened !== undefined, shown !== undefined]).toEqual([name === "nothing", name === "nothing"]);
    },
  );

  test("has keys that depend on every label of the schedule", () => {
    const chain = KdfChain.start(native, LABEL.handshake);
    const keys = Object.values(STEP).map((step) => toHex(chain.deriveKey(step, 32)));
    expect(new Set(keys).size).toBe(keys.length);
  });

  test.each(["k", "f"] as const)("does not come about in another wire version, pattern %s", async (pattern) => {
    const net = new Net(native, seededRandom(`version ${pattern}`));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    net.wire = (p) => [isHandshake(p) ? { ...p, payload: p.payload.with(1, 2) } : p];
    const start =
      pattern === "k"
        ? a.machine.connect(b.member, b.endpoint, net.now)
        : a.machine.contact(b.member.id, b.endpoint, net.now);
    net.perform(a, await start);
    await net.run(12_000);
    expect([a.sessions, b.sessions]).toEqual([[], []]);
    expect(b.meter.get("handshake.drop.malformed")).toBeGreaterThan(0);
  });
});
