/** Lists and messages of every shape that the formats allow. */
import fc from "fast-check";
import { type LinkList, SIGNATURE_BYTES, sortedSubnets } from "../../../runtime/mesh/routing/link-list.ts";
import type { RoutingMessage } from "../../../runtime/mesh/routing/message.ts";

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

export const list: fc.Arbitrary<LinkList> = fc
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
export const name = fc
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
export const message: fc.Arbitrary<RoutingMessage> = fc.oneof(
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
