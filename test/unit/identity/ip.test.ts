import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  contains,
  containsAddress,
  formatIp,
  formatPrefix,
  type Prefix,
  parseIp,
  parsePrefix,
} from "../../../runtime/base/ip.ts";
import { overlayAddress, overlayLabel, overlayPrefix } from "../../../runtime/identity/address.ts";
import { nodeId, shortId } from "../../../runtime/identity/node-id.ts";
import { crypto, newKeys } from "./world.ts";

const of = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** Zero bytes are what makes IPv6 text hard. */
const sparse = fc
  .array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
  .map((b) => Uint8Array.from(b));
const address = fc.oneof(of(4), of(16), sparse);
const prefixOf = (text: string): Prefix => {
  const prefix = parsePrefix(text);
  if (!prefix) throw new Error(`${text} is no prefix`);
  return prefix;
};

describe("an IP address", () => {
  test("has one text, which parses to the same bytes", async () => {
    await fc.assert(fc.property(address, (bytes) => expect(parseIp(formatIp(bytes))).toEqual(bytes)));
  });
  test("parses from what a URL parser calls the same host", async () => {
    await fc.assert(
      fc.property(sparse, (bytes) => {
        fc.pre(!formatIp(bytes).includes(".")); // URL writes mapped addresses in hex
        expect(new URL(`http://[${formatIp(bytes)}]/`).hostname).toBe(`[${formatIp(bytes)}]`);
      }),
    );
  });
  test.each([
    ["2001:0db8::0001", "2001:db8::1", "leading zeros go (RFC 5952 §4.1)"],
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1", "the longest run is shortened (§4.2.1)"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "one group is not (§4.2.2)"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1", "the longer of two runs is (§4.2.3)"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "the first of two equal runs is (§4.2.3)"],
    ["2001:DB8::A", "2001:db8::a", "letters are small (§4.3)"],
    ["::ffff:c000:201", "::ffff:192.0.2.1", "a mapped address shows IPv4 (§5)"],
    ["::192.0.2.1", "::c000:201", "IPv4 at the end is read"],
    ["::", "::", "nothing but zeros"],
    ["1::", "1::", "zeros at the end"],
    ["192.0.2.255", "192.0.2.255", "IPv4"],
  ])("%s reads %s: %s", (text, canonical) => {
    expect(formatIp(parseIp(text) as Uint8Array)).toBe(canonical);
  });
  test.each([
    "",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8:9",
    "12345::",
    "g::",
    "::1%eth0",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1.2.3.4::",
    "::1.2.3",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "256.1.1.1",
    "1.2.3.-4",
    " ::1",
  ])("%p is none", (text) => {
    expect(parseIp(text)).toBeUndefined();
  });
  test("of another length throws, as that is a bug", () => {
    expect(() => formatIp(new Uint8Array(5))).toThrow(RangeError);
  });
  test("never throws on any text", async () => {
    const text = fc.string({ unit: fc.constantFrom(..."0123456789abcdef:./%g") });
    await fc.assert(
      fc.property(text, (t) => {
        const parsed = parseIp(t);
        if (parsed) expect(parseIp(formatIp(parsed))).toEqual(parsed);
        const prefix = parsePrefix(t);
        if (prefix) expect(parsePrefix(formatPrefix(prefix))).toEqual(prefix);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a prefix", () => {
  test.each([
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.0.0.0/8", "10.0.0.0/8", true],
    ["10.0.0.0/9", "10.128.0.0/9", false],
    ["10.1.0.0/16", "10.0.0.0/8", false],
    ["0.0.0.0/0", "::/0", false],
    ["::/0", "fd00::/8", true],
    ["fd00::/61", "fd00:0:0:7::/64", true],
    ["fd00::/61", "fd00:0:0:8::/64", false],
  ])("%s holds %s: %p", (outer, inner, want) => {
    expect(contains(prefixOf(outer), prefixOf(inner))).toBe(want);
  });
  test("holds an address exactly when their first bits agree", async () => {
    const bits = (b: Uint8Array): string => [...b].map((x) => x.toString(2).padStart(8, "0")).join("");
    await fc.assert(
      fc.property(fc.nat(32), of(4), of(4), (length, a, b) => {
        const kept = Number.parseInt(bits(a).slice(0, length).padEnd(32, "0"), 2);
        const prefix = {
          address: Uint8Array.of(kept >>> 24, (kept >>> 16) & 255, (kept >>> 8) & 255, kept & 255),
          length,
        };
        expect(parsePrefix(formatPrefix(prefix))).toEqual(prefix);
        expect(containsAddress(prefix, a)).toBe(true);
        expect(containsAddress(prefix, b)).toBe(bits(a).slice(0, length) === bits(b).slice(0, length));
      }),
    );
  });
  test.each([
    "10.0.0.1/8",
    "10.0.0.0/33",
    "fd00::/129",
    "fd00::1/64",
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/08",
    "/8",
    "::/0/0",
  ])("%p is none", (text) => {
    expect(parsePrefix(text)).toBeUndefined();
  });
});

describe("an overlay address", () => {
  test("is fd, five bytes of the mesh id, two zero bytes and the label, inside the mesh's prefix", async () => {
    const { id, public: keys } = await newKeys();
    const mesh = crypto.sha256(Uint8Array.of(1));
    expect(id).toEqual(nodeId(crypto, keys));
    expect(shortId(id)).toHaveLength(16);
    const bytes = parseIp(overlayAddress(crypto, mesh, id)) as Uint8Array;
    expect([...bytes.subarray(0, 8)]).toEqual([0xfd, ...mesh.subarray(0, 5), 0, 0]);
    expect([...bytes.slice(8)]).toEqual([...overlayLabel(crypto, mesh, id)]);
    const { prefix, length } = overlayPrefix(mesh);
    expect(containsAddress(prefixOf(`${prefix}/${length}`), bytes)).toBe(true);
    expect(overlayLabel(crypto, crypto.sha256(Uint8Array.of(2)), id)).not.toEqual(bytes.slice(8));
  });
});
