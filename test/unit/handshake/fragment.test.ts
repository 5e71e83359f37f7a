import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concat, toHex } from "../../../runtime/base/bytes.ts";
import type { Endpoint } from "../../../runtime/base/endpoint.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { MAX_DATAGRAM, RelayHeader } from "../../../runtime/mesh/frame.ts";
import { NO_COOKIE } from "../../../runtime/mesh/handshake/cookie.ts";
import { type Fragment, parseFragment, split } from "../../../runtime/mesh/handshake/fragment.ts";
import { hasMac, setMac } from "../../../runtime/mesh/handshake/mac.ts";
import { FRAGMENT_PAYLOAD, MESSAGE, RELAYED_PAYLOAD } from "../../../runtime/mesh/handshake/message.ts";
import { Reassembly } from "../../../runtime/mesh/handshake/reassembly.ts";
import { seededRandom } from "../../help/seeded.ts";

const KEY = new Uint8Array(16).fill(5);
const EXCHANGE = new Uint8Array(8).fill(6);
const somewhere = { address: "10.0.0.1", port: 1 };
const datagrams = (message: number, payload: Uint8Array, exchange: Uint8Array = EXCHANGE): Uint8Array[] =>
  split(native, { message, exchange }, payload, KEY, NO_COOKIE);
/** Fragments of an F2, which may have any length from 1136 bytes. */
const cut = (payload: Uint8Array, exchange: Uint8Array = EXCHANGE): Fragment[] =>
  datagrams(MESSAGE.f2, payload, exchange).map((d) => parseFragment(d) as Fragment);

describe("fragments", () => {
  test("put together in any order, some twice, give the message exactly once", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1200, maxLength: 9000 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (payload, picks) => {
          const parts = cut(payload);
          const order = [...picks.map((p) => parts[p % parts.length] as Fragment), ...parts.toReversed()];
          const reassembly = new Reassembly(native);
          const whole = order.flatMap((f) => reassembly.add(f, somewhere, 0).whole);
          expect(whole.map(toHex)).toEqual([toHex(payload)]);
        },
      ),
    );
  });

  test("fit a datagram of 1232 bytes and carry a mac that every changed bit breaks", () => {
    const [first] = datagrams(MESSAGE.f2, new Uint8Array(3000).fill(1)) as [Uint8Array];
    expect(first.length).toBe(1232);
    expect(hasMac(KEY, first)).toBe(true);
    for (let at = 0; at < first.length; at += 7) {
      const changed = first.slice();
      changed[at] = (changed[at] as number) ^ 0x10;
      expect(hasMac(KEY, changed)).toBe(false);
    }
  });

  test("too short for a mac have none", () => {
    for (let length = 0; length < 32; length++) expect(hasMac(KEY, new Uint8Array(length))).toBe(false);
    expect(hasMac(KEY, setMac(KEY, new Uint8Array(32)))).toBe(true);
  });

  test("parseFragment() refuses or reads any bytes, and never throws", () => {
    const [near] = datagrams(MESSAGE.f3, new Uint8Array(4800)) as [Uint8Array];
    const mutated = fc
      .tuple(fc.nat(31), fc.nat(255), fc.nat(1232))
      .map(([at, value, length]) => near.with(at, value).subarray(0, length));
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 1300 })), (bytes) => {
        for (const input of [bytes, concat(Uint8Array.of(1, 1), bytes)]) {
          const f = parseFragment(input);
          if (f) expect(f.index).toBeLessThan(f.count);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["an index beyond the count", 3, 9],
    ["an index that is the count", 3, 2],
    ["a count of zero", 4, 0],
    ["a count of 33", 4, 33],
    ["a set reserved byte", 5, 1],
    ["another wire version", 1, 2],
    ["another type", 0, 4],
    ["a message nobody sends", 2, 5],
  ])("parseFragment() refuses %s", (_, at, value) => {
    const [datagram] = datagrams(MESSAGE.f2, new Uint8Array(FRAGMENT_PAYLOAD + 1)) as [Uint8Array];
    expect(parseFragment(datagram)).toBeDefined();
    datagram[at] = value;
    expect(parseFragment(datagram)).toBeUndefined();
  });

  test("parseFragment() refuses a header cut short, a long payload, and a short one that is not the last", () => {
    const [first, last] = datagrams(MESSAGE.f2, new Uint8Array(FRAGMENT_PAYLOAD + 9)) as [Uint8Array, Uint8Array];
    for (let n = 0; n < 32; n++) expect(parseFragment(first.subarray(0, n))).toBeUndefined();
    expect(parseFragment(concat(first, Uint8Array.of(0)))).toBeUndefined();
    expect(parseFragment(first.subarray(0, -1))).toBeUndefined();
    expect(parseFragment(last.subarray(0, -1))).toBeDefined();
    expect(parseFragment(last.subarray(0, 32))).toBeUndefined();
  });

  test.each([
    ["K1", MESSAGE.k1, 2392],
    ["K2", MESSAGE.k2, 2373],
    ["K3", MESSAGE.k3, 157],
    ["unknown", MESSAGE.unknown, 16],
    ["F1", MESSAGE.f1, 1252],
  ])("of %s belong to a message of its one length, or take no room", (_, message, length) => {
    const parsed = (n: number) => datagrams(message, new Uint8Array(n)).map(parseFragment);
    expect(parsed(length).every((f) => f !== undefined)).toBe(true);
    for (const other of [length - 1, length + 1, length + 1200]) expect(parsed(other).at(-1)).toBeUndefined();
    const more = datagrams(message, new Uint8Array(4 * 1200));
    expect(more.map(parseFragment).every((f) => f === undefined)).toBe(true);
  });

  test.each([
    ["F2 below 1136 bytes", MESSAGE.f2, 1135, false],
    ["F2 of 1136 bytes", MESSAGE.f2, 1136, true],
    ["F2 of 32 fragments", MESSAGE.f2, 38_400, true],
    ["F4 below 1104 bytes", MESSAGE.f4, 1103, false],
    ["F4 of 1104 bytes", MESSAGE.f4, 1104, true],
    ["F3 of 4799 bytes", MESSAGE.f3, 4799, false],
    ["F3 of 4800 bytes", MESSAGE.f3, 4800, true],
    ["F3 of 4801 bytes", MESSAGE.f3, 4801, false],
    ["F3 of 9600 bytes", MESSAGE.f3, 9600, true],
  ] as const)("of %s: taken or not", (_, message, length, want) => {
    expect(datagrams(message, new Uint8Array(length)).map(parseFragment).at(-1) !== undefined).toBe(want);
  });

  test("a message beyond 32 fragments is a bug of the caller", () => {
    expect(() => cut(new Uint8Array(32 * FRAGMENT_PAYLOAD + 1))).toThrow(RangeError);
  });
});

describe("reassembly", () => {
  test("holds no more than its slots, forgets after ten seconds, and what was dealt with at once", () => {
    const random = seededRandom("slots");
    const reassembly = new Reassembly(native, 10);
    const parts = Array.from({ length: 100 }, (_, i) => ({ f: cut(random(3000), random(8))[0] as Fragment, i }));
    for (const { f, i } of parts) reassembly.add(f, { address: `10.0.0.${i}`, port: 1 }, i);
    expect(reassembly.size).toBe(10);
    reassembly.done(parts[99]?.f as Fragment, somewhere);
    expect(reassembly.size).toBe(10);
    reassembly.done(parts[99]?.f as Fragment, { address: "10.0.0.99", port: 1 });
    expect(reassembly.size).toBe(9);
    reassembly.expire(10_000 + 94);
    expect(reassembly.size).toBe(4);
  });

  test("a forged variant that came first does not displace the true fragment", () => {
    const payload = seededRandom("true")(2000);
    const [first, second] = cut(payload) as [Fragment, Fragment];
    const reassembly = new Reassembly(native);
    reassembly.add({ ...first, payload: new Uint8Array(FRAGMENT_PAYLOAD) }, somewhere, 0);
    reassembly.add(first, somewhere, 0);
    const { whole } = reassembly.add(second, somewhere, 0);
    expect(whole.map(toHex)).toEqual([toHex(payload)]);
  });

  test("keeps three variants of a fragment: a fourth finds no room", () => {
    const payload = seededRandom("fourth")(2000);
    const [first, second] = cut(payload) as [Fragment, Fragment];
    const tried = (forged: number): number => {
      const reassembly = new Reassembly(native);
      for (let i = 0; i < forged; i++)
        reassembly.add({ ...first, payload: new Uint8Array(FRAGMENT_PAYLOAD).fill(i) }, somewhere, 0);
      reassembly.add(first, somewhere, 0);
      return reassembly.add(second, somewhere, 0).whole.length;
    };
    expect([tried(2), tried(3)]).toEqual([1, 0]);
  });

  test("tries at most nine combinations of variants for a fragment that arrives", () => {
    let hashed = 0;
    const sha256 = (...p: readonly Uint8Array[]): Uint8Array => {
      hashed++;
      return native.sha256(...p);
    };
    const parts = cut(seededRandom("combinations")(4000));
    const reassembly = new Reassembly({ ...native, sha256 });
    for (const f of parts.slice(0, 3))
      for (let i = 0; i < 3; i++)
        reassembly.add({ ...f, payload: new Uint8Array(FRAGMENT_PAYLOAD).fill(i) }, somewhere, 0);
    reassembly.add(parts[3] as Fragment, somewhere, 0);
    expect(hashed).toBe(9);
  });

  test("never joins parts of two messages, nor of two exchanges, kinds, counts or sources", () => {
    const [one, two] = [cut(seededRandom("one")(2000)), cut(seededRandom("two")(2000))];
    const reassembly = new Reassembly(native);
    const [a, b] = [one[0] as Fragment, one[1] as Fragment];
    reassembly.add(a, somewhere, 0);
    const others = [
      two[1] as Fragment,
      { ...b, exchange: new Uint8Array(8) },
      { ...b, message: MESSAGE.f4 },
      { ...b, count: 3 },
      { ...b, payload: b.payload.subarray(1) },
    ];
    for (const f of others) expect(reassembly.add(f, somewhere, 0).whole).toEqual([]);
    expect(reassembly.add(b, { ...somewhere, port: 2 }, 0).whole).toEqual([]);
    expect(reassembly.add(b, somewhere, 0).whole).toHaveLength(1);
  });

  test("reports what has arrived, with 32 fragments as well", () => {
    const parts = cut(seededRandom("32")(32 * FRAGMENT_PAYLOAD));
    const reassembly = new Reassembly(native);
    const bitmaps = [31, 0, 31].map((i) => reassembly.add(parts[i] as Fragment, somewhere, 0).bitmap);
    expect(bitmaps).toEqual([0x8000_0000, 0x8000_0001, 0x8000_0001]);
  });
});

describe("on a way through the mesh", () => {
  const through = { address: "fd00::7", port: 0 };
  const on = (way: Endpoint | undefined, length: number, message: number = MESSAGE.f2) =>
    split(native, { message, exchange: new Uint8Array(8) }, seededRandom("way")(length), KEY, NO_COOKIE, way);

  test("a fragment and its relay header fit where another fits alone", () => {
    for (const length of [1136, 2373, 13_500, 32 * RELAYED_PAYLOAD]) {
      const parts = on(through, length);
      expect(Math.max(...parts.map((p) => p.length + RelayHeader.size))).toBeLessThanOrEqual(MAX_DATAGRAM);
      const parsed = parts.map(parseFragment);
      expect(concat(...parsed.map((f) => f?.payload ?? new Uint8Array(0)))).toEqual(seededRandom("way")(length));
    }
  });

  test("a message that would need more than 32 is cut as on any other", () => {
    expect(on(through, 32 * RELAYED_PAYLOAD + 1)).toEqual(on(undefined, 32 * RELAYED_PAYLOAD + 1));
    expect(on({ ...through, port: 1 }, 5000)).toEqual(on(undefined, 5000));
  });

  test.each([
    [MESSAGE.k1, 2392],
    [MESSAGE.k2, 2373],
    [MESSAGE.f1, 1252],
    [MESSAGE.f3, 4800],
    [MESSAGE.f3, 38_400],
  ])("every part of message %d of %d bytes is one that there may be", (message, length) => {
    for (const part of on(through, length, message)) expect(parseFragment(part)).toBeDefined();
  });
});
