import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Endpoint, endpointKey, parseEndpoint } from "../../../runtime/base/endpoint.ts";
import { minutes } from "../../../runtime/base/time.ts";
import { natOf } from "../../../runtime/mesh/discovery/nat.ts";
import { Observed } from "../../../runtime/mesh/discovery/observed.ts";
import type { NatKind } from "../../../runtime/mesh/types.ts";

const e = (text: string): Endpoint => parseEndpoint(text) as Endpoint;
const OWN = e("192.168.0.2:51820");
const OUTER = e("203.0.113.1:40000");
const LIE = e("198.51.100.66:53");
const AT = e("198.51.100.1:51820");

/** One whose interface has this address; each of `says` is a peer and where it sees us. */
function observed(...says: readonly (readonly [peer: string, seen: Endpoint, at?: Endpoint])[]): Observed {
  const one = new Observed();
  one.own = [OWN];
  for (const [i, [peer, seen, at = AT]] of says.entries()) one.note(peer, at, seen, i);
  return one;
}
const places = (one: Observed, now = 100): string[] => one.places(now).map(endpointKey);

describe("a place of ours that peers see", () => {
  test("is none of our interfaces'", () => {
    expect(places(observed(["a", OWN], ["b", OWN]))).toEqual([]);
    expect(places(observed(["a", OWN], ["b", OUTER]))).toEqual([endpointKey(OUTER)]);
  });

  test("is what two say alike, whatever a third says, and however often", () => {
    const one = observed(["a", OUTER], ["b", OUTER], ["liar", LIE]);
    for (let i = 0; i < 100; i++) one.note("liar", AT, e(`198.51.100.66:${1000 + i}`), 50);
    expect(places(one)).toEqual([endpointKey(OUTER)]);
  });

  test("is what one says, while nobody else says anything", () => {
    expect(places(observed(["a", OUTER]))).toEqual([endpointKey(OUTER)]);
    expect(places(observed(["a", e("203.0.113.1:40001")], ["b", OUTER]))).toEqual([endpointKey(OUTER)]); // the newest
  });

  test("is forgotten when it is not said any more", () => {
    const one = observed(["a", OUTER], ["b", OUTER]);
    one.forget("a");
    expect(places(one)).toEqual([endpointKey(OUTER)]);
    one.forget("b");
    expect(places(one)).toEqual([]);
    const late = observed(["a", OUTER]);
    expect(places(late, minutes(14))).toHaveLength(1);
    expect(places(late, minutes(16))).toEqual([]);
  });

  test("is one of each family", () => {
    const v6 = e("[2001:db8::7]:40000");
    const one = observed(["a", OUTER], ["a", v6, e("[2001:db8::1]:51820")], ["b", LIE]);
    expect(places(one)).toEqual([endpointKey(LIE), endpointKey(v6)]);
  });

  test.each([
    "0.0.0.1:5",
    "127.0.0.1:51820",
    "169.254.1.1:51820",
    "224.0.0.251:5353",
    "255.255.255.255:9",
    "[::1]:51820",
    "[fe80::1]:51820",
    "[fe80::1%eth0]:51820",
    "[ff02::1]:51820",
  ])("is not %s, where nobody else could write to", (text) => {
    const at = text.startsWith("[") ? e("[2001:db8::1]:1") : AT;
    expect(places(observed(["a", e(text), at], ["b", e(text), at]))).toEqual([]);
  });

  test("is of the family in which we speak to who says it", () => {
    expect(places(observed(["a", e("[2001:db8::7]:1")]))).toEqual([]);
  });

  test("is asked for more often where there is a box", () => {
    expect(observed(["a", OWN]).pause(1)).toBeGreaterThan(observed(["a", OUTER]).pause(1));
  });

  test("never becomes more than two, whatever how many peers say", () => {
    const seen = fc.constantFrom(OWN, OUTER, LIE, e("203.0.113.1:1"), e("[2001:db8::7]:1"), e("[fe80::1]:1"));
    const at = fc.constantFrom(AT, e("[2001:db8::1]:1"));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200), seen, at), { maxLength: 300 }), (says) => {
        const one = observed(...says.map(([peer, s, a]) => [`${peer}`, s, a] as const));
        expect(one.places(1000).length).toBeLessThanOrEqual(2);
        expect(one.list(1000).length).toBeLessThanOrEqual(64);
        expect(places(one, 1000)).not.toContain(endpointKey(OWN));
      }),
    );
  });
});

describe("the kind of box", () => {
  const [one, two] = [e("198.51.100.1:1"), e("198.51.100.2:1")];
  const again = e("198.51.100.1:2");
  const [p, q, r] = [e("203.0.113.1:1"), e("203.0.113.1:2"), e("203.0.113.1:3")];
  test.each<[NatKind, string, readonly (readonly [Endpoint, Endpoint])[]]>([
    [
      "none",
      "all see us as we are",
      [
        [one, OWN],
        [two, OWN],
      ],
    ],
    ["single", "only one tells of it", [[one, p]]],
    [
      "single",
      "two at one address tell the same",
      [
        [one, p],
        [again, p],
      ],
    ],
    [
      "independent",
      "two at two addresses tell the same",
      [
        [one, p],
        [two, p],
      ],
    ],
    [
      "varying",
      "each tells something else",
      [
        [one, p],
        [two, q],
      ],
    ],
    [
      "address",
      "two at one address tell the same, one elsewhere something else",
      [
        [one, p],
        [again, p],
        [two, q],
      ],
    ],
    [
      "symmetric",
      "two at one address tell different things",
      [
        [one, p],
        [again, q],
        [two, r],
      ],
    ],
    [
      "independent",
      "one on our own side of it sees us as we are",
      [
        [e("192.168.0.9:1"), OWN],
        [one, p],
        [two, p],
      ],
    ],
  ])("is %s when %s", (kind, _, list) => {
    const seen = list.map(([at, s]) => ({ at, seen: s }));
    expect(natOf("IPv4", seen, [OWN]).kind).toBe(kind);
  });

  test("is told for each family that somebody sees, with where and by how many", () => {
    const box = observed(["a", p, one], ["b", p, two], ["c", e("[2001:db8::7]:1"), e("[2001:db8::1]:1")]);
    box.own = [OWN, e("[2001:db8::7]:1")];
    expect(box.nat(10)).toEqual([
      { family: "IPv4", kind: "independent", outer: ["203.0.113.1:1"], observers: 2 },
      { family: "IPv6", kind: "none", outer: ["[2001:db8::7]:1"], observers: 1 },
    ]);
    expect(new Observed().nat(0)).toEqual([]);
  });
});
