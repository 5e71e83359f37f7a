/** Tables, rates, cookies, biscuits and timers: what bounds a stranger. */
import { describe, expect, test } from "bun:test";
import { RateLimit, sourcePrefix } from "../../../runtime/base/rate-limit.ts";
import { seconds } from "../../../runtime/base/time.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { sipHash24 } from "../../../runtime/crypto/siphash.ts";
import { BISCUIT_PERIOD, BiscuitJar } from "../../../runtime/mesh/handshake/biscuit.ts";
import { COOKIE_PERIOD, CookieJar } from "../../../runtime/mesh/handshake/cookie.ts";
import { FairTable } from "../../../runtime/mesh/handshake/fair-table.ts";
import { Outbox, RETRY_FIRST, RETRY_MOST, UNHEARD_WHOLE } from "../../../runtime/mesh/handshake/outbox.ts";
import { RotatingSecret } from "../../../runtime/mesh/handshake/rotating-secret.ts";
import { seededRandom } from "../../help/seeded.ts";

const somewhere = { address: "10.0.0.1", port: 1 };
const elsewhere = { address: "10.0.0.2", port: 1 };

describe("a fair table", () => {
  const table = () => {
    const closed: string[] = [];
    return { closed, entries: new FairTable<string>(4, 1000, (v) => closed.push(v)) };
  };

  test("when it is full drops the oldest entry of the source that holds most", () => {
    const { closed, entries } = table();
    entries.set("first", elsewhere, "first", 0);
    for (const n of [1, 2, 3]) entries.set(`own ${n}`, somewhere, `own ${n}`, n);
    entries.set("own 4", somewhere, "own 4", 4);
    expect(closed).toEqual(["own 1"]);
    entries.set("guest", { address: "10.0.0.3", port: 1 }, "guest", 5);
    expect(closed).toEqual(["own 1", "own 2"]);
    expect(entries.values()).toEqual(["first", "own 3", "own 4", "guest"]);
  });

  test("drops the oldest of all where nobody holds more than others", () => {
    const { closed, entries } = table();
    for (const n of [1, 2, 3, 4, 5]) entries.set(`${n}`, { address: `10.0.0.${n}`, port: 1 }, `${n}`, 0);
    expect(closed).toEqual(["1"]);
  });

  test("counts the addresses of an IPv6 /64, and the ports of an address, as one source", () => {
    for (const [i, address] of ["2001:db8::1", "10.0.0.1"].entries()) {
      const { closed, entries } = table();
      entries.set("guest", { address: "2001:db8:0:1::1", port: 1 }, "guest", 0);
      for (let n = 1; n < 6; n++)
        entries.set(`${n}`, { address: i === 0 ? `2001:db8::${n}` : address, port: n }, `${n}`, 0);
      expect(closed).toEqual(["1", "2"]);
    }
  });

  test("forgets what is too old, tells when that is due, and hears of everything that leaves", () => {
    const { closed, entries } = table();
    expect(entries.due).toBeUndefined();
    entries.set("a", somewhere, "a", 0);
    entries.set("b", somewhere, "b", 500);
    expect(entries.due).toBe(1000);
    entries.expire(999);
    expect(entries.size).toBe(2);
    entries.expire(1000);
    expect([entries.size, entries.get("a"), entries.get("b")]).toEqual([1, undefined, "b"]);
    entries.set("b", somewhere, "b again", 600);
    entries.delete("b");
    entries.delete("b");
    expect(closed).toEqual(["a", "b", "b again"]);
    entries.set("c", somewhere, "c", 0);
    entries.set("d", somewhere, "d", 1000);
    expect(closed.at(-1)).toBe("c");
  });

  test("has room again for a source whose entries have left", () => {
    const { closed, entries } = table();
    for (let n = 0; n < 50; n++) {
      entries.set(`${n}`, somewhere, `${n}`, 0);
      entries.delete(`${n}`);
    }
    for (const n of [1, 2]) entries.set(`b${n}`, elsewhere, `b${n}`, 0);
    for (const n of [1, 2]) entries.set(`a${n}`, { address: `10.0.1.${n}`, port: 1 }, `a${n}`, 0);
    entries.set("own", somewhere, "own", 0);
    expect(closed.at(-1)).toBe("b1");
  });
});

describe("a rotating secret", () => {
  const secret = () => new RotatingSecret(seededRandom("rotating"), 16, 1000, 0);

  test.each([
    ["at once", 0, true, 1],
    ["at the end of its period", 999, true, 1],
    ["in the next period", 1000, true, 2],
    ["at the end of the next period", 1999, true, 2],
    ["after that, though nobody asked in between", 2000, false, 1],
    ["much later", 50_000, false, 1],
  ] as const)("made at the start is honoured or not %s", (_, later, want, honoured) => {
    for (const start of [0, 400, 12_345]) {
      const s = new RotatingSecret(seededRandom("rotating"), 16, 1000, start);
      const first = s.current(start).slice();
      const list = s.honoured(start + later);
      expect(list.some((x) => Buffer.compare(x, first) === 0)).toBe(want);
      expect(list).toHaveLength(honoured);
      expect(list.every((x) => x.length === 16 && x.some((b) => b !== 0))).toBe(true);
    }
  });

  test("ages by the clock: made late in its period it is honoured for the next one only", () => {
    const s = secret();
    const first = s.current(999).slice();
    s.current(1500);
    expect(s.honoured(1999)).toHaveLength(2);
    expect(s.honoured(2000).some((x) => Buffer.compare(x, first) === 0)).toBe(false);
  });

  test("is zero when it is honoured no more", () => {
    const s = secret();
    const first = s.current(0);
    const second = s.current(1000);
    const third = s.current(2000);
    const areZero = (): boolean[] => [first, second, third].map((x) => x.every((b) => b === 0));
    expect(areZero()).toEqual([true, false, false]);
    s.current(9000);
    expect(areZero()).toEqual([true, true, true]);
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

  test.each([
    ["192.0.2.7", "00000000000000000000ffffc0000207"],
    ["2001:db8::7", "20010db8000000000000000000000007"],
    ["fe80::7%eth0", "fe800000000000000000000000000007"],
  ])("of %s is over its address, port and scope as SPEC.md has them", (address, bytes) => {
    const j = jar();
    const [secret] = j.secrets(0);
    const scope = Buffer.from(address.split("%")[1] ?? "").toString("hex");
    const said = new Uint8Array(Buffer.from(`${bytes}1267000000000000${scope}`, "hex"));
    expect(j.make({ address, port: 0x1267 }, 0)).toEqual(sipHash24(secret as Uint8Array, said));
  });

  test("is worth nothing at another port or address", () => {
    const j = jar();
    const cookie = j.make(somewhere, 0);
    expect(j.accepts(cookie, { ...somewhere, port: 2 }, 0)).toBe(false);
    expect(j.accepts(cookie, elsewhere, 0)).toBe(false);
    expect(j.accepts(new Uint8Array(8), somewhere, 0)).toBe(false);
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
    const sealed = jar.seal(content, exchange, somewhere, 0);
    expect(sealed).toHaveLength(141);
    expect(jar.open(sealed, exchange, somewhere, later) !== undefined).toBe(want);
  });

  test("belongs to its exchange and to the source that K1 came from, and its numbers rise", () => {
    const jar = new BiscuitJar(native, seededRandom("biscuit"), 0);
    const [one, two] = [jar.seal(content, exchange, somewhere, 0), jar.seal(content, exchange, somewhere, 0)];
    expect(jar.open(one, new Uint8Array(8).fill(1), somewhere, 0)).toBeUndefined();
    expect(jar.open(one, exchange, elsewhere, 0)).toBeUndefined();
    expect(jar.open(one, exchange, { ...somewhere, port: 2 }, 0)).toBeUndefined();
    const numbers = [one, two].map((b) => jar.open(b, exchange, somewhere, 0)?.number);
    expect(numbers).toEqual([1n, 2n]);
  });

  test("leaves no copy of what is in it", () => {
    const sealed: Uint8Array[] = [];
    const aes = native.aead["aes-256-gcm"];
    const seal: typeof aes.seal = (key, nonce, aad, plaintext) => {
      sealed.push(plaintext);
      return aes.seal(key, nonce, aad, plaintext);
    };
    const crypto = { ...native, aead: { ...native.aead, "aes-256-gcm": { ...aes, seal } } };
    new BiscuitJar(crypto, seededRandom("biscuit"), 0).seal(content, exchange, somewhere, 0);
    expect(sealed.map((p) => p.every((b) => b === 0))).toEqual([true]);
  });

  test("of another responder, or of this one before its restart, does not open", () => {
    const sealed = new BiscuitJar(native, seededRandom("before"), 0).seal(content, exchange, somewhere, 0);
    expect(new BiscuitJar(native, seededRandom("after"), 0).open(sealed, exchange, somewhere, 0)).toBeUndefined();
  });
});

describe("an outbox", () => {
  const datagrams = [0, 1, 2, 3].map((n) => Uint8Array.of(n));
  const firsts = (list: readonly Uint8Array[]) => list.map((d) => d[0]);

  test("resends only holes below the highest fragment that arrived", () => {
    const box = new Outbox(datagrams, 0, "heard");
    expect(firsts(box.acknowledge(0b0101, 50))).toEqual([1]);
    expect(firsts(box.missing())).toEqual([1, 3]);
    expect(box.complete).toBe(false);
  });

  test("resends everything when nothing has arrived, and nothing when no hole is seen", () => {
    expect(firsts(new Outbox(datagrams, 0, "heard").acknowledge(0, 50))).toEqual([0, 1, 2, 3]);
    const box = new Outbox(datagrams, 0, "heard");
    expect(box.acknowledge(0b0011, 50)).toEqual([]);
    expect(box.due).toBe(RETRY_FIRST); // and the retry is not put off by it
    expect(box.acknowledge(0b1000, 51)).toHaveLength(1);
  });

  test("does not let a flood of acknowledgements make it a flood of fragments", () => {
    const box = new Outbox(datagrams, 0, "heard");
    expect(box.acknowledge(0b1000, 9)).toHaveLength(0); // just sent
    expect(box.acknowledge(0b1000, 10)).toHaveLength(3);
    expect(box.acknowledge(0b1000, 19)).toHaveLength(0);
    expect(box.acknowledge(0b1000, 20)).toHaveLength(3);
  });

  test("puts its retry off when it has just resent", () => {
    const box = new Outbox(datagrams, 0, "heard");
    expect(box.due).toBe(RETRY_FIRST);
    box.acknowledge(0b1000, 50);
    expect(box.due).toBe(50 + RETRY_FIRST);
  });

  test("does not send at once what its retry has just sent", () => {
    const box = new Outbox(datagrams, 0, "heard");
    box.retry(60);
    expect([box.acknowledge(0b1000, 69), box.asked(69)]).toEqual([[], []]);
    expect(box.asked(70)).toHaveLength(3);
  });

  test("waits longer after each retry, up to a bound", () => {
    const box = new Outbox(datagrams, 0, "heard");
    let now = 0;
    const waits = Array.from({ length: 20 }, () => {
      const wait = box.due - now;
      now = box.due;
      box.retry(now);
      return wait;
    });
    expect(waits[0]).toBe(RETRY_FIRST);
    expect(waits[1]).toBeCloseTo(RETRY_FIRST * 1.2);
    expect(waits.every((w, i) => i === 0 || w >= (waits[i - 1] as number))).toBe(true);
    expect(waits.at(-1)).toBe(RETRY_MOST);
  });

  test("goes to nobody ever more rarely and one datagram at a time, each of them in its turn, and as before once somebody answers", () => {
    const box = new Outbox(datagrams, 0, "unheard");
    const bursts: number[][] = [];
    while (box.due < 10_000) bursts.push(firsts(box.retry(box.due)) as number[]);
    const [whole, single] = [bursts.slice(0, UNHEARD_WHOLE), bursts.slice(UNHEARD_WHOLE)];
    expect(whole.every((burst) => burst.length === datagrams.length)).toBe(true);
    expect(single.every((burst) => burst.length === 1)).toBe(true);
    expect(new Set(single.flat()).size).toBe(datagrams.length);
    expect(bursts.length).toBeLessThan(13);
    const now = box.due;
    expect(firsts(box.acknowledge(0b1000, now))).toEqual(expect.arrayContaining([0, 1, 2]));
    expect(box.due - now).toBe(RETRY_MOST);
    expect(box.retry(box.due).length).toBeGreaterThan(1);
  });

  test("goes one at a time from the start to who has been away for long", () => {
    const box = new Outbox(datagrams, 0, "absent");
    const sent = [firsts(box.first)];
    while (box.due < 10_000) sent.push(firsts(box.retry(box.due)));
    expect(sent.every((burst) => burst.length === 1)).toBe(true);
    expect(sent.length).toBeLessThan(7);
    expect(new Set(sent.flat()).size).toBe(datagrams.length);
    expect(box.replace(datagrams, box.due)).toHaveLength(datagrams.length); // a cookie: somebody is there
    expect(box.retry(box.due)).toHaveLength(datagrams.length);
  });

  test("is complete when all of it arrived", () => {
    const box = new Outbox(datagrams, 0, "heard");
    box.acknowledge(0b1111, 20);
    expect(box.complete).toBe(true);
    expect(box.missing()).toEqual([]);
  });

  test("sends all of it again with every fourth retry, since a full table forgets what it has reported", () => {
    const box = new Outbox(datagrams, 0, "heard");
    box.acknowledge(0b1101, 20);
    const sent = [1, 2, 3, 4, 5].map((n) => firsts(box.retry(100 * n)).sort());
    expect(sent).toEqual([[1], [1], [1], [0, 1, 2, 3], [0, 1, 2, 3]]);
  });

  test("begins each burst with another fragment, so that a queue with room for one lets all through in turn", () => {
    const bursts = (send: (box: Outbox, now: number) => Uint8Array[]) => {
      const box = new Outbox(datagrams.slice(0, 2), 0, "heard");
      return [100, 200, 300].map((now) => firsts(send(box, now)));
    };
    const turns = [
      [0, 1],
      [1, 0],
      [0, 1],
    ];
    expect(bursts((box, now) => box.retry(now))).toEqual(turns);
    expect(bursts((box, now) => box.asked(now))).toEqual(turns);
  });

  test("that is asked for again sends what was never reported, but all of it the fourth time", () => {
    const box = new Outbox(datagrams, 0, "heard");
    box.acknowledge(0b1101, 20);
    expect(box.asked(29)).toEqual([]);
    const sent = [40, 60, 80, 100].map((now) => firsts(box.asked(now)).sort());
    expect(sent).toEqual([[1], [1], [1], [0, 1, 2, 3]]);
  });

  test("with a cookie starts from the beginning", () => {
    const box = new Outbox(datagrams, 0, "heard");
    box.acknowledge(0b1111, 20);
    expect(box.replace(datagrams.toReversed(), 30)).toEqual(datagrams.toReversed());
    expect([box.missing().length, box.due]).toEqual([4, 30 + RETRY_FIRST]);
    expect(box.acknowledge(0, 39)).toEqual([]);
  });
});

describe("a rate limit", () => {
  test("lets a burst through, refills up to the burst, and keeps keys apart", () => {
    const limit = new RateLimit(2, seconds(1), 100);
    limit.spend("a", 0);
    expect(limit.has("a", 0)).toBe(true);
    limit.spend("a", 0);
    expect([limit.has("a", 999), limit.has("b", 0), limit.has("a", 1000)]).toEqual([false, true, true]);
    for (let i = 0; i < 3; i++) limit.spend("a", 100_000);
    expect([limit.has("a", 100_000), limit.has("a", 101_000)]).toEqual([false, true]);
  });

  test("remembers a bounded number of keys and forgets the oldest first", () => {
    const limit = new RateLimit(1, seconds(1), 3);
    for (const key of ["a", "b", "a", "c", "d"]) limit.spend(key, 0);
    expect(["a", "b", "c", "d"].map((key) => limit.has(key, 0))).toEqual([false, true, false, false]);
  });

  test.each([
    ["an IPv4 address is a source of its own", "10.0.0.1", "10.0.0.2", false],
    ["addresses of one IPv6 /64 are one source", "2001:db8::1", "2001:db8::ffff:1", true],
    ["addresses that differ in their ninth byte only are one source", "2001:db8::1", "2001:db8::ff00:0:0:1", true],
    ["addresses that differ in their first byte only are two", "11.0.0.1", "10.0.0.1", false],
    ["other /64s are others", "2001:db8::1", "2001:db8:0:1::1", false],
    ["a scope does not make another source", "fe80::1%eth0", "fe80::1%eth1", true],
    ["what is no address stands for itself", "somewhere", "elsewhere", false],
  ])("%s", (_, a, b, same) => {
    expect(sourcePrefix({ address: a, port: 1 }) === sourcePrefix({ address: b, port: 2 })).toBe(same);
  });
});
