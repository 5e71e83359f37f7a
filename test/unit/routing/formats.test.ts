/** Formats: what is written is read, nothing else is, and nothing throws. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compare } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import {
  asSigned,
  decodeList,
  encodeList,
  type LinkList,
  SIGNATURE_BYTES,
} from "../../../runtime/mesh/routing/link-list.ts";
import { decodeMessage, encodeMessage } from "../../../runtime/mesh/routing/message.ts";
import { list, message } from "./arbitrary.ts";
import { MESH } from "./pair.ts";

const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, v) => (v instanceof Uint8Array ? v.toHex() : v)));

/** Bytes that are not quite those. */
const spoilt = (data: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc.tuple(data, fc.nat(), fc.nat(), fc.nat(3)).map(([bytes, at, bit, how]) => {
    if (how === 0) return bytes.slice(0, at % (bytes.length + 1));
    if (how === 1) return Uint8Array.from([...bytes, bit & 0xff]);
    const out = bytes.slice();
    if (out.length > 0) out[at % out.length] = (out[at % out.length] as number) ^ (1 << (bit % 8));
    return out;
  });

describe("a link list", () => {
  test("is read as it was written", () => {
    fc.assert(fc.property(list, (l) => expect(plain(decodeList(encodeList(l)))).toEqual(plain(l))));
  });

  test("has one spelling: what can be read is written as the same bytes", () => {
    fc.assert(
      fc.property(spoilt(list.map(encodeList)), (bytes) => {
        const read = decodeList(bytes);
        if (read) expect(encodeList(read)).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test("of any other bytes is none", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => expect(decodeList(bytes)).toBeUndefined()));
  });

  const good: LinkList = {
    origin: "0000000000000001",
    page: 0,
    epoch: 1,
    number: 1,
    links: ["02", "03"].map((n) => ({ neighbour: n.padStart(16, "0"), value: 1, anchor: new Uint8Array(32) })),
    subnets: [{ address: Uint8Array.of(10, 0, 0, 0), length: 8 }],
  };
  const [first, second] = good.links as [LinkList["links"][number], LinkList["links"][number]];
  test.each<[string, LinkList]>([
    ["links out of order", { ...good, links: [second, first] }],
    ["a neighbour twice", { ...good, links: [first, first] }],
    ["itself as neighbour", { ...good, links: [{ ...first, neighbour: good.origin }] }],
    ["a value that is none", { ...good, links: [{ ...first, value: 8 }] }],
    [
      "too many links",
      {
        ...good,
        links: Array.from({ length: 33 }, (_, i) => ({ ...first, neighbour: `${i + 10}`.padStart(16, "0") })),
      },
    ],
    ["a page that is none", { ...good, page: 32, subnets: [] }],
    ["subnets on another page", { ...good, page: 1 }],
    ["a bit behind a subnet's length", { ...good, subnets: [{ address: Uint8Array.of(10, 0, 0, 1), length: 8 }] }],
    ["a subnet longer than its address", { ...good, subnets: [{ address: Uint8Array.of(10, 0, 0, 1), length: 33 }] }],
    ["a subnet twice", { ...good, subnets: [...good.subnets, ...good.subnets] }],
    ["epoch 0", { ...good, epoch: 0 }],
    ["number 0", { ...good, number: 0 }],
  ])("with %s is none", (_, bad) => {
    expect(encodeList(good).length).toBe(20 + 2 * 41 + 6);
    expect(() => encodeList(bad)).toThrow(RangeError);
  });

  test("is newer by epoch, then by number, and of one number by its content", () => {
    const signed = (l: LinkList) => asSigned(native, MESH, encodeList(l), new Uint8Array(SIGNATURE_BYTES));
    const versions = [
      { ...good, epoch: 1, number: 0xffff },
      { ...good, epoch: 2, number: 1 },
      { ...good, epoch: 2, number: 0x100 },
      { ...good, epoch: 0x1_0000, number: 1 },
    ].map((l) => signed(l)?.version as string);
    expect(versions.toSorted()).toEqual(versions);
    expect(signed(good)?.version).not.toBe(signed({ ...good, subnets: [] })?.version);
    expect(asSigned(native, MESH, encodeList(good), new Uint8Array(SIGNATURE_BYTES - 1))).toBeUndefined();
    expect(asSigned(native, MESH, new Uint8Array(3), new Uint8Array(SIGNATURE_BYTES))).toBeUndefined();
  });
});

describe("a message", () => {
  test("is read as it was written", () => {
    fc.assert(fc.property(message, (m) => expect(plain(decodeMessage(encodeMessage(m)))).toEqual(plain(m))));
  });

  test("has one spelling: what can be read is written as the same bytes", () => {
    fc.assert(
      fc.property(spoilt(message.map(encodeMessage)), (bytes) => {
        const read = decodeMessage(bytes);
        if (read) expect(compare(encodeMessage(read), bytes)).toBe(0);
      }),
      { numRuns: 2000 },
    );
  });

  test("that ends early is none, at any byte", () => {
    for (const m of fc.sample(message, 30)) {
      const bytes = encodeMessage(m);
      for (let length = 0; length < Math.min(bytes.length, 400); length++) {
        const read = decodeMessage(bytes.subarray(0, length));
        if (read) expect(encodeMessage(read)).toEqual(bytes.slice(0, length));
      }
    }
    expect(decodeMessage(new Uint8Array(0))).toBeUndefined();
    expect(decodeMessage(Uint8Array.of(99))).toBeUndefined();
  });
});
