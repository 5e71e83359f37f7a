/** Hellos between neighbours through the three implementations: what is answered, what proves that somebody lives, and what does not. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { concat } from "../../runtime/base/bytes.ts";
import type { RelayVerdict } from "../../runtime/dataplane/relay-layout.ts";
import { HELLO, HELLO_BITS, HelloFrame } from "../../runtime/mesh/frame.ts";
import { helloFrame, indexOf } from "../help/relay-frames.ts";
import { until } from "../help/shell.ts";
import { type Datagram, ethernetFrame } from "../help/underlay-packet.ts";
import { CODE, canRun, fromHex, hex, Lab, WAYS } from "./relay-kit.ts";
import { arriving, OWN, PORT } from "./relay-wire.ts";

describe.skipIf(!canRun("test/bpf/hello.test.ts"))("hellos", () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.start();
  });
  afterAll(() => lab?.end());

  describe.each(WAYS)("(%s)", (way) => {
    beforeAll(() => lab.ask({ call: "lease", ms: 3_600_000 }));

    test.each(["a", "c"] as const)("answers a question with one of its own: %s", async (from) => {
      const got = await lab.greet(
        way,
        from,
        helloFrame({ from, to: OWN }, { asked: 0x1122334455667788n, patience: 777 }),
      );
      expect(got).toMatchObject({ verdict: "reply", to: from });
      const { answered } = HelloFrame.decode(fromHex(got.payload ?? "")) ?? { answered: 0n };
      const want = { kind: HELLO.answer, patience: 777, asked: 0x1122334455667788n, answered };
      expect(got.payload).toBe(hex(helloFrame({ from: OWN, to: from }, want)));
      expect(answered).not.toBe(0n);
    });

    test("hears who answers, once", async () => {
      const confirm = await lab.untilHeard(way, "c", 60_000);
      expect(await lab.greet(way, "c", confirm)).toEqual({ verdict: "stale" });
      expect(await lab.greet(way, "c", helloFrame({ from: "c", to: OWN }))).toMatchObject({ verdict: "reply" });
      expect(await lab.greet(way, "c", confirm)).toEqual({ verdict: "stale" });
    });

    const hop = { from: "a", to: OWN };
    test.each<[string, RelayVerdict, Uint8Array, Partial<Datagram>?]>([
      ["half a hello", "short", helloFrame(hop).subarray(0, 16)],
      ["a hello and a byte", "short", concat(helloFrame(hop), Uint8Array.of(0))],
      ["no kind", "malformed", helloFrame(hop, { kind: 0 })],
      ["a kind that is not known", "malformed", helloFrame(hop, { kind: 4 })],
      ["no patience", "malformed", helloFrame(hop, { patience: 0 })],
      ["an index of nobody", "unknownLink", helloFrame(hop, { link: 7 })],
      ["the index of another neighbour", "badTag", helloFrame(hop, { link: indexOf(OWN, "b") })],
      ["our own hello come back", "badTag", helloFrame({ from: OWN, to: "a" }, { link: indexOf(OWN, "a") })],
      ["a changed tag", "badTag", helloFrame(hop, { flip: 31 })],
      ["another question", "badTag", helloFrame(hop, { flip: 9 })],
      ["an answer to what was asked over no link", "elsewhere", helloFrame(hop, { kind: HELLO.answer, asked: 4711n })],
      ["a confirmation of that", "elsewhere", helloFrame(hop, { kind: HELLO.confirm, answered: 4711n })],
    ])("counts, and does not answer, %s", async (_, verdict, hello) => {
      expect(await lab.greet(way, "a", hello)).toEqual({ verdict });
    });

    test("counts, and does not answer, answers to questions that are too old or lie ahead", async () => {
      const { payload } = await lab.greet(way, "a", helloFrame(hop));
      const { answered } = HelloFrame.decode(fromHex(payload ?? "")) ?? { answered: 0n };
      const minute = BigInt(Math.round(60e9 / 1024)) << BigInt(64 - HELLO_BITS.timeBits);
      for (const asked of [answered - 2n * minute, answered + minute].map((q) => BigInt.asUintN(64, q))) {
        expect(await lab.greet(way, "a", helloFrame(hop, { kind: HELLO.answer, asked }))).toEqual({ verdict: "stale" });
        const confirm = helloFrame(hop, { kind: HELLO.confirm, answered: asked });
        expect(await lab.greet(way, "a", confirm)).toEqual({ verdict: "stale" });
      }
    });

    test("answers nobody who is not where the neighbour is; the daemon is told where a fresh question came from", async () => {
      const elsewhere = way === "userspace" ? "b" : "a";
      const strange = way === "userspace" ? [{}] : [{ from: "10.1.0.3" }, { ports: { from: 6001, to: PORT } }];
      const now = 0x7000_0000_0000_0000n;
      const question = (asked: bigint) => helloFrame({ from: "a", to: OWN }, { asked });
      expect(await lab.greet(way, "a", question(now))).toMatchObject({ verdict: "reply" });
      for (const more of strange) {
        const greet = (hello: Uint8Array) => lab.greet(way, elsewhere, hello, more);
        expect(await greet(question(now))).toEqual({ verdict: "newPlace" });
        expect(await greet(question(now - (1n << 52n)))).toEqual({ verdict: "elsewhere" });
        expect(await greet(helloFrame({ from: "a", to: OWN }, { kind: HELLO.answer }))).toEqual({
          verdict: "elsewhere",
        });
      }
    });

    test("answers nobody once the daemon's lease is over, and goes on with the next", async () => {
      await lab.ask({ call: "lease", ms: 0 });
      await until("the end of the lease", 30_000, async () => {
        const { verdict } = await lab.greet(way, "a", helloFrame({ from: "a", to: OWN }));
        return verdict === "leaseOver" ? true : undefined;
      });
      await lab.ask({ call: "lease", ms: 3_600_000 });
      expect(await lab.greet(way, "a", helloFrame({ from: "a", to: OWN }))).toMatchObject({ verdict: "reply" });
    });
  });

  test("hellos that the kernel has joined are the daemon's", async () => {
    const hello = helloFrame({ from: "a", to: OWN });
    const frame = ethernetFrame(arriving("a", concat(hello, hello)));
    expect(await lab.run("tc", frame, hello.length)).toMatchObject({
      verdict: "mixed",
      code: CODE.tc.pass,
      frame: hex(frame),
    });
  });

  test("whose checksum is not whole are answered with a whole one by XDP", async () => {
    const hello = helloFrame({ from: "a", to: OWN });
    expect(await lab.greet("xdp", "a", hello, { checksum: "partial" })).toMatchObject({ verdict: "reply" });
  });
});
