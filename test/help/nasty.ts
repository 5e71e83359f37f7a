/**
 * Nasty inputs for parsers. A frozen list of CBOR that is wrong in one way each, and, for any encoding that is right, its
 * truncations and every lie that one of its heads can tell. A parser may refuse, and must not throw.
 */
import * as fc from "fast-check";
import { concat, fromHex } from "../../runtime/base/bytes.ts";
import { type Cbor, decodeCbor } from "../../runtime/base/cbor.ts";

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(" ", "")) as Uint8Array;
const times = (n: number, byte: number): Uint8Array => new Uint8Array(n).fill(byte);

/** Name and bytes. */
export const NASTY: readonly (readonly [string, Uint8Array])[] = [
  ["nothing", hex("")],
  ["one byte", hex("00")],
  ["a break alone", hex("ff")],
  ["an empty list", hex("80")],
  ["an empty map", hex("a0")],
  ["a list that says 2^32 items", hex("9b0000000100000000")],
  ["a list that says 2^64-1 items", hex("9bffffffffffffffff")],
  ["a map that says 2^32 entries", hex("bb0000000100000000")],
  ["bytes that say 2^31", hex("5a80000000 00")],
  ["bytes that say 2^64-1", hex("5bffffffffffffffff 00")],
  ["text that says 2^53", hex("7b0020000000000000 61")],
  ["a list of indefinite length", hex("9f 01 ff")],
  ["bytes of indefinite length", hex("5f 41 00 41 00 ff")],
  ["a map of indefinite length", hex("bf 01 00 ff")],
  ["a list without end", times(500, 0x9f)],
  ["forty thousand lists in each other", times(40_000, 0x81)],
  ["forty thousand maps in each other", concat(...Array.from({ length: 20_000 }, () => hex("a100")))],
  ["forty thousand tags", times(40_000, 0xc1)],
  ["a key twice", hex("a2 01 00 01 00")],
  ["a key twice, as text", hex("a2 6131 00 6131 00")],
  ["keys out of order", hex("a2 02 00 01 00")],
  ["a key that is a float", hex("a1 f93c00 00")],
  ["the key __proto__", hex("a1 69 5f5f70726f746f5f5f a0")],
  ["a number in a longer form", hex("1800")],
  ["a length in a longer form", hex("5800")],
  ["a length in the longest form", hex("5b0000000000000001 00")],
  ["a float", hex("fb3ff199999999999a")],
  ["minus zero", hex("f98000")],
  ["not-a-number", hex("f97e00")],
  ["undefined", hex("f7")],
  ["text that is no UTF-8", hex("64 c3 28 80 ff")],
  ["text that is a lone surrogate", hex("63 eda080")],
  ["text that is overlong", hex("62 c0af")],
  ["a byte behind the end", hex("80 00")],
  ["a certificate's shape with nothing in it", hex("84 40 a0 40 80")],
  ["a COSE list whose signatures are one", hex("84 40 a0 40 81 83 40 a0 40")],
  ["a COSE list whose signatures are lists", hex("84 40 a0 40 82 80 80")],
];

interface Head {
  readonly at: number;
  readonly size: number;
  readonly major: number;
  readonly argument: bigint;
}

/** Heads of a CBOR encoding: where each stands and how long it is. Only for encodings that are right. */
function headsOf(data: Uint8Array): Head[] {
  const heads: Head[] = [];
  for (let at = 0; at < data.length; ) {
    const first = data[at] as number;
    const size = (first & 31) < 24 ? 1 : 1 + (1 << ((first & 31) - 24));
    const argument =
      size === 1 ? BigInt(first & 31) : data.subarray(at + 1, at + size).reduce((n, b) => (n << 8n) | BigInt(b), 0n);
    const major = first >> 5;
    heads.push({ at, size, major, argument });
    at += size + (major === 2 || major === 3 ? Number(argument) : 0);
  }
  return heads;
}

/** A head of any width, shortest or not. */
function head(major: number, argument: bigint, wide: number): Uint8Array {
  if (wide === 0) return Uint8Array.of((major << 5) | Number(argument & 31n));
  const out = new Uint8Array(1 + (1 << (wide - 1)));
  out[0] = (major << 5) | (23 + wide);
  for (let i = out.length - 1, n = argument; i > 0; i--, n >>= 8n) out[i] = Number(n & 0xffn);
  return out;
}

const width = (length: number): number => (length < 24 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3);

/**
 * Every variant of `data` in which one head says something else, something longer, or nothing at all; heads inside of byte
 * strings as well, with the byte string's own length made right.
 */
export function* liesOf(data: Uint8Array): Generator<Uint8Array> {
  for (const { at, size, major, argument } of headsOf(data)) {
    const [before, after] = [data.subarray(0, at), data.subarray(at + size)];
    const content = after.subarray(0, Number(argument));
    if (major === 2 && content.length > 1 && decodeCbor(content) !== undefined)
      for (const lie of liesOf(content))
        yield concat(before, head(2, BigInt(lie.length), width(lie.length)), lie, after.subarray(content.length));
    const changes = [
      head(major, argument + 1n, size === 1 && argument < 23n ? 0 : 3),
      head(major, argument > 0n ? argument - 1n : 23n, size === 1 ? 0 : 3),
      ...[1, 2, 3, 4].map((w) => head(major, argument, w)), // three of them longer than they need be
      head(major, 2n ** 32n, 4),
      head(major, 2n ** 64n - 1n, 4),
      Uint8Array.of((major << 5) | 31), // of indefinite length
      Uint8Array.of((major << 5) | 28), // reserved
      ...[0, 1, 2, 3, 4, 5, 6, 7].filter((m) => m !== major).map((m) => head(m, argument, size === 1 ? 0 : 2)),
      new Uint8Array(0),
      concat(Uint8Array.of(0xc1), data.subarray(at, at + size)), // tagged
    ];
    for (const change of changes) yield concat(before, change, after);
  }
}

/** `data` cut off at up to `count` places, and continued. */
export function* cutsOf(data: Uint8Array, count = 300): Generator<Uint8Array> {
  const step = Math.max(1, Math.floor(data.length / count));
  for (let n = 0; n < data.length; n += step) yield data.subarray(0, n);
  yield data.subarray(0, -1);
  yield concat(data, Uint8Array.of(0));
  yield concat(data, data);
}

/** Bytes of any kind, and `data` with some of its bytes changed, left out or doubled. */
export const mutationsOf = (data: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc
      .array(fc.tuple(fc.nat(data.length), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((changes) =>
        changes.reduce((d, [at, value]) => (at < d.length ? d.with(at, value) : d), Uint8Array.from(data)),
      ),
    fc.tuple(fc.nat(data.length), fc.nat(40)).map(([at, n]) => concat(data.subarray(0, at), data.subarray(at + n))),
    fc.tuple(fc.nat(data.length), fc.nat(40)).map(([at, n]) => concat(data.subarray(0, at + n), data.subarray(at))),
  );

const scalar: fc.Arbitrary<Cbor> = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -30, max: 300 }),
  fc.string({ unit: "grapheme" }),
  fc.uint8Array({ maxLength: 40 }),
  fc.boolean(),
  fc.constant(null),
);

/** Any value that CBOR of ours can say, three levels deep. */
export const anyCbor: fc.Arbitrary<Cbor> = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    scalar,
    fc.array(tie("value"), { maxLength: 6 }),
    fc
      .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 12 }), tie("value")), { maxLength: 4, selector: ([k]) => k })
      .map((rows) => new Map(rows)),
  ),
})).value;
