/** The providers give the same bytes, and accept and refuse the same input. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { concat, fromHex } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { noble } from "../../../runtime/crypto/noble.ts";
import type { AeadName, CryptoProvider } from "../../../runtime/crypto/provider.ts";
import { bytes, pattern, upTo } from "./both-providers.ts";

const BOTH_WAYS = [
  ["native", "noble", native, noble],
  ["noble", "native", noble, native],
] as const;
const FEW = { numRuns: 20 }; // portable lattice operations take milliseconds
const flipped = (data: Uint8Array, at: number): Uint8Array => data.with(at, (data[at] as number) ^ 1);

/** `compute` gives the same with both. */
const same = (compute: (crypto: CryptoProvider) => unknown): void => expect(compute(native)).toEqual(compute(noble));

test("both hash, authenticate and derive the same, in one part or many", async () => {
  await fc.assert(
    fc.property(upTo(200), upTo(200), upTo(200), fc.integer({ min: 0, max: 300 }), (a, b, c, length) => {
      same((p) => p.sha256(a, b, c));
      same((p) => p.hmacSha256(a, b, c));
      same((p) => p.hkdfExtract(a, b));
      same((p) => p.hkdfExpand(p.hkdfExtract(a, b), c, length));
      expect(native.sha256(a, b)).toEqual(noble.sha256(concat(a, b)));
    }),
  );
});

test("both refuse to expand beyond 255 blocks and give exactly that many", () => {
  same((p) => p.hkdfExpand(pattern(32), pattern(3), 8160));
  for (const p of [native, noble]) expect(() => p.hkdfExpand(pattern(32), pattern(3), 8161)).toThrow();
});

describe.each<[AeadName]>([["aes-256-gcm"], ["chacha20-poly1305"]])("%s", (name) => {
  test("both seal the same and open what the other sealed", async () => {
    await fc.assert(
      fc.property(bytes(32), bytes(12), upTo(50), upTo(300), (key, nonce, aad, plaintext) => {
        same((p) => p.aead[name].seal(key, nonce, aad, plaintext));
        const sealed = native.aead[name].seal(key, nonce, aad, plaintext);
        expect(sealed.length).toBe(plaintext.length + 16);
        same((p) => p.aead[name].open(key, nonce, aad, sealed));
        expect(noble.aead[name].open(key, nonce, aad, sealed)).toEqual(plaintext);
      }),
    );
  });

  test("both refuse a changed byte anywhere, other associated data, and anything shorter than a tag", async () => {
    const [key, nonce, aad] = [pattern(32), pattern(12), pattern(9)];
    const sealed = native.aead[name].seal(key, nonce, aad, pattern(20));
    const refused = (data: Uint8Array, over = aad): void => {
      for (const p of [native, noble]) expect(p.aead[name].open(key, nonce, over, data)).toBeUndefined();
    };
    for (let at = 0; at < sealed.length; at++) refused(flipped(sealed, at));
    for (let length = 0; length < sealed.length; length++) refused(sealed.subarray(0, length));
    refused(sealed, pattern(10));
  });

  test("a key of a wrong length is our own mistake and throws", () => {
    for (const p of [native, noble])
      expect(() => p.aead[name].seal(pattern(31), pattern(12), pattern(0), pattern(1))).toThrow();
  });
});

test("X25519: both derive the same public key and secret, and refuse the same points", async () => {
  await fc.assert(
    fc.property(bytes(32), bytes(32), (secret, point) => {
      same((p) => p.x25519.publicKey(secret));
      same((p) => p.x25519.agree(secret, point));
    }),
  );
});

/** u coordinates of the points whose order divides eight, on the curve and its twist, in every encoding (RFC 7748 §6.1). */
const P = 2n ** 255n - 19n;
const ORDER_8 = [
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
];
const LOW_ORDER = [0n, 1n, P - 1n, ...ORDER_8, P, P + 1n];
const le = (n: bigint): Uint8Array => (fromHex(n.toString(16).padStart(64, "0")) as Uint8Array).reverse();
const TOP_BIT = 2n ** 255n; // masked away by RFC 7748 §5

test("X25519: both refuse every point of low order, however it is encoded", async () => {
  const encodings = LOW_ORDER.flatMap((u) => [u, u | TOP_BIT].map(le));
  await fc.assert(
    fc.property(bytes(32), (secret) => {
      for (const p of [native, noble]) for (const u of encodings) expect(p.x25519.agree(secret, u)).toBeUndefined();
    }),
    FEW,
  );
});

test("X25519: both read coordinates beyond the prime, and with the top bit set, as the same point", () => {
  const secret = pattern(32);
  const nine = native.x25519.agree(secret, le(9n));
  expect(nine).toBeDefined();
  for (const p of [native, noble])
    for (const u of [9n, 9n | TOP_BIT, 9n + P, (9n + P) | TOP_BIT]) expect(p.x25519.agree(secret, le(u))).toEqual(nine);
});

test.each([
  ["the point zero", new Uint8Array(32)],
  ["the point one", new Uint8Array(32).with(0, 1)],
  ["31 bytes", pattern(31)],
  ["33 bytes", pattern(33)],
  ["no bytes", pattern(0)],
])("X25519: both refuse %s", (_, point) => {
  for (const p of [native, noble]) expect(p.x25519.agree(pattern(32), point)).toBeUndefined();
});

test("Ed25519: both derive the same key, sign the same and verify each other", async () => {
  await fc.assert(
    fc.property(bytes(32), upTo(200), (secret, message) => {
      same((p) => p.ed25519.publicKey(secret));
      same((p) => p.ed25519.sign(secret, message));
      const [key, signature] = [native.ed25519.publicKey(secret), native.ed25519.sign(secret, message)];
      for (const p of [native, noble]) {
        expect(p.ed25519.verify(key, message, signature)).toBe(true);
        expect(p.ed25519.verify(key, concat(message, Uint8Array.of(0)), signature)).toBe(false);
        expect(p.ed25519.verify(key, message, concat(signature, Uint8Array.of(0)))).toBe(false);
      }
    }),
    FEW,
  );
});

describe.each(BOTH_WAYS)("with keys of %s used by %s", (_, __, one, other) => {
  test("a secret encapsulated by the one is decapsulated by the other", async () => {
    await fc.assert(
      fc.asyncProperty(bytes(64), bytes(32), async (seed, random) => {
        const key = await one.mlKem768.publicKey(seed);
        const made = await other.mlKem768.encapsulate(key, random);
        expect(await one.mlKem768.decapsulate(seed, made?.ciphertext as Uint8Array)).toEqual(
          made?.secret as Uint8Array,
        );
        expect(await other.mlKem768.decapsulate(seed, made?.ciphertext as Uint8Array)).toEqual(
          made?.secret as Uint8Array,
        );
      }),
      FEW,
    );
  });

  test("a signature of the one holds for the other under its context, and under no other", async () => {
    await fc.assert(
      fc.asyncProperty(bytes(32), upTo(100), upTo(255), async (seed, message, context) => {
        const signature = await one.mlDsa65.sign(seed, message, context);
        const key = await other.mlDsa65.publicKey(seed);
        expect(await other.mlDsa65.verify(key, message, context, signature)).toBe(true);
        expect(await other.mlDsa65.verify(key, message, pattern((context.length + 1) % 256), signature)).toBe(false);
      }),
      FEW,
    );
  });
});

test("ML-KEM: both derive the same key and give the same secret for any ciphertext, forged ones included", async () => {
  await fc.assert(
    fc.asyncProperty(bytes(64), bytes(1088), async (seed, ciphertext) => {
      expect(await native.mlKem768.publicKey(seed)).toEqual(await noble.mlKem768.publicKey(seed));
      const secret = await native.mlKem768.decapsulate(seed, ciphertext);
      expect(secret).toHaveLength(32);
      expect(secret).toEqual(await noble.mlKem768.decapsulate(seed, ciphertext));
    }),
    FEW,
  );
});

test.each([
  ["too short", pattern(1183)],
  ["too long", pattern(1185)],
  ["empty", pattern(0)],
  ["with coefficients of 4095", new Uint8Array(1184).fill(0xff)],
  ["with a first coefficient of q", new Uint8Array(1184).with(0, 0x01).with(1, 0x0d)],
  ["with a last coefficient of q", new Uint8Array(1184).with(1150, 0x10).with(1151, 0xd0)],
])("ML-KEM: both refuse a key that is %s", async (_, key) => {
  for (const p of [native, noble]) expect(await p.mlKem768.encapsulate(key, pattern(32))).toBeUndefined();
});

test("ML-KEM: both take a key whose coefficients are q - 1 or zero", async () => {
  for (const key of [new Uint8Array(1184), new Uint8Array(1184).with(0, 0x00).with(1, 0x0d)])
    for (const p of [native, noble]) expect(await p.mlKem768.encapsulate(key, pattern(32))).toBeDefined();
});

test.each([[0], [1087], [1089]])("ML-KEM: both refuse a ciphertext of %d bytes", async (length) => {
  for (const p of [native, noble]) expect(await p.mlKem768.decapsulate(pattern(64), pattern(length))).toBeUndefined();
});

test("ML-KEM: noble repeats an encapsulation with the same randomness, native never does", async () => {
  const key = await native.mlKem768.publicKey(pattern(64));
  const twice = async (p: CryptoProvider) =>
    Promise.all([p.mlKem768.encapsulate(key, pattern(32)), p.mlKem768.encapsulate(key, pattern(32))]);
  const [a, b] = await twice(noble);
  expect(a).toEqual(b);
  const [c, d] = await twice(native);
  expect(c).not.toEqual(d);
});

test("ML-DSA: both refuse keys and signatures of wrong length, and contexts over 255 bytes, without throwing", async () => {
  const [seed, message, context] = [pattern(32), pattern(5), pattern(7)];
  const key = await native.mlDsa65.publicKey(seed);
  expect(await noble.mlDsa65.publicKey(seed)).toEqual(key);
  const signature = await native.mlDsa65.sign(seed, message, context);
  for (const p of [native, noble]) {
    for (const bad of [pattern(0), key.subarray(1), concat(key, pattern(1))])
      expect(await p.mlDsa65.verify(bad, message, context, signature)).toBe(false);
    for (const bad of [pattern(0), signature.subarray(1), concat(signature, pattern(1)), flipped(signature, 100)])
      expect(await p.mlDsa65.verify(key, message, context, bad)).toBe(false);
    expect(await p.mlDsa65.verify(key, message, pattern(256), signature)).toBe(false);
    await expect(p.mlDsa65.sign(seed, message, pattern(256))).rejects.toThrow();
  }
});

test("secrets of a wrong length are our own mistake and throw", async () => {
  for (const p of [native, noble]) {
    expect(() => p.x25519.publicKey(pattern(31))).toThrow();
    expect(() => p.ed25519.sign(pattern(31), pattern(1))).toThrow();
    await expect(p.mlKem768.publicKey(pattern(63))).rejects.toThrow();
    await expect(p.mlDsa65.publicKey(pattern(33))).rejects.toThrow();
  }
});
