import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { compare, concat, equal, fromHex, fromUtf8, letGo, toHex, utf8, wipe } from "../../../runtime/base/bytes.ts";
import { randomBelow, randomIndex } from "../../../runtime/base/random.ts";

const any = fc.uint8Array({ maxLength: 40 });

describe("bytes", () => {
  test("joined are one after the other", async () => {
    await fc.assert(
      fc.property(fc.array(any, { maxLength: 5 }), (parts) => {
        expect([...concat(...parts)]).toEqual(parts.flatMap((p) => [...p]));
      }),
    );
  });

  test("are equal when they are the same in length and content, and ordered as their hex text is", async () => {
    await fc.assert(
      fc.property(any, any, (a, b) => {
        expect(equal(a, b)).toBe(toHex(a) === toHex(b));
        expect(equal(a, Uint8Array.from(a))).toBe(true);
        expect(Math.sign(compare(a, b))).toBe(Math.sign(Number(toHex(a) > toHex(b)) - Number(toHex(a) < toHex(b))));
      }),
    );
    for (let bit = 0; bit < 8; bit++) expect(equal(Uint8Array.of(0, 0), Uint8Array.of(0, 1 << bit))).toBe(false);
    expect(equal(Uint8Array.of(1), Uint8Array.of(1, 0))).toBe(false);
  });

  test("come back from their hex text, whatever its case", async () => {
    await fc.assert(
      fc.property(any, (a) => {
        expect(fromHex(toHex(a))).toEqual(a);
        expect(fromHex(toHex(a).toUpperCase())).toEqual(a);
      }),
    );
    expect(toHex(Uint8Array.of(0, 0x0a, 0xff))).toBe("000aff");
  });

  test.each(["0", "abc", "0g", " 00", "00 ", "0x00", "00\n"])("are not the hex text %p", (text) => {
    expect(fromHex(text)).toBeUndefined();
  });

  test("come back as text when they are UTF-8, a byte order mark included", async () => {
    await fc.assert(fc.property(fc.string({ unit: "grapheme" }), (t) => expect(fromUtf8(utf8(t))).toBe(t)));
    expect(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe("\uFEFFA");
  });

  test.each([[[0xff]], [[0xc0, 0xaf]], [[0xed, 0xa0, 0x80]], [[0xe2, 0x82]], [[0xf4, 0x90, 0x80, 0x80]]])(
    "%p are no text",
    (list) => {
      expect(fromUtf8(Uint8Array.from(list))).toBeUndefined();
    },
  );

  test("that were let go of are gone; a part of others' bytes and a small Buffer are not", () => {
    const large = new Uint8Array(100_000);
    const part = new Uint8Array(200_000).subarray(0, 100_000);
    const small = Buffer.from("small");
    for (const bytes of [large, part, small]) letGo(bytes);
    expect([large.length, part.length, small.toString()]).toEqual([0, 100_000, "small"]);
  });

  test("that were wiped are zero, all of them", () => {
    const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3)];
    wipe(a, b);
    expect([[...a], [...b]]).toEqual([[0, 0], [0]]);
  });
});

describe("a random number", () => {
  /** Gives these 32-bit words, one after the other. */
  const words = (...list: number[]) => {
    let n = 0;
    return () => {
      const out = Buffer.alloc(4);
      out.writeUInt32LE(list[n++] as number);
      return new Uint8Array(out);
    };
  };

  test.each<[string, number[], number, number]>([
    ["what is left of a word", [7], 10, 7],
    ["the remainder of one", [25], 10, 5],
    ["the last word that is fair", [4_294_967_289], 10, 9],
    ["the next word when one is not fair", [4_294_967_290, 3], 10, 3],
    ["zero of one", [123], 1, 0],
  ])("below a bound is %s", (_, list, below, want) => {
    expect(randomBelow(words(...list), below)).toBe(want);
  });

  test("for an index is never zero and may be anything else", () => {
    expect([randomIndex(words(0)), randomIndex(words(0xffff_fffe))]).toEqual([1, 0xffff_ffff]);
    expect(randomIndex(words(0xffff_ffff, 5))).toBe(6);
  });
});
