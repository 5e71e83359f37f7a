import { describe, expect, test } from "bun:test";
import { encode as encodeByCborg, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { fromHex, toHex } from "../../../runtime/base/bytes.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../../../runtime/base/cbor.ts";

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(" ", "")) as Uint8Array;

/** Integers as the decoder gives them: bigint only where a number is not exact. */
const integer = fc
  .bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n })
  .map((n) => (Number.isSafeInteger(Number(n)) ? Number(n) : n));
const scalar: fc.Arbitrary<Cbor> = fc.oneof(
  integer,
  fc.integer({ min: -30, max: 300 }),
  fc.string({ unit: "grapheme" }),
  fc.uint8Array({ maxLength: 40 }),
  fc.boolean(),
  fc.constant(null),
);
const key = fc.oneof(fc.maxSafeInteger(), fc.string({ maxLength: 30 }));
const value: fc.Arbitrary<Cbor> = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.uniqueArray(fc.tuple(key, tie("value")), { maxLength: 4, selector: ([k]) => k }).map((rows) => new Map(rows)),
  ),
})).value;

test("every value comes back from its encoding, which is the one that another implementation gives", async () => {
  await fc.assert(
    fc.property(value, (v) => {
      const encoded = encodeCbor(v);
      expect(toHex(encoded)).toBe(toHex(encodeByCborg(v, rfc8949EncodeOptions)));
      expect(decodeCbor(encoded)).toEqual(v);
    }),
    { numRuns: 500 },
  );
});

test("whatever decodes is the encoding of what it decodes to, and nothing throws", async () => {
  const near = fc.tuple(value, fc.nat(), fc.nat(255)).map(([v, at, byte]) => {
    const encoded = encodeCbor(v);
    return encoded.with(at % encoded.length, byte);
  });
  await fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), near), (data) => {
      const decoded = decodeCbor(data);
      if (decoded !== undefined) expect(toHex(encodeCbor(decoded))).toBe(toHex(data));
    }),
    { numRuns: 2000 },
  );
});

describe("an encoding is refused", () => {
  test.each([
    ["that is empty", ""],
    ["with a byte behind it", "00 00"],
    ["of 23 in two bytes", "18 17"],
    ["of 255 in three bytes", "19 00ff"],
    ["of 65535 in five bytes", "1a 0000ffff"],
    ["of 2^32-1 in nine bytes", "1b 00000000ffffffff"],
    ["of -1 in two bytes", "38 00"],
    ["whose argument is cut off", "19 00"],
    ["whose bytes are cut off", "43 0102"],
    ["whose text is cut off", "63 6162"],
    ["whose list is cut off", "82 00"],
    ["whose map is cut off before a key", "a1"],
    ["whose map is cut off before a value", "a1 01"],
    ["of 2^32 items", "9b 0000000100000000"],
    ["of 2^64-1 items", "9b ffffffffffffffff"],
    ["of 2^32 entries", "bb 0000000100000000"],
    ["of 2^64-1 bytes", "5b ffffffffffffffff"],
    ["of 2^64-1 characters", "7b ffffffffffffffff"],
    ["with a list of indefinite length", "9f 00 ff"],
    ["with a map of indefinite length", "bf 01 00 ff"],
    ["with bytes of indefinite length", "5f 41 00 ff"],
    ["with text of indefinite length", "7f 61 61 ff"],
    ["with a break alone", "ff"],
    ["with reserved additional information", "1c"],
    ["with a tag", "c0 00"],
    ["with a float", "f9 3e00"],
    ["with a whole number as a float", "f9 3c00"],
    ["with a double", "fb 3ff8000000000000"],
    ["with not-a-number", "f9 7e00"],
    ["with undefined", "f7"],
    ["with a simple value", "e0"],
    ["with false in two bytes", "f8 14"],
    ["with a key twice", "a2 01 00 01 01"],
    ["with keys out of order", "a2 02 00 01 00"],
    ["with a longer key before a shorter one", "a2 6161 00 18 64 00"],
    ["with a key that is bytes", "a1 41 01 00"],
    ["with a key that is true", "a1 f5 00"],
    ["with a key that is a list", "a1 80 00"],
    ["with a key beyond exact integers", "a1 1b ffffffffffffffff 00"],
    ["with text that is no UTF-8", "61 ff"],
    ["with text that is an overlong form", "62 c080"],
    ["with text that is a surrogate", "63 eda080"],
    ["of nine levels", "81 81 81 81 81 81 81 81 00"],
    ["of nine levels of maps", "a1 00 a1 00 a1 00 a1 00 a1 00 a1 00 a1 00 a1 00 00"],
  ])("%s", (_, text) => {
    expect(decodeCbor(hex(text))).toBeUndefined();
  });
});

test.each<[string, string, Cbor]>([
  ["a byte order mark, which is a character", "64 efbbbf41", "\uFEFFA"],
  ["the largest integer", "1b ffffffffffffffff", 2n ** 64n - 1n],
  ["the smallest integer", "3b ffffffffffffffff", -(2n ** 64n)],
  ["eight levels", "81 81 81 81 81 81 81 00", [[[[[[[0]]]]]]]],
])("%s is read", (_, text, want) => {
  expect(decodeCbor(hex(text))).toEqual(want);
});

test("bytes that were decoded are copies: what becomes of the input does not change them", () => {
  const data = Buffer.from("4101", "hex");
  const decoded = decodeCbor(data) as Uint8Array;
  data.fill(0);
  expect([...decoded]).toEqual([1]);
});

test.each([[1.5], [Number.NaN], [2 ** 53], [2n ** 64n], [-(2n ** 64n) - 1n]])(
  "%p is no integer of ours: a bug of the caller",
  (n) => {
    expect(() => encodeCbor(n)).toThrow(RangeError);
  },
);

test("forty thousand brackets cost no more than the first eight", () => {
  const deep = new Uint8Array(40_000).fill(0x81);
  deep[deep.length - 1] = 0;
  expect(decodeCbor(deep)).toBeUndefined();
});
