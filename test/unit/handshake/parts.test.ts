import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concat, toHex } from "../../../runtime/base/bytes.ts";
import { seconds } from "../../../runtime/base/time.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { BISCUIT_PERIOD, BiscuitJar } from "../../../runtime/mesh/handshake/biscuit.ts";
import { COOKIE_PERIOD, CookieJar, NO_COOKIE } from "../../../runtime/mesh/handshake/cookie.ts";
import {
  FRAGMENT_PAYLOAD,
  type Fragment,
  parseFragment,
  Reassembly,
  split,
} from "../../../runtime/mesh/handshake/fragment.ts";
import { hasMac } from "../../../runtime/mesh/handshake/mac.ts";
import { Outbox, RETRY_FIRST, RETRY_MOST } from "../../../runtime/mesh/handshake/outbox.ts";
import { RateLimit, sourcePrefix } from "../../../runtime/mesh/handshake/rate.ts";
import { seededRandom } from "../../help/seeded.ts";

const KEY = new Uint8Array(16).fill(5);
const NAME = { message: 1, exchange: new Uint8Array(8).fill(6) };
const cut = (payload: Uint8Array): Fragment[] =>
  split(native, NAME, payload, KEY, NO_COOKIE).map((d) => parseFragment(d) as Fragment);
const somewhere = { address: "10.0.0.1", port: 1 };

describe("fragments", () => {
  test("put together in any order, some twice, give the message once more", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 9000 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (payload, picks) => {
          const parts = cut(payload);
          const order = [...picks.map((p) => parts[p % parts.length] as Fragment), ...parts.toReversed()];
          const reassembly = new Reassembly(native, 4, 4);
          const whole = order.flatMap((f) => reassembly.add(f, "x").whole);
          expect(whole.length).toBeGreaterThan(0);
          expect(whole.every((w) => toHex(w) === toHex(payload))).toBe(true);
        },
      ),
    );
  });

  test("fit a datagram of 1232 bytes and carry a mac that every changed bit breaks", () => {
    const [first] = split(native, NAME, new Uint8Array(3000).fill(1), KEY, NO_COOKIE) as [Uint8Array];
    expect(first.length).toBe(1232);
    expect(hasMac(KEY, first)).toBe(true);
    for (let at = 0; at < first.length; at += 7) {
      const changed = first.slice();
      changed[at] = (changed[at] as number) ^ 0x10;
      expect(hasMac(KEY, changed)).toBe(false);
    }
  });

  test("parseFragment() refuses or reads any bytes, and never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1300 }), (bytes) => {
        const f = parseFragment(concat(Uint8Array.of(1, 1), bytes));
        if (f) expect(f.index).toBeLessThan(f.count);
      }),
    );
  });

  test.each([
    ["an index beyond the count", 3, 9],
    ["a count of zero", 4, 0],
    ["a count of 33", 4, 33],
    ["a set reserved byte", 5, 1],
    ["another wire version", 1, 2],
    ["another type", 0, 4],
  ])("parseFragment() refuses %s", (_, at, value) => {
    const [datagram] = split(native, NAME, new Uint8Array(FRAGMENT_PAYLOAD + 1), KEY, NO_COOKIE) as [Uint8Array];
    datagram[at] = value;
    expect(parseFragment(datagram)).toBeUndefined();
  });

  test("a message beyond 32 fragments is a bug of the caller", () => {
    expect(() => cut(new Uint8Array(33 * FRAGMENT_PAYLOAD))).toThrow(RangeError);
  });

  test("reassembly holds no more than its slots, and no source more than its share", () => {
    const reassembly = new Reassembly(native, 10, 3);
    const random = seededRandom("slots");
    for (let i = 0; i < 100; i++) {
      const [f] = cut(random(3000)) as [Fragment];
      reassembly.add({ ...f, exchange: random(8) }, `source ${i % 2}`);
      expect(reassembly.size).toBeLessThanOrEqual(6);
    }
    for (let i = 0; i < 100; i++)
      reassembly.add({ ...(cut(random(3000))[0] as Fragment), exchange: random(8) }, `s${i}`);
    expect(reassembly.size).toBe(10);
  });

  test("a forged variant that came first does not displace the true fragment", () => {
    const payload = seededRandom("true")(2000);
    const [first, second] = cut(payload) as [Fragment, Fragment];
    const reassembly = new Reassembly(native, 4, 4);
    reassembly.add({ ...first, payload: new Uint8Array(FRAGMENT_PAYLOAD) }, "x");
    reassembly.add(first, "x");
    const { whole } = reassembly.add(second, "x");
    expect(whole.map(toHex)).toEqual([toHex(payload)]);
  });
});

describe("a cookie", () => {
  const jar = () => new CookieJar(seededRandom("jar"), 0);

  test.each([
    ["at once", 0, true],
    ["a period later", COOKIE_PERIOD + 1, true],
    ["after two periods", 2 * COOKIE_PERIOD + 2, false],
  ])("made at the start is honoured or not %s", (_, later, want) => {
    const j = jar();
    const cookie = j.make(somewhere, 0);
    expect(j.accepts(cookie, somewhere, later)).toBe(want);
  });

  test("is worth nothing at another port or address", () => {
    const j = jar();
    const cookie = j.make(somewhere, 0);
    expect(j.accepts(cookie, { ...somewhere, port: 2 }, 0)).toBe(false);
    expect(j.accepts(cookie, { ...somewhere, address: "10.0.0.2" }, 0)).toBe(false);
  });
});

describe("a biscuit", () => {
  const content = {
    chain: new Uint8Array(64).fill(1),
    certificateHash: new Uint8Array(32),
    initiator: 1,
    responder: 2,
    aead: 1,
  };
  const exchange = new Uint8Array(8);

  test.each([
    ["at once", 0, true],
    ["a period later", BISCUIT_PERIOD + 1, true],
    ["after two periods", 2 * BISCUIT_PERIOD + 2, false],
  ])("opens or not %s", (_, later, want) => {
    const jar = new BiscuitJar(native, seededRandom("biscuit"), 0);
    const sealed = jar.seal(content, exchange, 0);
    expect(sealed).toHaveLength(141);
    expect(jar.open(sealed, exchange, later) !== undefined).toBe(want);
  });

  test("belongs to its exchange, and its numbers rise", () => {
    const jar = new BiscuitJar(native, seededRandom("biscuit"), 0);
    const [one, two] = [jar.seal(content, exchange, 0), jar.seal(content, exchange, 0)];
    expect(jar.open(one, new Uint8Array(8).fill(1), 0)).toBeUndefined();
    expect(jar.open(two, exchange, 0)?.number).toBe((jar.open(one, exchange, 0)?.number ?? 0n) + 1n);
  });
});

describe("an outbox", () => {
  const datagrams = [0, 1, 2, 3].map((n) => Uint8Array.of(n));

  test("resends only holes below the highest fragment that arrived", () => {
    const box = new Outbox(datagrams, 0);
    expect(box.acknowledge(0b0101, 50).map((d) => d[0])).toEqual([1]);
    expect(box.missing().map((d) => d[0])).toEqual([1, 3]);
  });

  test("does not let a flood of acknowledgements make it a flood of fragments", () => {
    const box = new Outbox(datagrams, 0);
    expect(box.acknowledge(0b1000, 50)).toHaveLength(3);
    expect(box.acknowledge(0b1000, 51)).toHaveLength(0);
  });

  test("waits longer after each retry, up to a bound", () => {
    const box = new Outbox(datagrams, 0);
    let now = 0;
    const waits = Array.from({ length: 20 }, () => {
      const wait = box.due - now;
      now = box.due;
      box.retry(now);
      return wait;
    });
    expect(waits[0]).toBe(RETRY_FIRST);
    expect(waits.every((w, i) => i === 0 || w >= (waits[i - 1] as number))).toBe(true);
    expect(waits.at(-1)).toBe(RETRY_MOST);
  });

  test("is complete when all of it arrived", () => {
    const box = new Outbox(datagrams, 0);
    box.acknowledge(0b1111, 20);
    expect(box.complete).toBe(true);
  });
});

describe("a rate limit", () => {
  test("lets a burst through, refills, and keeps sources apart", () => {
    const limit = new RateLimit(2, seconds(1), 100);
    limit.spend(somewhere, 0);
    limit.spend(somewhere, 0);
    expect(limit.has(somewhere, 0)).toBe(false);
    expect(limit.has({ ...somewhere, address: "10.0.0.2" }, 0)).toBe(true);
    expect(limit.has(somewhere, 1000)).toBe(true);
  });

  test.each([
    ["an IPv4 address is a source of its own", "10.0.0.1", "10.0.0.2", false],
    ["addresses of one IPv6 /64 are one source", "2001:db8::1", "2001:db8::ffff:1", true],
    ["other /64s are others", "2001:db8::1", "2001:db8:0:1::1", false],
    ["a scope does not make another source", "fe80::1%eth0", "fe80::1%eth1", true],
  ])("%s", (_, a, b, same) => {
    expect(sourcePrefix({ address: a, port: 1 }) === sourcePrefix({ address: b, port: 2 })).toBe(same);
  });
});
