/**
 * One set of frames through the three implementations of the relay: tc and XDP by BPF_PROG_TEST_RUN, and the userspace forwarder over
 * its socket. What they must do is computed here from the layouts and the runtime's hash alone.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concat } from "../../runtime/base/bytes.ts";
import { loadAddon, type RelayObjects, relayObjects } from "../../runtime/dataplane/addon.io.ts";
import type { RelayVerdict } from "../../runtime/dataplane/relay-layout.ts";
import { RELAY_TTL, RelayHeader } from "../../runtime/mesh/frame.ts";
import { indexOf, onward, overlay, relayFrame } from "../help/relay-frames.ts";
import { must, until } from "../help/shell.ts";
import { checksumAt, ethernetFrame, sum } from "../help/underlay-packet.ts";
import { CASES, FOREIGN } from "./relay-cases.ts";
import { CODE, canRun, codeOf, HOOKS, hex, Lab, WAYS } from "./relay-kit.ts";
import {
  arriving,
  DEVICE,
  flow,
  INNER,
  inner,
  isV4,
  LINK_LOCAL,
  leaving,
  MTU,
  type Name,
  NETNS,
  ON_WIRE,
  OWN,
} from "./relay-wire.ts";

const NEIGHBOUR_B = [ON_WIRE.b.address, "lladdr", ON_WIRE.b.mac, "dev", "r1", "nud", "permanent"];

describe.skipIf(!canRun("test/bpf/relay.test.ts"))("the relay", () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.start();
  });
  afterAll(() => lab?.end());

  const run: Lab["run"] = (...args) => lab.run(...args);

  describe.each(HOOKS)("in the kernel (%s)", (hook) => {
    test.each(CASES.map((c) => [c.name, c] as const))("does what it must with %s", async (_, c) => {
      const from = c.from ?? "a";
      const frame = ethernetFrame(arriving(from, c.payload, c.datagram), c.oddity);
      const got = await run(hook, frame);
      expect(got.verdict).toBe(c.kernel);
      expect(got.code).toBe(codeOf(hook, c.kernel));
      if (c.kernel !== "forward" || !c.to) {
        expect(got.frame).toBe(hex(frame));
        expect(got.sentOn).toBeUndefined();
        return;
      }
      const payload = onward(c.payload, { from: OWN, to: c.to });
      expect(got.frame).toBe(hex(ethernetFrame(leaving(c.to, payload, c.datagram))));
      expect(got.sentOn).toEqual({ peer: overlay(c.to), frames: 1, bytes: payload.length });
    });

    test.each(FOREIGN)("leaves %s alone", async (_, frame) => {
      expect(await run(hook, frame)).toEqual({ code: CODE[hook].pass, frame: hex(frame), count: 0 });
    });

    test("relays a frame that comes twice twice: replays are the ends' to see", async () => {
      const frame = ethernetFrame(arriving("a", flow("a", "b")));
      const first = await run(hook, frame);
      expect(await run(hook, frame)).toEqual(first);
    });
  });

  test("a link-local neighbour, which is in no route, is tc's to reach on its own interface, and not XDP's", async () => {
    const payload = flow("c", LINK_LOCAL.name);
    const tc = await run("tc", ethernetFrame(arriving("c", payload)));
    expect(tc).toMatchObject({ verdict: "forward", code: CODE.tc.redirect });
    const [from, to] = [DEVICE.r1.linkLocal, LINK_LOCAL.address];
    const want = leaving("d", onward(payload, { from: OWN, to: LINK_LOCAL.name }), { from, to });
    expect(tc.frame.slice(28)).toBe(hex(ethernetFrame(want)).slice(28)); // the kernel finds the Ethernet address behind us
    const large = flow("c", LINK_LOCAL.name, inner(MTU - 79));
    for (const [hook, body] of [
      ["xdp", payload],
      ["tc", large],
    ] as const)
      expect(await run(hook, ethernetFrame(arriving("c", body)))).toMatchObject({ verdict: "unresolved" });
  });

  describe("in userspace", () => {
    test.each(CASES.map((c) => [c.name, c] as const))("does what it must with %s", async (_, c) => {
      const got = await lab.ask({ call: "userspace", payload: hex(c.payload) });
      const verdict = c.userspace ?? c.kernel ?? "forward";
      const to = c.userspaceTo ?? c.to;
      if (verdict !== "forward" || !to) return expect(got).toEqual({ verdict });
      expect(got).toEqual({ verdict, to, payload: hex(onward(c.payload, { from: OWN, to })) });
    });
  });

  describe("of frames whose checksum is not whole", () => {
    test.each([
      ["IPv4", "a", "b", 40],
      ["IPv6", "c", "d", 40],
      ["IPv4, of odd length", "a", "b", 555],
      ["IPv6, of odd length", "c", "d", 1213],
      ["IPv6, of one byte", "c", "d", 1],
      ["IPv4, as long as may be", "a", "b", MTU - 60],
    ] as const)("XDP makes it whole: %s", async (_, from, to, size) => {
      const payload = flow(from, to, inner(size));
      const got = await run("xdp", ethernetFrame(arriving(from, payload, { checksum: "partial" })));
      const want = ethernetFrame(leaving(to, onward(payload, { from: OWN, to })));
      expect(got).toMatchObject({ code: CODE.xdp.redirect, frame: hex(want) });
    });

    test.each([
      ["IPv4", "a", "b"],
      ["IPv6", "c", "d"],
    ] as const)("tc keeps the sum of the whole packet that a device gave: %s", async (_, from, to) => {
      const payload = flow(from, to);
      const got = await run("tc", ethernetFrame(arriving(from, payload)), 0, true); // the kernel compares
      expect(got).toMatchObject({
        code: CODE.tc.redirect,
        frame: hex(ethernetFrame(leaving(to, onward(payload, { from: OWN, to })))),
      });
    });
  });

  describe("of superpackets (tc)", () => {
    const SEGMENT = 1200;
    const body = inner(SEGMENT - RelayHeader.size);
    const cut = (frame: Uint8Array, size: number): Uint8Array => frame.subarray(0, size);
    const good = flow("a", "b", body);

    test.each<[string, RelayVerdict, number, readonly Uint8Array[]]>([
      ["three equal segments", "forward", 3, [good, good, good]],
      ["a shorter last segment", "forward", 3, [good, good, cut(good, 100)]],
      ["a last segment of one byte behind its header", "forward", 2, [good, cut(good, RelayHeader.size + 1)]],
      ["a last segment that is a header alone", "mixed", 1, [good, cut(good, RelayHeader.size)]],
      ["a last segment that is less", "mixed", 1, [good, cut(good, 9)]],
      ["two flows", "mixed", 1, [good, flow("a", "d", body), good]],
      ["a bad tag among good ones", "mixed", 1, [flow("a", "b", body, { flip: 31 }), good, good]],
      ["a good tag among bad ones", "mixed", 1, [good, good, flow("a", "b", body, { flip: 31 })]],
      ["equal bad tags", "badTag", 3, Array(3).fill(flow("a", "b", body, { flip: 31 }))],
      ["no route for any", "noRoute", 3, Array(3).fill(flow("a", "9", body))],
      ["frames for this gateway", "deliver", 1, Array(3).fill(flow("a", OWN, body))],
    ])("%s", async (_, verdict, count, segments) => {
      const payload = concat(...segments);
      const frame = ethernetFrame(arriving("a", payload));
      const got = await run("tc", frame, SEGMENT);
      expect(got).toMatchObject({ verdict, count, code: codeOf("tc", verdict) });
      if (verdict !== "forward") return expect(got.frame).toBe(hex(frame));
      const out = concat(...segments.map((segment) => onward(segment, { from: OWN, to: "b" })));
      const want = ethernetFrame(leaving("b", out));
      // Its checksum is partial: what follows from the addresses is all that changes, and the kernel finishes it for each segment.
      const field = 0xffff - word(frame, checksumAt(frame));
      const old = sum(frame.subarray(26, 34));
      const changed = sum(be16(field), be16(0xffff - old), want.subarray(26, 34));
      want.set(be16(0xffff - changed), checksumAt(want));
      expect(got.frame).toBe(hex(want));
      expect(got.sentOn).toEqual({ peer: overlay("b"), frames: count, bytes: payload.length });
    });

    const word = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    const be16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

    test("of as many segments as a socket sends, and one more", async () => {
      const small = flow("a", "b", inner(8)); // what BPF_PROG_TEST_RUN takes is less than a page
      for (const [count, verdict] of [
        [64, "forward"],
        [65, "mixed"],
      ] as const) {
        const payload = concat(...Array<Uint8Array>(count).fill(small));
        const got = await run("tc", ethernetFrame(arriving("a", payload)), small.length);
        expect(got.verdict).toBe(verdict);
        const sent = concat(...Array<Uint8Array>(count).fill(onward(small, { from: OWN, to: "b" })));
        if (verdict === "forward") expect(got.frame).toEndWith(hex(sent));
      }
    });
  });

  test("the three agree on any frame, and the kernel hands over what only userspace can do", async () => {
    const names = ["a", "b", "c", "d", OWN, "1", "9"];
    const mostly = <T, U>(usual: T, other: fc.Arbitrary<U>): fc.Arbitrary<T | U> =>
      fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
    const ends = fc.constantFrom<readonly [Name, boolean]>(["a", true], ["c", false]);
    const frames = fc.record({
      end: ends,
      destination: fc.constantFrom(...names),
      ttl: mostly(RELAY_TTL, fc.integer({ min: 0, max: 20 })),
      reserved: mostly(0, fc.integer({ min: 0, max: 255 })),
      link: mostly(null, fc.constantFrom(7, indexOf(OWN, "b"), indexOf(OWN, "c"))),
      flip: mostly(null, fc.integer({ min: 1, max: 31 })),
      size: fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: MTU - 80 })),
      checksum: fc.constantFrom<"full" | "partial">("full", "partial"),
    });
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(frames, async ({ end: [from, v4], destination, size, checksum, link: index, flip, ...rest }) => {
        const payload = flow(from, destination, inner(size), {
          ...rest,
          ...(index !== null && { link: index }),
          ...(flip !== null && { flip }),
        });
        const whole = ethernetFrame(arriving(from, payload));
        const [tc, xdp, userspace] = await Promise.all([
          run("tc", whole),
          run("xdp", ethernetFrame(arriving(from, payload, { checksum }))),
          lab.ask({ call: "userspace", payload: hex(payload) }),
        ]);
        expect(xdp.verdict).toBe(tc.verdict);
        seen.add(tc.verdict ?? "");
        if (tc.verdict === "unresolved" || tc.verdict === "otherFamily") {
          expect(userspace.verdict).toBe("forward");
          const other = ["a", "b", "c", "d"].includes(destination) && isV4(destination as Name) !== v4;
          expect(tc.verdict).toBe(other || (destination === "1" && !v4) ? "otherFamily" : "unresolved");
          return;
        }
        expect<string | undefined>(userspace.verdict).toBe(tc.verdict);
        if (tc.verdict !== "forward") return;
        expect(xdp.frame).toBe(tc.frame);
        expect(tc.frame).toEndWith(userspace.payload ?? "nothing");
        expect(tc.frame).toBe(
          hex(ethernetFrame(leaving(destination as Name, onward(payload, { from: OWN, to: destination })))),
        );
      }),
      { numRuns: 1500 },
    );
    expect([...seen].sort()).toEqual([
      "badTag",
      "deliver",
      "expired",
      "forward",
      "loop",
      "malformed",
      "noRoute",
      "otherFamily",
      "short",
      "unknownLink",
      "unresolved",
    ]);
  }, 120_000);

  test("any bytes behind an Ethernet header, to our port or not, are taken alike by both programs", async () => {
    const start = ethernetFrame(arriving("a", flow("a", "b")));
    const mutated = fc
      .array(fc.tuple(fc.nat(start.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 4 })
      .map((changes) => changes.reduce((frame, [at, value]) => frame.with(at, value), start));
    const cut = fc.tuple(mutated, fc.integer({ min: 34, max: start.length })).map(([f, size]) => f.subarray(0, size));
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, cut), async (frame) => {
        const [tc, xdp] = [await run("tc", frame), await run("xdp", frame)];
        expect(xdp.verdict).toBe(tc.verdict);
        expect(tc.code).toBe(codeOf("tc", tc.verdict));
        expect(xdp.code).toBe(codeOf("xdp", xdp.verdict));
      }),
      { numRuns: 800 },
    );
  }, 60_000);

  describe("when the tables change", () => {
    const verdicts = async (payload: Uint8Array): Promise<(RelayVerdict | undefined)[]> => {
      const frame = ethernetFrame(arriving("a", payload));
      const kernel = [await run("tc", frame), await run("xdp", frame)].map(({ verdict }) => verdict);
      return [...kernel, (await lab.ask({ call: "userspace", payload: hex(payload) })).verdict];
    };
    const nextHops = async (payload: Uint8Array): Promise<(string | undefined)[]> => {
      const { sentOn } = await run("tc", ethernetFrame(arriving("a", payload)));
      const { to } = await lab.ask({ call: "userspace", payload: hex(payload) });
      return [sentOn?.peer, to && overlay(to)];
    };
    const all = (verdict: RelayVerdict): RelayVerdict[] => [verdict, verdict, verdict];

    test("a route that was taken away is none, and comes back", async () => {
      await lab.ask({ call: "route", destination: "b" });
      expect(await verdicts(flow("a", "b"))).toEqual(all("noRoute"));
      await lab.ask({ call: "route", destination: "b", primary: "b" });
      expect(await verdicts(flow("a", "b"))).toEqual(all("forward"));
    });

    test("the backup serves while the primary is silent", async () => {
      await lab.ask({ call: "route", destination: "8", primary: "b", backup: "a" });
      const from = relayFrame({ from: "d", to: OWN }, "d", "8", INNER);
      expect(await nextHops(from)).toEqual([overlay("b"), overlay("b")]);
      await lab.ask({ call: "lease", ms: 3_600_000 });
      for (const way of WAYS) await lab.untilHeard(way, "b", 500);
      await until("the backup", 30_000, async () =>
        (await nextHops(from)).every((to) => to === overlay("a")) ? true : undefined,
      );
      for (const way of WAYS) await lab.untilHeard(way, "b", 60_000);
      expect(await nextHops(from)).toEqual([overlay("b"), overlay("b")]);
    }, 90_000);

    test("what finds its primary silent, and no backup, goes back to where it came from", async () => {
      await lab.ask({ call: "route", destination: "8", primary: "b" });
      await lab.ask({ call: "lease", ms: 3_600_000 });
      const payload = relayFrame({ from: "a", to: OWN }, "d", "8", INNER);
      const hops = async (): Promise<(string | undefined)[]> => {
        const kernel = HOOKS.map(async (hook) => (await run(hook, ethernetFrame(arriving("a", payload)))).sentOn?.peer);
        const { to } = await lab.ask({ call: "userspace", payload: hex(payload) });
        return [...(await Promise.all(kernel)), to && overlay(to)];
      };
      for (const way of WAYS) await lab.untilHeard(way, "b", 60_000);
      expect(new Set(await hops())).toEqual(new Set([overlay("b")]));
      for (const way of WAYS) await lab.untilHeard(way, "b", 500);
      await until("the way back", 30_000, async () =>
        (await hops()).every((to) => to === overlay("a")) ? true : undefined,
      );
      for (const way of WAYS) await lab.untilHeard(way, "b", 60_000);
    }, 90_000);

    test.each([
      ["b", "a", "10.2.0.77"],
      ["d", "c", "2001:db8:2::77"],
    ] as const)(
      "a neighbour behind a router (%s) is sent to over it, at its own address",
      async (name, from, router) => {
        const mac = "02:00:00:00:77:77";
        const route = [ON_WIRE[name].address, "via", router, "dev", "r1"];
        await must(["ip", "-n", NETNS, "neighbour", "replace", router, "lladdr", mac, "dev", "r1", "nud", "permanent"]);
        await must(["ip", "-n", NETNS, "route", "replace", ...route]);
        const payload = flow(from, name);
        const want = leaving(name, onward(payload, { from: OWN, to: name }));
        const frame = hex(ethernetFrame({ ...want, macs: { ...want.macs, to: mac } }));
        for (const hook of HOOKS)
          await until(`${hook} to follow the route`, 10_000, async () =>
            (await run(hook, ethernetFrame(arriving(from, payload)))).frame === frame ? true : undefined,
          );
        await must(["ip", "-n", NETNS, "route", "del", ...route]);
      },
      40_000,
    );

    test("frames leave from the address that the machine has now", async () => {
      const [old, now] = [DEVICE.r1.v4, "10.2.0.253"];
      await must(["ip", "-n", NETNS, "address", "add", `${now}/24`, "dev", "r1"]);
      await must(["ip", "-n", NETNS, "address", "del", `${old}/24`, "dev", "r1"]);
      await must(["ip", "-n", NETNS, "address", "replace", `${now}/24`, "dev", "r1"]);
      await must(["ip", "-n", NETNS, "neighbour", "replace", ...NEIGHBOUR_B]);
      const payload = flow("a", "b");
      const want = leaving("b", onward(payload, { from: OWN, to: "b" }), { from: now });
      const got = await until("the new address", 30_000, async () => {
        await lab.ask({ call: "route", destination: "b", primary: "b" }); // any change will do
        const { frame } = await run("tc", ethernetFrame(arriving("a", payload)));
        return frame === hex(ethernetFrame(want)) ? frame : undefined;
      });
      expect((await run("xdp", ethernetFrame(arriving("a", payload)))).frame).toBe(got);
    }, 40_000);

    test("a session that was replaced admits nothing more, its successor does", async () => {
      await lab.ask({ call: "replaceSession", peer: "a", localIndex: 0x7777 });
      expect(await verdicts(flow("a", "b"))).toEqual(all("unknownLink"));
      expect(await verdicts(flow("a", "b", INNER, { link: 0x7777 }))).toEqual(all("forward"));
    });
  });

  test("that the kernel refuses tells why", () => {
    const { tc } = relayObjects() as RelayObjects;
    const load = (bytes: Uint8Array) => () => loadAddon().addon?.loadRelay(1, bytes, undefined);
    expect(load(Uint8Array.of(1, 2, 3))).toThrow("ELF");
    // One helper's number becomes another's: the verifier finds arguments that do not fit.
    const broken = Uint8Array.from(tc);
    const call = broken.findIndex((byte, at) => byte === 0x85 && at % 8 === 0 && broken[at + 4] === 69);
    broken[call + 4] = 70; // bpf_fib_lookup is 69
    expect(load(broken)).toThrow(/\bprocessed \d+ insns/);
  });
});
