import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { toHex } from "../../../runtime/base/bytes.ts";
import { sipHash24 } from "../../../runtime/crypto/siphash.ts";
import { bytes, upTo } from "./both-providers.ts";

const KEY = Uint8Array.from({ length: 16 }, (_, i) => i);
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 0xff);

// vectors.h of the reference implementation, vectors_sip64: key 00..0f, input 00..(length-1)
test.each([
  [0, "310e0edd47db6f72", "an empty input: the length byte only"],
  [1, "fd67dc93c539f874", "one byte"],
  [2, "5a4fa9d909806c0d", "two bytes"],
  [3, "2d7efbd796666785", "three bytes"],
  [7, "37d1018bf50002ab", "the last block full but for the length"],
  [8, "6224939a79f5f593", "one whole block, then an empty one"],
  [15, "e545be4961ca29a1", "the example of the paper, appendix A"],
  [63, "724506eb4c328a95", "the longest reference input"],
] as const)("sipHash24() of %d bytes is %s: %s", (length, wanted) => {
  expect(toHex(sipHash24(KEY, counting(length)))).toBe(wanted);
});

test("sipHash24() agrees with a BigInt transcription of the paper on any key and input", async () => {
  await fc.assert(
    fc.property(bytes(16), upTo(100), (key, data) => {
      expect(toHex(sipHash24(key, data))).toBe(toHex(transcription(key, data)));
    }),
  );
});

test("sipHash24() reads a view in the middle of a buffer", () => {
  const buffer = counting(64);
  expect(sipHash24(KEY, buffer.subarray(0, 15))).toEqual(sipHash24(KEY, counting(15)));
  expect(sipHash24(KEY, buffer.subarray(16, 31))).not.toEqual(sipHash24(KEY, counting(15)));
});

/** Section 2 of the paper, word for word. */
function transcription(key: Uint8Array, data: Uint8Array): Uint8Array {
  const M = (1n << 64n) - 1n;
  const read = (b: Uint8Array, at: number): bigint =>
    [...b.subarray(at, at + 8)].reduceRight((sum, x) => (sum << 8n) | BigInt(x), 0n);
  const rotl = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (64n - n))) & M;
  const [k0, k1] = [read(key, 0), read(key, 8)];
  let [v0, v1, v2, v3] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const round = (): void => {
    v0 = (v0 + v1) & M;
    v2 = (v2 + v3) & M;
    v1 = rotl(v1, 13n) ^ v0;
    v3 = rotl(v3, 16n) ^ v2;
    v0 = rotl(v0, 32n);
    v2 = (v2 + v1) & M;
    v0 = (v0 + v3) & M;
    v1 = rotl(v1, 17n) ^ v2;
    v3 = rotl(v3, 21n) ^ v0;
    v2 = rotl(v2, 32n);
  };
  const padded = new Uint8Array(8 * Math.ceil((data.length + 1) / 8));
  padded.set(data);
  padded[padded.length - 1] = data.length;
  for (let at = 0; at < padded.length; at += 8) {
    const m = read(padded, at);
    v3 ^= m;
    round();
    round();
    v0 ^= m;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < 4; i++) round();
  const x = v0 ^ v1 ^ v2 ^ v3;
  return Uint8Array.from({ length: 8 }, (_, i) => Number((x >> BigInt(8 * i)) & 0xffn));
}
