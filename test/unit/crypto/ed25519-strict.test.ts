/** Where Ed25519 implementations are known to differ, the two providers must not. */
import { describe, expect, test } from "bun:test";
import { ed25519 as curve } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import * as fc from "fast-check";
import { concat, fromHex, utf8 } from "../../../runtime/base/bytes.ts";
import { isUsableEd25519Key } from "../../../runtime/crypto/ed25519-key.ts";
import { bytes, PROVIDERS } from "./both-providers.ts";

const { Point } = curve;
const ORDER = Point.Fn.ORDER;
const MESSAGE = utf8("a message");

/** A point of order eight, and its multiples: all points of small order. */
const EIGHTH = Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
const SMALL_ORDER = Array.from({ length: 8 }, (_, i) => EIGHTH.multiplyUnsafe(BigInt(i)));

const le = (n: bigint): Uint8Array => (fromHex(n.toString(16).padStart(64, "0")) as Uint8Array).reverse();
const integer = (b: Uint8Array): bigint => b.reduceRight((sum, x) => (sum << 8n) | BigInt(x), 0n);
const challenge = (r: Uint8Array, a: Uint8Array): bigint => integer(sha512(concat(r, a, MESSAGE))) % ORDER;

/** A signature by `secret` (a scalar) whose key and commitment carry points of small order. */
function withTorsion(
  secret: bigint,
  nonce: bigint,
  onKey: number,
  onR: number,
): { key: Uint8Array; signature: Uint8Array } {
  const key = Point.BASE.multiplyUnsafe(secret)
    .add(SMALL_ORDER[onKey] as typeof EIGHTH)
    .toBytes();
  const r = Point.BASE.multiplyUnsafe(nonce)
    .add(SMALL_ORDER[onR] as typeof EIGHTH)
    .toBytes();
  const s = (nonce + challenge(r, key) * secret) % ORDER;
  return { key, signature: concat(r, le(s)) };
}

test("the eight points of small order are refused as keys, in every encoding of them", () => {
  const p = 2n ** 255n - 19n;
  for (const point of SMALL_ORDER) {
    const encoded = point.toBytes();
    const y = integer(encoded) & (2n ** 255n - 1n);
    const encodings = [y, ...(y + p < 2n ** 255n ? [y + p] : [])].flatMap((v) => [le(v), le(v | (2n ** 255n))]);
    for (const encoding of [encoded, ...encodings]) expect(isUsableEd25519Key(encoding)).toBe(false);
  }
});

test("keys that encode y as p or more are refused, and ordinary keys are not", async () => {
  for (let y = 2n ** 255n - 19n; y < 2n ** 255n; y++) expect(isUsableEd25519Key(le(y))).toBe(false);
  await fc.assert(
    fc.property(bytes(32), (secret) => expect(isUsableEd25519Key(curve.getPublicKey(secret))).toBe(true)),
    { numRuns: 20 },
  );
});

describe.each(PROVIDERS)("%s", (_, crypto) => {
  const scalar = 0x1234_5678_9abc_def0_1234_5678n;

  test("verifies the hand-made signature when nothing is wrong with it", () => {
    const { key, signature } = withTorsion(scalar, 77n, 0, 0);
    expect(crypto.ed25519.verify(key, MESSAGE, signature)).toBe(true);
  });

  test("refuses every signature under a key of small order, where S = 0 would fit any message", () => {
    for (const point of SMALL_ORDER)
      for (const r of SMALL_ORDER)
        expect(crypto.ed25519.verify(point.toBytes(), MESSAGE, concat(r.toBytes(), new Uint8Array(32)))).toBe(false);
  });

  test("refuses S plus the group order: signatures are not malleable", () => {
    const { key, signature } = withTorsion(scalar, 77n, 0, 0);
    const malleable = concat(signature.subarray(0, 32), le(integer(signature.subarray(32)) + ORDER));
    expect(crypto.ed25519.verify(key, MESSAGE, malleable)).toBe(false);
  });

  test("takes the equation without cofactor: a commitment with a point of small order on it is refused", () => {
    for (let onR = 1; onR < 8; onR++) {
      const { key, signature } = withTorsion(scalar, 77n, 0, onR);
      expect(curve.verify(signature, MESSAGE, key, { zip215: false })).toBe(true); // with cofactor it would hold
      expect(crypto.ed25519.verify(key, MESSAGE, signature)).toBe(false);
    }
  });

  test("decides alike for keys with a point of small order on them: by the equation alone", () => {
    const verdicts = new Set<boolean>();
    for (let nonce = 1n; nonce < 20n; nonce++)
      for (let onKey = 1; onKey < 8; onKey += 3) {
        const { key, signature } = withTorsion(scalar, nonce, onKey, 0);
        const multiple = (challenge(signature.subarray(0, 32), key) * BigInt(onKey)) % 8n;
        const verdict = crypto.ed25519.verify(key, MESSAGE, signature);
        expect(verdict).toBe(multiple === 0n);
        verdicts.add(verdict);
      }
    expect([...verdicts].sort()).toEqual([false, true]);
  });
});
