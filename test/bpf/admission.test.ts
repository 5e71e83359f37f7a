/**
 * Whom the kernel keeps from the daemon: every reason at XDP, at tc and on the sockets, by BPF_PROG_TEST_RUN. Cookies and macs are the
 * runtime's own: what it makes the kernel takes, and the other way round.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { concat } from "../../runtime/base/bytes.ts";
import { native } from "../../runtime/crypto/native.ts";
import { ingressObject, loadAddon, relayObjects } from "../../runtime/dataplane/addon.io.ts";
import { FRAME, FragmentHeader, RelayHeader, SealedHeader, WIRE_VERSION } from "../../runtime/mesh/frame.ts";
import { CookieJar, NO_COOKIE } from "../../runtime/mesh/handshake/cookie.ts";
import { split } from "../../runtime/mesh/handshake/fragment.ts";
import { firstMacKey, hasMac } from "../../runtime/mesh/handshake/mac.ts";
import { Acknowledge, CookieReply, FRAGMENT_PAYLOAD, MESSAGE } from "../../runtime/mesh/handshake/message.ts";
import { Child } from "../help/child.ts";
import { able } from "../help/require.ts";
import { seededRandom } from "../help/seeded.ts";
import { must } from "../help/shell.ts";
import { checksumAt, ethernetFrame } from "../help/underlay-packet.ts";
import { type Counted, frameOf, type Hook, type LabAnswers, type LabRequest, type Trial } from "./admission-lab.ts";

const FILE = "test/bpf/admission.test.ts";

function canRun(): boolean {
  if (!able(FILE, "addon", "root", "netns", "command:ip")) return false;
  const { bpf, libbpf } = loadAddon().addon?.probe() ?? { bpf: "no addon", libbpf: "" };
  const lack = bpf !== "" ? `BPF is refused (${bpf})` : libbpf === "" ? "libbpf.so.1 is not installed" : undefined;
  const reason = lack ?? (relayObjects() && ingressObject() ? undefined : "the BPF objects are not built (clang)");
  if (reason) console.log(`SKIP ${FILE}: ${reason}`);
  return reason === undefined;
}

const NETNS = `trellis-admit-${process.pid}`;
const PORT = 5000;
const HOOKS = ["xdp", "tc", "socket"] as const;
const PASSED: Record<Hook, number> = { xdp: 2, tc: -1, socket: 1 };
const DROPPED: Record<Hook, number> = { xdp: 1, tc: 2, socket: 0 };
const REDIRECTED = 7;

const random = seededRandom("admission");
const MAC_KEY = firstMacKey(native, random(32), random(32));
const EXCHANGE = random(8);
const jar = new CookieJar(seededRandom("jar"), 0);
const [SECRET = NO_COOKIE] = jar.secrets(0);

const HELLO: Record<number, Uint8Array> = { [MESSAGE.k1]: random(2392), [MESSAGE.f1]: random(1252) };
/** Fragments of a first message; of another kind with 100 bytes. */
function fragments(message: number, cookie: Uint8Array = NO_COOKIE, key = MAC_KEY): Uint8Array[] {
  return split(native, { message, exchange: EXCHANGE }, HELLO[message] ?? random(100), key, cookie);
}
const fragment = (message: number, cookie: Uint8Array = NO_COOKIE, key = MAC_KEY): Uint8Array =>
  fragments(message, cookie, key).at(-1) as Uint8Array;

function sealed(type: number, receiver: number): Uint8Array {
  return concat(SealedHeader.encode({ type, flags: 0, receiver, counter: 0n }), random(40));
}
const acknowledgement = Acknowledge.encode({
  type: FRAME.acknowledge,
  version: WIRE_VERSION,
  message: MESSAGE.k2,
  instance: 1,
  exchange: EXCHANGE,
  bitmap: 1,
  mac: random(8),
});

const SOURCES = {
  IPv4: { from: "192.0.2.7", to: "127.0.0.1", neighbour: "192.0.2.8" },
  IPv6: { from: "2001:db8::7", to: "::1", neighbour: "2001:db8:0:1::7" },
} as const;
const FAMILIES = ["IPv4", "IPv6"] as const;
const SOURCE_PORT = 4711;

describe.skipIf(!canRun())("admission in the kernel", () => {
  let lab: Child<LabRequest, LabAnswers>;

  beforeAll(async () => {
    await must(["ip", "netns", "add", NETNS]);
    await must(["ip", "-n", NETNS, "link", "set", "lo", "up"]);
  });
  afterAll(async () => {
    await must(["ip", "netns", "delete", NETNS]);
  });
  // Buckets remember: each test has tables of its own.
  beforeEach(async () => {
    lab = new Child(NETNS, join(import.meta.dir, "admission-lab.ts"), { port: PORT });
    await lab.ask({ call: "keys", keys: hex(concat(MAC_KEY, SECRET, SECRET)) });
  });
  afterEach(async () => {
    await lab.end();
  });

  const trial = (hook: Hook, payload: Uint8Array, more: Partial<Trial> = {}): Trial => ({
    hook,
    payload: hex(payload),
    from: SOURCES.IPv4.from,
    to: SOURCES.IPv4.to,
    port: SOURCE_PORT,
    ...more,
  });
  const run = (hook: Hook, payload: Uint8Array, more: Partial<Trial> = {}): Promise<LabAnswers["run"]> =>
    lab.ask({ call: "run", ...trial(hook, payload, more) });
  const flood = (hook: Hook, payload: Uint8Array, times: number, spread: boolean, more: Partial<Trial> = {}) =>
    lab.ask({ call: "flood", times, spread, ...trial(hook, payload, more) });

  describe.each(HOOKS)("at %s", (hook) => {
    const passes: Counted = hook === "socket" ? { pass: 1 } : {};
    const drop = (reason: keyof Counted): LabAnswers["run"] =>
      ({ code: DROPPED[hook], counted: { [reason]: 1 } }) as unknown as LabAnswers["run"];
    const pass = { code: PASSED[hook], counted: passes };
    /** A stranger that is to get a cookie. */
    const stranger = hook === "tc" ? { code: REDIRECTED, counted: { answered: 1 } } : pass;

    test.each([FRAME.data, FRAME.control])("a sealed frame (type %d) must name a session of ours", async (type) => {
      await lab.ask({ call: "session", index: 77, isOurs: true });
      expect(await run(hook, sealed(type, 77))).toMatchObject(pass);
      expect(await run(hook, sealed(type, 78))).toMatchObject(drop("unknownSession"));
      await lab.ask({ call: "session", index: 77, isOurs: false });
      expect(await run(hook, sealed(type, 77))).toMatchObject(drop("unknownSession"));
    });

    test.each(FAMILIES)("a cookie is good for the source that got it, over %s", async (family) => {
      const { from, to, neighbour } = SOURCES[family];
      const cookie = jar.make({ address: from, port: SOURCE_PORT }, 0);
      for (const message of [MESSAGE.k1, MESSAGE.f1, MESSAGE.k3, MESSAGE.f3])
        expect(await run(hook, fragment(message, cookie), { from, to })).toMatchObject(pass);
      const other = { from: neighbour, to };
      expect(await run(hook, fragment(MESSAGE.k3, cookie), other)).toMatchObject(drop("badCookie"));
      expect(await run(hook, fragment(MESSAGE.k3, cookie), { from, to, port: 1 })).toMatchObject(drop("badCookie"));
    });

    test("a cookie of the secret before counts, one of another does not", async () => {
      const cookie = jar.make({ address: SOURCES.IPv4.from, port: SOURCE_PORT }, 0);
      await lab.ask({ call: "keys", keys: hex(concat(MAC_KEY, random(16), SECRET)) });
      expect(await run(hook, fragment(MESSAGE.k3, cookie))).toMatchObject(pass);
      await lab.ask({ call: "keys", keys: hex(concat(MAC_KEY, random(16), random(16))) });
      expect(await run(hook, fragment(MESSAGE.k3, cookie))).toMatchObject(drop("badCookie"));
    });

    test.each([MESSAGE.k1, MESSAGE.f1])(
      "a stranger's first message %d must be made by who knows us",
      async (message) => {
        for (const part of fragments(message)) {
          expect(await run(hook, part)).toMatchObject(stranger);
          for (const at of [3, 8, part.length - 1]) {
            const changed = part.slice();
            changed[at] = (changed[at] as number) ^ (at === 3 ? 1 : 0x40);
            expect(await run(hook, changed)).toMatchObject(drop("badTag"));
          }
        }
        for (const part of fragments(message, NO_COOKIE, random(16)))
          expect(await run(hook, part)).toMatchObject(drop("badTag"));
      },
    );

    // The programs take four words at a time, then one, then what is left of a word.
    test("a first message of any length is heard to the last byte", async () => {
      const lengths = [...Array(72).keys(), ...Array.from({ length: 40 }, (_, i) => FRAGMENT_PAYLOAD - i)].slice(1);
      for (const length of lengths) {
        const message = { message: MESSAGE.k1, exchange: EXCHANGE };
        const [part] = split(native, message, random(length), MAC_KEY, NO_COOKIE) as [Uint8Array];
        const place = { from: `10.1.${length >> 8}.${length & 255}` };
        expect(await run(hook, part, place)).toMatchObject(stranger);
        for (const at of [part.length - 1, FragmentHeader.size + Math.floor(length / 2)]) {
          const changed = part.slice();
          changed[at] = (changed[at] as number) ^ 1;
          expect(await run(hook, changed, place)).toMatchObject(drop("badTag"));
        }
      }
    });

    test("a wrong cookie counts as none in a first message that is rightly made, and is bad otherwise", async () => {
      expect(await run(hook, fragment(MESSAGE.k1, random(8)))).toMatchObject(stranger);
      expect(await run(hook, fragment(MESSAGE.k1, random(8), random(16)))).toMatchObject(drop("badCookie"));
      expect(await run(hook, fragment(MESSAGE.f3, random(8)))).toMatchObject(drop("badCookie"));
    });

    test("of one stranger there is only so much, another is none the worse for it", async () => {
      const counted = await flood(hook, acknowledgement, 2000, false);
      expect(counted.overRate).toBeGreaterThan(1000);
      expect((await flood(hook, acknowledgement, 50, false)).overRate).toBeGreaterThan(0);
      expect(await run(hook, acknowledgement, { from: SOURCES.IPv4.neighbour })).toMatchObject(pass);
      expect((await flood(hook, fragment(MESSAGE.f1), 50, false)).overRate).toBeGreaterThan(0);
      expect(await run(hook, fragment(MESSAGE.f1), { from: SOURCES.IPv4.neighbour })).toMatchObject(stranger);
    });

    test("an IPv6 stranger is its /64", async () => {
      const { from, to, neighbour } = SOURCES.IPv6;
      await flood(hook, acknowledgement, 2000, false, { from, to });
      const same = await flood(hook, acknowledgement, 50, false, { from: "2001:db8::ffff:1", to });
      expect(same.overRate).toBeGreaterThan(20);
      expect(await run(hook, acknowledgement, { from: neighbour, to })).toMatchObject(pass);
    });

    test("however many strangers there are, peers, the proven and those we call are heard", async () => {
      const { from, neighbour } = SOURCES.IPv4;
      const cookie = jar.make({ address: from, port: SOURCE_PORT }, 0);
      await lab.ask({ call: "peer", address: neighbour, isThere: true });
      await lab.ask({ call: "called", address: "198.51.100.9" });
      const counted = await flood(hook, acknowledgement, 20_000, true);
      expect(counted.overRate).toBeGreaterThan(1000);
      expect(await run(hook, fragment(MESSAGE.k1), { from: neighbour })).toMatchObject(pass);
      expect(await run(hook, fragment(MESSAGE.k2), { from: "198.51.100.9" })).toMatchObject(pass);
      expect(await run(hook, fragment(MESSAGE.k1, cookie))).toMatchObject(pass);
      expect(await run(hook, acknowledgement)).toMatchObject(pass); // it has just shown a cookie
    });

    test("a proven source and a peer are heard as often as the daemon can answer, no more", async () => {
      const { from, neighbour } = SOURCES.IPv4;
      const cookie = jar.make({ address: from, port: SOURCE_PORT }, 0);
      const counted = await flood(hook, fragment(MESSAGE.k1, cookie), 5000, false);
      expect(counted.overRate).toBeGreaterThan(1000);
      expect(Object.keys(counted).sort()).toEqual(hook === "socket" ? ["overRate", "pass"] : ["overRate"]);
      await lab.ask({ call: "peer", address: neighbour, isThere: true });
      const ofPeer = await flood(hook, fragment(MESSAGE.k1), 5000, false, { from: neighbour });
      expect(ofPeer.overRate).toBeGreaterThan(1000); // what is over is a stranger's, and then too much of one
    });

    test("joined datagrams are judged by the first, and count as many", async () => {
      if (hook === "xdp") return expect(PASSED.xdp).toBe(2); // sees none
      const unknown = sealed(FRAME.data, 5);
      const three = concat(unknown, unknown, unknown.subarray(0, 40));
      const got = await run(hook, three, { segment: unknown.length });
      expect(got).toMatchObject({ code: DROPPED[hook], counted: { unknownSession: 3 } });
    });

    test("before the keys are told nobody is dropped for them", async () => {
      await lab.ask({ call: "keys", keys: undefined });
      for (const payload of [sealed(FRAME.data, 5), fragment(MESSAGE.k1, random(8), random(16)), acknowledgement])
        expect(await run(hook, payload)).toMatchObject(pass);
    });

    test("any bytes are dropped or not, and never more than that", async () => {
      const head = fc.tuple(fc.integer({ min: 0, max: 8 }), fc.constantFrom(0, 1, 2), fc.constantFrom(1, 2, 3, 17, 19));
      const body = fc.uint8Array({ minLength: 0, maxLength: 1300 });
      const bytes = fc.oneof(
        body,
        fc.tuple(head, body).map(([h, b]) => concat(Uint8Array.from(h), b)),
        fc
          .tuple(fc.constantFrom(...fragments(MESSAGE.k1), ...fragments(MESSAGE.f1)), fc.nat(1232), fc.nat(255))
          .map(([part, at, value]) => {
            const changed = part.slice(0, Math.max(1, at));
            changed[at % changed.length] = value;
            return changed;
          }),
      );
      await fc.assert(
        fc.asyncProperty(bytes, fc.constantFrom(...FAMILIES), async (payload, family) => {
          const { from, to } = SOURCES[family];
          const got = await run(hook, payload, { from, to });
          const counts = Object.values(got.counted);
          if ((payload[0] === FRAME.relay || payload[0] === FRAME.hello) && hook !== "socket") return; // the relay's
          expect(counts).toEqual(got.code === PASSED[hook] && hook !== "socket" ? [] : [1]);
          expect([PASSED[hook], DROPPED[hook], REDIRECTED]).toContain(got.code);
        }),
        { numRuns: 400 },
      );
    }, 60_000);
  });

  describe("the answer to a stranger (tc)", () => {
    const reply = (address: string): Uint8Array => {
      const cookie = jar.make({ address, port: SOURCE_PORT }, 0);
      const given = { type: FRAME.cookie, version: WIRE_VERSION, exchange: EXCHANGE, cookie, mac: new Uint8Array(8) };
      return CookieReply.encode(given);
    };
    /** The frame that must leave, with the checksum's kind that came in. */
    const wanted = (
      payload: Uint8Array,
      from: string,
      to: string,
      checksum: "full" | "partial" | "none",
    ): Uint8Array => {
      const frame = ethernetFrame({
        macs: { from: "00:00:00:00:00:00", to: "02:00:00:00:00:0a" },
        from: to,
        to: from,
        ports: { from: PORT, to: SOURCE_PORT },
        payload,
        checksum,
      });
      return frame;
    };

    describe.each(FAMILIES)("over %s", (family) => {
      const { from, to } = SOURCES[family];
      test.each([
        ["K1", fragments(MESSAGE.k1)[0]],
        ["the end of K1", fragments(MESSAGE.k1)[1]],
        ["F1", fragments(MESSAGE.f1)[0]],
        ["the end of F1", fragments(MESSAGE.f1)[1]],
      ] as const)("to %s is the cookie that the daemon would give, and goes back", async (_, part) => {
        const { code, frame } = await run("tc", part as Uint8Array, { from, to });
        expect(code).toBe(REDIRECTED);
        const got = new Uint8Array(Buffer.from(frame, "hex"));
        const payload = got.slice(checksumAt(got) + 2);
        expect(hasMac(MAC_KEY, payload)).toBe(true);
        const blank = payload.slice();
        blank.fill(0, CookieReply.offsets.mac);
        expect(hex(blank)).toBe(hex(reply(from)));
        const want = wanted(payload, from, to, "full");
        if (family === "IPv4") want.set(got.subarray(18, 20), 18); // the identification is what it is
        if (family === "IPv4") want.set(got.subarray(24, 26), 24); // and the header's sum follows: looked at below
        expect(frame).toBe(hex(want));
        if (family === "IPv4") expect(headerSum(got)).toBe(0xffff);
      });
    });

    test("a datagram that came without a checksum is answered without one", async () => {
      const { frame } = await run("tc", fragment(MESSAGE.f1), { checksum: "none" });
      const got = new Uint8Array(Buffer.from(frame, "hex"));
      expect([got[checksumAt(got)], got[checksumAt(got) + 1]]).toEqual([0, 0]);
    });

    test.each(["224.0.0.1", "255.255.255.255", "127.0.0.9", "0.0.0.0"])("is none to %s", async (from) => {
      expect(await run("tc", fragment(MESSAGE.f1), { from })).toMatchObject({ code: PASSED.tc, counted: {} });
    });

    test("is none to a link-local address, whose cookie is over the interface too: that is for the daemon", async () => {
      const linkLocal = { from: "fe80::5", to: SOURCES.IPv6.to };
      for (const hook of HOOKS) {
        const passes = { code: PASSED[hook], counted: hook === "socket" ? { pass: 1 } : {} };
        for (const part of [...fragments(MESSAGE.k1), fragment(MESSAGE.f1, random(8))])
          expect(await run(hook, part, linkLocal)).toMatchObject(passes);
        const counted = await flood(hook, fragment(MESSAGE.f1), 200, false, linkLocal);
        expect(counted.overRate).toBeGreaterThan(0);
      }
    });

    test("is none to what was sent to another machine", async () => {
      const mac = "02:00:00:00:00:99";
      expect(await run("tc", fragment(MESSAGE.f1), { mac })).toMatchObject({ code: PASSED.tc, counted: {} });
    });

    test("is never longer than what came", async () => {
      for (const part of [...fragments(MESSAGE.k1), ...fragments(MESSAGE.f1)])
        expect(CookieReply.size).toBeLessThan(part.length);
      expect(FragmentHeader.size).toBe(CookieReply.size);
    });
  });

  test.each(["xdp", "tc"] as const)("what goes to another machine is left alone (%s)", async (hook) => {
    await must(["ip", "-n", NETNS, "route", "replace", "203.0.113.0/24", "dev", "lo"]);
    const there = { to: "203.0.113.5" };
    for (const payload of [sealed(FRAME.data, 5), fragment(MESSAGE.f1), fragment(MESSAGE.f3, random(8))]) {
      const got = await run(hook, payload, there);
      expect(got).toEqual({ code: PASSED[hook], counted: {}, frame: hex(frameOf(trial(hook, payload, there), PORT)) });
    }
  });

  test("a relayed frame is the relay's to judge, and on a socket the daemon's", async () => {
    const relayed = concat(new Uint8Array(RelayHeader.size).fill(0), random(40));
    relayed[0] = FRAME.relay;
    expect(await run("socket", relayed)).toMatchObject({ code: PASSED.socket, counted: { pass: 1 } });
    expect((await run("tc", relayed)).counted).toEqual({});
  });
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** One's complement sum of an IPv4 header in an Ethernet frame: all ones when it is right. */
function headerSum(frame: Uint8Array): number {
  let total = 0;
  for (let at = 14; at < 34; at += 2) total += ((frame[at] as number) << 8) | (frame[at + 1] as number);
  while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
  return total;
}
