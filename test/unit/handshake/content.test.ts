/** What stands inside of seals that open: a member may be hostile too. Nothing throws, and nothing odd is believed. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { concat } from "../../../runtime/base/bytes.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../../../runtime/base/cbor.ts";
import { native } from "../../../runtime/crypto/native.ts";
import type { CryptoProvider } from "../../../runtime/crypto/provider.ts";
import { generateKeys, type NodeKeys } from "../../../runtime/identity/keys.ts";
import {
  type Caller,
  consumeAnswer,
  consumeFirstReply,
  consumeIdentity,
  consumePurpose,
  createAnswer,
  createFirstHello,
  createFirstReply,
  createIdentity,
  type OpenedIdentity,
  type Shown,
  type Verdict,
} from "../../../runtime/mesh/handshake/first-contact.ts";
import {
  consumeHello,
  consumeReply,
  createHello,
  createReply,
  createUnknown,
  isUnknown,
} from "../../../runtime/mesh/handshake/known-peer.ts";
import { FirstHello, InitHello } from "../../../runtime/mesh/handshake/message.ts";
import { pad, unpad } from "../../../runtime/mesh/handshake/padding.ts";
import { MESH_ID } from "../../help/handshake-pair.ts";
import { anyCbor, mutationsOf, NASTY } from "../../help/nasty.ts";
import { seededRandom } from "../../help/seeded.ts";

const random = seededRandom("content");
const EXCHANGE = new Uint8Array(8).fill(1);
const RATES = { aes256Gcm: 1000, chacha20Poly1305: 500 };
const SECRET = new Uint8Array(16).fill(2);
const FEW = { numRuns: 60 };
let i: NodeKeys;
let r: NodeKeys;
beforeAll(async () => {
  [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
});

/** The native provider of one who seals something else: `change` gets the n-th plaintext. */
function sealing(change: (plaintext: Uint8Array, n: number) => Uint8Array): CryptoProvider {
  const aes = native.aead["aes-256-gcm"];
  let n = 0;
  const seal: typeof aes.seal = (key, nonce, aad, plaintext) => aes.seal(key, nonce, aad, change(plaintext, n++));
  return { ...native, aead: { ...native.aead, "aes-256-gcm": { ...aes, seal } } };
}
const always = (bytes: Uint8Array) => (): Uint8Array => bytes;
const keep = (p: Uint8Array): Uint8Array => p;

const callee = () => ({ meshId: MESH_ID, id: r.id });
const shows = () => ({ ...callee(), genesis: Uint8Array.of(1), chain: Uint8Array.of(2) });

async function secondMessage(change = keep): Promise<Shown | undefined> {
  const hello = await createFirstHello(native, random, 1, callee(), EXCHANGE);
  const reply = await createFirstReply(sealing(change), random, shows(), hello.payload, EXCHANGE);
  return await consumeFirstReply(native, hello, reply?.payload as Uint8Array);
}

/** Up to F3's identity; `change` gets the purpose (0) and the padded identity (1). */
async function thirdMessage(
  change: (p: Uint8Array, n: number) => Uint8Array,
  purpose: Caller["purpose"] = "member",
): Promise<OpenedIdentity | "purpose" | undefined> {
  const hello = await createFirstHello(native, random, 1, callee(), EXCHANGE);
  const reply = await createFirstReply(native, random, shows(), hello.payload, EXCHANGE);
  const shown = reply && (await consumeFirstReply(native, hello, reply.payload));
  if (!reply || !shown) throw new Error("no F2");
  const caller: Caller =
    purpose === "member"
      ? { purpose, chain: Uint8Array.of(3) }
      : { purpose, inviteId: new Uint8Array(8), secret: SECRET, name: "i" };
  const self = { keys: i, rates: RATES };
  const f3 = await createIdentity(sealing(change), random, self, caller, r.public, shown.state, hello.ephemeral);
  const opened = await consumePurpose(native, r, reply, f3 as Uint8Array);
  if (!opened) return "purpose";
  return consumeIdentity(native, opened, purpose === "join" ? SECRET : undefined);
}
const identity = (change: (p: Uint8Array) => Uint8Array) => (p: Uint8Array, n: number) => (n === 1 ? change(p) : p);
/** The content of the identity as CBOR, changed and padded again. */
const content = (change: (c: readonly Cbor[]) => Cbor) =>
  identity((p) => pad(encodeCbor(change(decodeCbor(unpad(p) as Uint8Array) as Cbor[])), 1136));

async function fourthMessage(change = keep): Promise<Verdict | undefined> {
  const hello = await createFirstHello(native, random, 1, callee(), EXCHANGE);
  const reply = await createFirstReply(native, random, shows(), hello.payload, EXCHANGE);
  const shown = reply && (await consumeFirstReply(native, hello, reply.payload));
  if (!reply || !shown) throw new Error("no F2");
  const caller = { purpose: "member", chain: Uint8Array.of(3) } as const;
  const self = { keys: i, rates: RATES };
  const f3 = await createIdentity(native, random, self, caller, r.public, shown.state, hello.ephemeral);
  const opened = await consumePurpose(native, r, reply, f3 as Uint8Array);
  if (!opened || !consumeIdentity(native, opened, undefined)) throw new Error("no F3");
  const verdict = { accepted: true, index: 2, aead: "aes-256-gcm", chain: undefined } as const;
  const f4 = await createAnswer(sealing(change), random, r, i.public, reply.ephemeral, opened.state, verdict);
  if (!f4) throw new Error("no F4");
  return (await consumeAnswer(native, i, r.public, shown.responderEphemeral, shown.state, f4.payload))?.verdict;
}
/** What F4 tells, changed; the signatures before it hold. */
const telling = (told: Cbor) => (p: Uint8Array) => {
  const [ed25519, mlDsa65] = decodeCbor(p) as Cbor[];
  return encodeCbor([ed25519 as Cbor, mlDsa65 as Cbor, told]);
};

describe("what F2 shows", () => {
  test("is read when it is two byte strings", async () => {
    expect(await secondMessage()).toMatchObject({ genesis: Uint8Array.of(1), chain: Uint8Array.of(2) });
  });

  test.each<[string, Cbor]>([
    ["one byte string", [Uint8Array.of(1)]],
    ["three", [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]],
    ["no bytes", ["1", "2"]],
    ["one that is no bytes", [Uint8Array.of(1), 2]],
    ["no list", new Map([[0, Uint8Array.of(1)]])],
  ])("is dropped when it is %s", async (_, value) => {
    expect(await secondMessage(always(encodeCbor(value)))).toBeUndefined();
  });

  test("is read or dropped whatever it is, and never throws", async () => {
    for (const [, data] of NASTY) if (data.length < 30_000) expect(await secondMessage(always(data))).toBeUndefined();
    await fc.assert(
      fc.asyncProperty(fc.oneof(anyCbor.map(encodeCbor), fc.uint8Array({ maxLength: 200 })), async (data) => {
        await secondMessage(always(data));
      }),
      FEW,
    );
  });
});

describe("what F3 seals", () => {
  test.each(["member", "join"] as const)("is read as it was meant: %s", async (purpose) => {
    const opened = await thirdMessage(keep, purpose);
    if (!opened || opened === "purpose") throw new Error("not read");
    expect(opened.purpose).toBe(purpose);
    expect(await opened.verify(i.public)).toBe(true);
  });

  test.each<[string, (p: Uint8Array) => Uint8Array]>([
    ["purpose 0", (p) => p.with(0, 0)],
    ["purpose 3", (p) => p.with(0, 3)],
    ["a reserved byte", (p) => p.with(1, 1)],
    ["the last reserved byte", (p) => p.with(3, 1)],
    ["an invite of a member", (p) => p.with(15, 1)],
  ])("is dropped with %s", async (_, change) => {
    expect(await thirdMessage((p, n) => (n === 0 ? change(p) : p))).toBe("purpose");
  });

  test.each<[string, (c: readonly Cbor[]) => Cbor]>([
    ["four fields", (c) => [...c, null]],
    ["two fields", (c) => c.slice(0, 2)],
    ["no list", () => "x"],
    ["a short Ed25519 signature", ([, dsa, who]) => [new Uint8Array(63), dsa as Cbor, who as Cbor]],
    ["a long ML-DSA signature", ([ed, , who]) => [ed as Cbor, new Uint8Array(3310), who as Cbor]],
    ["a signature that is text", ([, dsa, who]) => ["x".repeat(64), dsa as Cbor, who as Cbor]],
    ["a caller that is no list", ([ed, dsa]) => [ed as Cbor, dsa as Cbor, Uint8Array.of(3)]],
    ["no chain", ([ed, dsa]) => [ed as Cbor, dsa as Cbor, []]],
    ["two chains", ([ed, dsa]) => [ed as Cbor, dsa as Cbor, [Uint8Array.of(3), Uint8Array.of(3)]]],
    ["a chain that is text", ([ed, dsa]) => [ed as Cbor, dsa as Cbor, ["chain"]]],
  ])("is dropped with %s in a member's identity", async (_, change) => {
    expect(await thirdMessage(content(change))).toBeUndefined();
  });

  const who =
    (change: (who: readonly Cbor[]) => Cbor) =>
    ([ed, dsa, w]: readonly Cbor[]): Cbor => [ed as Cbor, dsa as Cbor, change(w as Cbor[])];
  test.each<[string, (c: readonly Cbor[]) => Cbor]>([
    ["a short Ed25519 key", who((w) => w.with(0, new Uint8Array(31)))],
    ["a long ML-DSA key", who((w) => w.with(1, new Uint8Array(1953)))],
    ["a short X25519 key", who((w) => w.with(2, new Uint8Array(31)))],
    ["a short ML-KEM key", who((w) => w.with(3, new Uint8Array(1183)))],
    ["a name that is bytes", who((w) => w.with(4, new Uint8Array(2)))],
    ["a sixth field", who((w) => [...w, null])],
    ["no name", who((w) => w.slice(0, 4))],
  ])("is dropped with %s in a joiner's identity", async (_, change) => {
    expect(await thirdMessage(content(change), "join")).toBeUndefined();
  });

  test.each<[string, (p: Uint8Array) => Uint8Array]>([
    ["is not zero", (p) => p.with(p.length - 1, 1)],
    ["is counted into the content", (p) => p.with(0, (p[0] as number) + 1)],
    ["is longer than there is", (p) => p.with(0, 0xff).with(1, 0xff)],
  ])("is dropped when its padding %s", async (_, change) => {
    expect(await thirdMessage(identity(change))).toBeUndefined();
  });

  test("is read or dropped whatever it is, and never throws", async () => {
    for (const [, data] of NASTY) if (data.length < 30_000) await thirdMessage(identity(() => pad(data, 1136)));
    await fc.assert(
      fc.asyncProperty(anyCbor, anyCbor, fc.constantFrom("member", "join"), async (one, other, purpose) => {
        await thirdMessage(
          content(() => one),
          purpose,
        );
        await thirdMessage(
          content(([ed, dsa]) => [ed as Cbor, dsa as Cbor, other]),
          purpose,
        );
      }),
      FEW,
    );
    await fc.assert(
      fc.asyncProperty(mutationsOf(new Uint8Array(4800 - 1136)), async (data) => {
        await thirdMessage(identity(() => data));
      }),
      FEW,
    );
  });
});

describe("what F4 tells", () => {
  test.each<[string, Cbor, Verdict]>([
    [
      "that we are in",
      [true, 0xffff_ffff, 2, null],
      { accepted: true, index: 0xffff_ffff, aead: "chacha20-poly1305", chain: undefined },
    ],
    [
      "that we are in, with a chain",
      [true, 1, 1, Uint8Array.of(5)],
      { accepted: true, index: 1, aead: "aes-256-gcm", chain: Uint8Array.of(5) },
    ],
    [
      "that we are not, in 500 characters",
      [false, "member/revoked", "x".repeat(500)],
      { accepted: false, code: "member/revoked", message: "x".repeat(500) },
    ],
    [
      "that we are not, with the record",
      [false, "member/revoked", "", new Uint8Array(32_768)],
      { accepted: false, code: "member/revoked", message: "", record: new Uint8Array(32_768) },
    ],
  ])("is read: %s", async (_, told, verdict) => {
    expect(await fourthMessage(telling(told))).toEqual(verdict);
  });

  test.each<[string, Cbor]>([
    ["index 0", [true, 0, 1, null]],
    ["an index of 33 bits", [true, 2 ** 32, 1, null]],
    ["AEAD 0", [true, 1, 0, null]],
    ["AEAD 3", [true, 1, 3, null]],
    ["an AEAD that is text", [true, 1, "1", null]],
    ["a chain that is text", [true, 1, 1, "chain"]],
    ["a fifth field", [true, 1, 1, null, null]],
    ["no chain", [true, 1, 1]],
    ["neither true nor false", [1, 1, 1, null]],
    ["a refusal without a message", [false, "a/b"]],
    ["a refusal with a record that is text", [false, "a/b", "c", "d"]],
    ["a refusal with a record of 32,769 bytes", [false, "a/b", "c", new Uint8Array(32_769)]],
    ["a refusal with a fifth field", [false, "a/b", "c", new Uint8Array(1), null]],
    ["a code that is a number", [false, 7, "c"]],
    ["a code of one word", [false, "revoked", "c"]],
    ["a code in capitals", [false, "Member/Revoked", "c"]],
    ["a code that goes on", [false, "a/b\n", "c"]],
    ["a code of 33 characters", [false, `${"a".repeat(33)}/b`, "c"]],
    ["a message that is bytes", [false, "a/b", new Uint8Array(3)]],
    ["a message of 501 characters", [false, "a/b", "x".repeat(501)]],
    ["a message that a terminal would obey", [false, "a/b", "\u001b[2J"]],
    ["a message of two lines", [false, "a/b", "one\ntwo"]],
    ["a message that turns the direction of writing", [false, "a/b", "\u202e"]],
    ["no list", "no"],
  ])("is dropped: %s", async (_, told) => {
    expect(await fourthMessage(telling(told))).toBeUndefined();
  });

  test.each<[string, (c: readonly Cbor[]) => Cbor]>([
    ["a false Ed25519 signature", ([ed, dsa, told]) => [(ed as Uint8Array).with(0, 1), dsa as Cbor, told as Cbor]],
    ["a false ML-DSA signature", ([ed, dsa, told]) => [ed as Cbor, (dsa as Uint8Array).with(9, 1), told as Cbor]],
    ["a short Ed25519 signature", ([, dsa, told]) => [new Uint8Array(63), dsa as Cbor, told as Cbor]],
    ["a short ML-DSA signature", ([ed, , told]) => [ed as Cbor, new Uint8Array(3308), told as Cbor]],
    ["two fields", (c) => c.slice(0, 2)],
    ["four fields", (c) => [...c, null]],
  ])("is not believed with %s", async (_, change) => {
    expect(await fourthMessage((p) => encodeCbor(change(decodeCbor(p) as Cbor[])))).toBeUndefined();
  });

  test("is read or dropped whatever it is, and never throws", async () => {
    for (const [, data] of NASTY) if (data.length < 30_000) expect(await fourthMessage(always(data))).toBeUndefined();
    await fc.assert(
      fc.asyncProperty(anyCbor, async (told) => {
        await fourthMessage(telling(told));
        expect(await fourthMessage(always(encodeCbor(told)))).toBeUndefined();
      }),
      FEW,
    );
  });
});

describe("what K2 seals", () => {
  async function secondOfKnown(change: (p: Uint8Array) => Uint8Array): Promise<boolean> {
    const self = { certificateHash: i.id, rates: RATES, index: 1 };
    const hello = await createHello(native, random, self, { ...callee(), keys: r.public }, EXCHANGE);
    const opened = hello && (await consumeHello(native, { meshId: MESH_ID, keys: r }, hello.payload, EXCHANGE));
    const to = { rates: RATES, index: 2 };
    const reply = opened && (await createReply(sealing(change), random, to, i.public, opened));
    if (!hello || !reply) throw new Error("no K2");
    return (await consumeReply(native, i, hello, concat(reply.body, new Uint8Array(141)))) !== undefined;
  }

  test.each<[string, (p: Uint8Array) => Uint8Array, boolean]>([
    ["as it is", keep, true],
    ["with the other AEAD", (p) => p.with(4, 2), true],
    ["with AEAD 0", (p) => p.with(4, 0), false],
    ["with AEAD 3", (p) => p.with(4, 3), false],
    ["with index 0", (p) => p.fill(0, 0, 4), false],
    ["with a reserved byte", (p) => p.with(7, 1), false],
  ])("is read or not %s", async (_, change, want) => {
    expect(await secondOfKnown(change)).toBe(want);
  });
});

describe("an index of zero", () => {
  test("in K1 or F1 is dropped", async () => {
    const self = { certificateHash: i.id, rates: RATES, index: 0 };
    const hello = await createHello(native, random, self, { ...callee(), keys: r.public }, EXCHANGE);
    const payload = hello?.payload as Uint8Array;
    expect(await consumeHello(native, { meshId: MESH_ID, keys: r }, payload, EXCHANGE)).toBeUndefined();
    const first = await createFirstHello(native, random, 0, callee(), EXCHANGE);
    expect(await createFirstReply(native, random, shows(), first.payload, EXCHANGE)).toBeUndefined();
  });
});

describe("keys on the wire", () => {
  const LOW_ORDER = new Uint8Array(32);
  const MALFORMED = new Uint8Array(1184).fill(0xff); // coefficients of 4095

  test.each([
    ["a point of low order", { ephemeralX25519: LOW_ORDER }],
    ["a malformed ML-KEM key", { ephemeralMlKem: MALFORMED }],
  ])("of an initiator that are %s are dropped, in F1 and in K1, and would not be answered", async (_, over) => {
    const hello = await createFirstHello(native, random, 1, callee(), EXCHANGE);
    const values = FirstHello.decode(hello.payload);
    if (!values) throw new Error("no F1");
    const f1 = FirstHello.encode({ ...values, ...over });
    expect(await createFirstReply(native, random, shows(), f1, EXCHANGE)).toBeUndefined();
    const self = { certificateHash: i.id, rates: RATES, index: 1 };
    const k1 = await createHello(native, random, self, { ...callee(), keys: r.public }, EXCHANGE);
    const opened = k1 && (await consumeHello(native, { meshId: MESH_ID, keys: r }, k1.payload, EXCHANGE));
    if (!opened) throw new Error("no K1");
    const sent = InitHello.encode({ ...opened.hello, ...over });
    expect(await consumeHello(native, { meshId: MESH_ID, keys: r }, sent, EXCHANGE)).toBeUndefined();
    const changed = { ...opened, hello: { ...opened.hello, ...over } };
    expect(await createReply(native, random, { rates: RATES, index: 2 }, i.public, changed)).toBeUndefined();
  });

  test.each([
    ["a point of low order", { x25519: LOW_ORDER }],
    ["a malformed ML-KEM key", { mlKem768: MALFORMED }],
  ])("of a member that are %s are not called, and not answered", async (_, over) => {
    const bad = { ...r.public, ...over };
    const self = { certificateHash: i.id, rates: RATES, index: 1 };
    expect(await createHello(native, random, self, { ...callee(), keys: bad }, EXCHANGE)).toBeUndefined();
    const k1 = await createHello(native, random, self, { ...callee(), keys: r.public }, EXCHANGE);
    const opened = k1 && (await consumeHello(native, { meshId: MESH_ID, keys: r }, k1.payload, EXCHANGE));
    if (!opened) throw new Error("no K1");
    const answer = { rates: RATES, index: 2 };
    expect(await createReply(native, random, answer, { ...i.public, ...over }, opened)).toBeUndefined();
    const hello = await createFirstHello(native, random, 1, callee(), EXCHANGE);
    const reply = await createFirstReply(native, random, shows(), hello.payload, EXCHANGE);
    const shown = reply && (await consumeFirstReply(native, hello, reply.payload));
    if (!reply || !shown) throw new Error("no F2");
    const caller = { purpose: "member", chain: Uint8Array.of(3) } as const;
    const who = { keys: i, rates: RATES };
    const f3 = createIdentity(native, random, who, caller, bad, shown.state, hello.ephemeral);
    expect(await f3).toBeUndefined();
    const verdict = { accepted: false, code: "a/b", message: "" } as const;
    const f4 = createAnswer(native, random, r, { ...i.public, ...over }, reply.ephemeral, shown.state, verdict);
    expect(await f4).toBeUndefined();
  });

  test("of a responder that are of low order are dropped, in K2, F2 and F4", async () => {
    const self = { certificateHash: i.id, rates: RATES, index: 1 };
    const k1 = await createHello(native, random, self, { ...callee(), keys: r.public }, EXCHANGE);
    expect(k1 && (await consumeReply(native, i, k1, new Uint8Array(2373)))).toBeUndefined();
    const hello = await createFirstHello(native, random, 1, callee(), EXCHANGE);
    expect(await consumeFirstReply(native, hello, new Uint8Array(1200))).toBeUndefined();
    const answer = consumeAnswer(native, i, r.public, LOW_ORDER, hello.chain, new Uint8Array(1200));
    expect(await answer).toBeUndefined();
  });
});

describe("messages of any bytes", () => {
  test("are read or dropped, and never throw", async () => {
    const self = { certificateHash: i.id, rates: RATES, index: 1 };
    const k1 = await createHello(native, random, self, { ...callee(), keys: r.public }, EXCHANGE);
    const f1 = await createFirstHello(native, random, 1, callee(), EXCHANGE);
    const f2 = await createFirstReply(native, random, shows(), f1.payload, EXCHANGE);
    if (!k1 || !f2) throw new Error("no messages");
    const shown = (await consumeFirstReply(native, f1, f2.payload)) as Shown;
    await fc.assert(
      fc.asyncProperty(
        mutationsOf(k1.payload),
        mutationsOf(f1.payload),
        mutationsOf(f2.payload),
        async (first, second, third) => {
          const at = { meshId: MESH_ID, keys: r };
          for (const m of [first, second, third, new Uint8Array(2373).fill(9), new Uint8Array(1200).fill(9)]) {
            const whole = m.length === InitHello.size && m.every((b, n) => b === k1.payload[n]);
            expect((await consumeHello(native, at, m, EXCHANGE)) === undefined).toBe(!whole);
            expect(await consumeReply(native, i, k1, m)).toBeUndefined();
            expect(isUnknown(native, k1, m)).toBe(false);
            await createFirstReply(native, random, shows(), m, EXCHANGE);
            await consumeFirstReply(native, f1, m);
            expect(await consumePurpose(native, r, f2, m)).toBeUndefined();
            expect(await consumeAnswer(native, i, r.public, shown.responderEphemeral, shown.state, m)).toBeUndefined();
          }
        },
      ),
      FEW,
    );
  });

  test("instead of `unknown` are not believed, and it leaves the exchange usable", async () => {
    const self = { certificateHash: i.id, rates: RATES, index: 1 };
    const hello = await createHello(native, random, self, { ...callee(), keys: r.public }, EXCHANGE);
    const opened = hello && (await consumeHello(native, { meshId: MESH_ID, keys: r }, hello.payload, EXCHANGE));
    if (!hello || !opened) throw new Error("no K1");
    const unknown = createUnknown(native, opened);
    for (let n = 0; n < unknown.length; n++)
      expect(isUnknown(native, hello, unknown.with(n, (unknown[n] as number) ^ 1))).toBe(false);
    expect(isUnknown(native, hello, concat(unknown, Uint8Array.of(0)))).toBe(false);
    expect([isUnknown(native, hello, unknown), isUnknown(native, hello, unknown)]).toEqual([true, true]);
  });
});

describe("padding", () => {
  test("gives back the content, and lengths in steps of 4800 only", async () => {
    await fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12_000 }), fc.nat(5000), (data, around) => {
        const padded = pad(data, around);
        expect((padded.length + around) % 4800).toBe(0);
        expect(padded.length + around - 4800).toBeLessThan(data.length + around + 2);
        expect(unpad(padded)).toEqual(data);
      }),
    );
    expect([unpad(new Uint8Array(0)), unpad(new Uint8Array(1)), unpad(Uint8Array.of(1, 0))]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(unpad(Uint8Array.of(0, 0))).toEqual(new Uint8Array(0));
  });
});
