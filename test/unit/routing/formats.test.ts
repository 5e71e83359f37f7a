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
  sortedSubnets,
} from "../../../runtime/mesh/routing/link-list.ts";
import { decodeMessage, encodeMessage, type RoutingMessage } from "../../../runtime/mesh/routing/message.ts";
import { MESH } from "./pair.ts";

const label = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((b) => b.toHex());
const element = fc.uint8Array({ minLength: 32, maxLength: 32 });
const u32 = fc.integer({ min: 1, max: 0xffff_ffff });
const subnet = fc
  .tuple(fc.boolean(), fc.nat(128), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map(([isV4, bits, bytes]) => {
    const length = isV4 ? bits % 33 : bits;
    const address = bytes.slice(0, isV4 ? 4 : 16);
    const mask = (i: number): number => 0xff00 >> Math.min(8, Math.max(0, length - 8 * i));
    return { address: address.map((b, i) => b & mask(i)), length };
  });
const spelled = (s: { address: Uint8Array; length: number }): string => `${s.address.toHex()}/${s.length}`;

const list: fc.Arbitrary<LinkList> = fc
  .record({
    origin: label,
    page: fc.nat(31),
    epoch: u32,
    number: u32,
    links: fc.uniqueArray(fc.record({ neighbour: label, value: fc.nat(7), anchor: element }), {
      maxLength: 32,
      selector: (l) => l.neighbour,
    }),
    subnets: fc.uniqueArray(subnet, { maxLength: 16, selector: spelled }),
  })
  .map((l) => ({
    ...l,
    links: l.links.filter((x) => x.neighbour !== l.origin).sort((a, b) => (a.neighbour < b.neighbour ? -1 : 1)),
    subnets: l.page === 0 ? sortedSubnets(l.subnets) : [],
  }));

const key = fc.tuple(label, fc.nat(31)).map(([l, page]) => l + page.toString(16).padStart(2, "0"));
const name = fc
  .tuple(key, fc.uint8Array({ minLength: 24, maxLength: 24 }))
  .map(([k, version]) => Uint8Array.from([...Uint8Array.fromHex(k), ...version]));
const digest = fc.uint8Array({ minLength: 16, maxLength: 16 });
const reveals = (min: number) =>
  fc
    .uniqueArray(fc.record({ index: fc.nat(255), step: fc.integer({ min: 1, max: 255 }), element }), {
      minLength: min,
      maxLength: 32,
      selector: (r) => r.index,
    })
    .map((all) => all.sort((a, b) => a.index - b.index));
const message: fc.Arbitrary<RoutingMessage> = fc.oneof(
  fc.record({ kind: fc.constant("digest" as const), digest }),
  fc.record({ kind: fc.constant("buckets" as const), buckets: fc.array(digest, { minLength: 32, maxLength: 32 }) }),
  fc.record({
    kind: fc.constant("summary" as const),
    whole: fc.nat(0xffff_ffff),
    entries: fc.array(fc.record({ name, steps: fc.uint8Array({ maxLength: 32 }) }), { maxLength: 20 }),
  }),
  fc.record({ kind: fc.constantFrom("want" as const), keys: fc.array(key, { minLength: 1, maxLength: 64 }) }),
  fc.record({ kind: fc.constantFrom("lacks" as const), keys: fc.array(key, { minLength: 1, maxLength: 64 }) }),
  fc.record({
    kind: fc.constant("list" as const),
    body: fc.uint8Array({ maxLength: 1620 }),
    signature: fc.uint8Array({ minLength: SIGNATURE_BYTES, maxLength: SIGNATURE_BYTES }),
    reveals: reveals(0),
  }),
  fc.record({
    kind: fc.constant("states" as const),
    groups: fc.array(fc.record({ name, reveals: reveals(1) }), { minLength: 1, maxLength: 5 }),
  }),
);

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
