/** The programs on the overlay device by BPF_PROG_TEST_RUN: verdicts, flows, counters, events. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { FLOW_TIMES } from "../../runtime/policy/table.ts";
import { fragment, icmp, TCP, tcp, udp, v4, v6 } from "../help/overlay-packet.ts";
import { MEMBERS, policyOf, SELF } from "../unit/policy/world.ts";
import { CASES, POLICY } from "./mesh-cases.ts";
import { canRun, MeshLab } from "./mesh-lab.ts";

const FILE = "test/bpf/mesh.test.ts";
const A = "fd00::a";
const B = "fd00::b";
const toUs = (from: string) => ({ from, to: SELF });
/** Each packet begins anew. */
const FORGETFUL = { tcpMs: 0, openingMs: 0, udpMs: 0, otherMs: 0 };
const fromUs = (to: string) => ({ from: SELF, to });

describe.skipIf(!canRun(FILE))("the overlay device does what it must with", () => {
  let lab: MeshLab;
  beforeAll(() => {
    lab = new MeshLab(SELF);
  });
  afterAll(() => lab.close());

  test.each(CASES.map((c) => [c.name, c] as const))("%s", (_, c) => {
    lab.enforce(POLICY, MEMBERS, FORGETFUL);
    const { fate, count } = lab.send("in", c.packet, c.segment);
    expect(fate).toBe(c.fate);
    if (fate !== "pass") expect(count).toBe(c.packets ?? 1);
    const grown = lab
      .rules(POLICY.rules.length)
      .flatMap((counts, rule) => (counts.packets > 0 ? [{ rule, counts }] : []));
    expect(grown.map((g) => g.rule)).toEqual(c.rule === undefined ? [] : [c.rule]);
    const [hit] = grown;
    if (hit) expect(hit.counts.packets).toBe(c.packets ?? 1);
    if (c.bytes !== undefined) expect(hit?.counts.bytes).toBe(c.bytes);
    const flows = lab.flows();
    expect(flows).toHaveLength(c.flow ? 1 : 0);
    const carried = { in: hit?.counts, out: { packets: 0, bytes: 0 } };
    if (c.flow) expect(flows).toMatchObject([{ opener: "in", rule: c.rule, ...carried }]);
  });

  test.each(CASES.map((c) => [c.name, c] as const))("%s, while no policy is enforced: it passes", (_, c) => {
    lab.enforce(undefined, MEMBERS);
    expect(lab.send("in", c.packet, c.segment).fate).toBe("pass");
  });
});

describe.skipIf(!canRun(FILE))("the overlay device", () => {
  let lab: MeshLab;
  beforeEach(() => {
    lab = new MeshLab(SELF);
    lab.enforce(POLICY, MEMBERS);
  });
  afterEach(() => lab.close());

  const syn = (port: number, source = 4000) => v6(toUs(A), 6, tcp(source, port, TCP.syn));
  const answer = (port: number, source = 4000) => v6(fromUs(A), 6, tcp(port, source, TCP.syn | TCP.ack));

  describe("a reply", () => {
    test("passes where the opposite would not", () => {
      expect(lab.send("out", answer(22)).fate).toBe("default");
      expect(lab.send("in", syn(22)).fate).toBe("pass");
      expect(lab.send("out", answer(22)).fate).toBe("pass");
      expect(lab.flows()).toMatchObject([{ answered: true, in: { packets: 1 }, out: { packets: 1 }, rule: 2 }]);
    });

    test("counts for the rule that let the first packet in", () => {
      lab.send("in", syn(22));
      lab.send("out", answer(22));
      expect(lab.rules(2)[2]).toEqual({ packets: 2, bytes: 120 });
    });

    test("of another port is none", () => {
      lab.send("in", syn(22));
      expect(lab.send("out", answer(22, 4001)).fate).toBe("default");
      expect(lab.send("out", answer(23)).fate).toBe("default");
      expect(lab.send("out", v6(fromUs(A), 17, udp(22, 4000))).fate).toBe("default");
      expect(lab.send("out", v6(fromUs(B), 6, tcp(22, 4000, TCP.ack))).fate).toBe("default");
    });

    test("of TCP may not open a connection of its own", () => {
      lab.send("in", syn(22));
      expect(lab.send("out", v6(fromUs(A), 6, tcp(22, 4000, TCP.syn))).fate).toBe("default");
      expect(lab.send("out", answer(22)).fate).toBe("pass");
    });

    test("of TCP begins anew after FIN or RST, for who opened it", () => {
      for (const [source, end] of [
        [1, TCP.fin | TCP.ack],
        [2, TCP.rst],
      ] as const) {
        const mine = () => lab.flows().find((f) => f.remotePort === source);
        lab.send("in", syn(22, source));
        lab.send("in", v6(toUs(A), 6, tcp(source, 22, end)));
        expect(mine()).toMatchObject({ closing: true, in: { packets: 2 } });
        expect(lab.send("in", syn(22, source)).fate).toBe("pass");
        expect(mine()).toMatchObject({ closing: false, in: { packets: 1 } });
      }
    });

    test("to an echo request has its id, and asks nothing itself", () => {
      expect(lab.send("in", v6(toUs(B), 58, icmp(128, 7))).fate).toBe("pass");
      expect(lab.send("out", v6(fromUs(B), 58, icmp(129, 8))).fate).toBe("default");
      expect(lab.send("out", v6(fromUs(B), 58, icmp(128, 7))).fate).toBe("default");
      expect(lab.send("out", v6(fromUs(B), 58, icmp(129, 7))).fate).toBe("pass");
    });

    test("of another protocol needs a rule of its own", () => {
      const gre = new Uint8Array(20);
      expect(lab.send("in", v6(toUs("fd00::c"), 47, gre)).fate).toBe("pass");
      expect(lab.send("out", v6(fromUs("fd00::c"), 47, gre)).fate).toBe("default");
    });

    test("may be an ICMP error about a packet of the flow", () => {
      lab.send("in", syn(22));
      const about = (inner: Uint8Array) => v6(fromUs(A), 58, icmp(1, 0, inner));
      expect(lab.send("out", about(syn(22))).fate).toBe("pass");
      expect(lab.send("out", about(syn(23))).fate).toBe("default");
      expect(lab.send("out", about(answer(22))).fate).toBe("default");
      expect(lab.send("out", about(syn(22).subarray(0, 44))).fate).toBe("default");
      lab.send("out", answer(22));
      expect(lab.send("in", v6(toUs(A), 58, icmp(2, 0, answer(22)))).fate).toBe("pass");
      expect(lab.send("in", v6(toUs(B), 58, icmp(2, 0, answer(22)))).fate).toBe("pass"); // by b's own rule about ICMP
      expect(lab.send("in", v6(toUs("fd00::d"), 58, icmp(2, 0, answer(22)))).fate).toBe("default");
      expect(lab.flows()).toHaveLength(1);
      expect(lab.flows()[0]?.in.packets).toBe(1);
    });
  });

  describe("a flow that has been silent for too long", () => {
    test.each([
      ["TCP", () => syn(22), () => answer(22)],
      ["UDP", () => v6(toUs(A), 17, udp(9, 53)), () => v6(fromUs(A), 17, udp(53, 9))],
      ["an echo", () => v6(toUs(B), 58, icmp(128, 7)), () => v6(fromUs(B), 58, icmp(129, 7))],
    ] as const)("of %s lets no reply pass, and begins anew with its next packet", (_, first, reply) => {
      lab.enforce(POLICY, MEMBERS, FORGETFUL);
      expect(lab.send("in", first()).fate).toBe("pass");
      expect(lab.send("out", reply()).fate).toBe("default");
      expect(lab.send("in", first()).fate).toBe("pass");
      expect(lab.flows()).toMatchObject([{ in: { packets: 1 }, out: { packets: 0 } }]);
    });

    test("is forgotten sooner once TCP has said goodbye", () => {
      lab.enforce(POLICY, MEMBERS, { ...FLOW_TIMES, openingMs: 0 });
      lab.send("in", syn(22));
      lab.enforce(POLICY, MEMBERS);
      lab.send("out", answer(22));
      lab.enforce(POLICY, MEMBERS, { ...FLOW_TIMES, openingMs: 0 });
      expect(lab.send("out", v6(fromUs(A), 6, tcp(22, 4000, TCP.ack))).fate).toBe("pass");
      expect(lab.send("out", v6(fromUs(A), 6, tcp(22, 4000, TCP.ack | TCP.fin))).fate).toBe("pass");
      expect(lab.send("out", v6(fromUs(A), 6, tcp(22, 4000, TCP.ack))).fate).toBe("default");
    });
  });

  describe("a policy that is replaced in the middle of a flow", () => {
    const open = policyOf("deny", "deny from b to self", "allow from any to self tcp");

    test("goes on judging it, by the direction in which it was opened", () => {
      lab.send("in", syn(22));
      lab.send("out", answer(22));
      lab.enforce(open, MEMBERS);
      expect(lab.send("out", v6(fromUs(A), 6, tcp(22, 4000, TCP.ack))).fate).toBe("pass");
      expect(lab.flows()).toMatchObject([{ rule: 2, in: { packets: 1 }, out: { packets: 2 } }]);
    });

    test("ends it, both ways, when the new one denies it", () => {
      lab.send("in", syn(22));
      lab.send("out", answer(22));
      lab.enforce(policyOf("deny", "deny from a to self"), MEMBERS);
      expect(lab.send("out", v6(fromUs(A), 6, tcp(22, 4000, TCP.ack))).fate).toBe("rule");
      expect(lab.send("in", v6(toUs(A), 6, tcp(4000, 22, TCP.ack))).fate).toBe("rule");
      expect(lab.allFlows()).toEqual([]);
    });

    test("ends the flows of who is no member any more", () => {
      lab.send("in", syn(22));
      lab.enforce(
        POLICY,
        MEMBERS.filter((m) => m.name !== "a"),
      );
      expect(lab.send("in", v6(toUs(A), 6, tcp(4000, 22, TCP.ack))).fate).toBe("stranger");
      expect(lab.allFlows()).toEqual([]);
    });

    test("lets in who has become a member", () => {
      const late = { name: "late", address: "fd00::77", roles: ["ops"] };
      const packet = v6(toUs(late.address), 6, tcp(1, 22, TCP.syn));
      expect(lab.send("in", packet).fate).toBe("stranger");
      lab.enforce(POLICY, [...MEMBERS, late]);
      expect(lab.send("in", packet).fate).toBe("pass");
    });

    test("applies to flows that began without one", () => {
      lab.enforce(undefined, MEMBERS);
      expect(lab.send("in", syn(23)).fate).toBe("pass");
      lab.enforce(POLICY, MEMBERS);
      expect(lab.send("in", v6(toUs(A), 6, tcp(4000, 23, TCP.ack))).fate).toBe("default");
    });
  });

  describe("later fragments", () => {
    const part = (from: string, id: number, offset: number) =>
      v6(toUs(from), 44, fragment(17, offset === 0 ? udp(9, 53, 1000) : new Uint8Array(100), id, offset, offset === 0));

    test("follow a first one that was allowed", () => {
      expect(lab.send("in", part(A, 1, 0)).fate).toBe("pass");
      expect(lab.send("in", part(A, 1, 126)).fate).toBe("pass");
      expect(lab.send("in", part(A, 2, 126)).fate).toBe("fragment");
      expect(lab.send("out", v6(fromUs(A), 44, fragment(17, new Uint8Array(8), 1, 126, false))).fate).toBe("fragment");
      expect(lab.rules(3)[3]?.packets).toBe(2);
    });

    test("do not follow one that was denied, nor one under another policy", () => {
      expect(lab.send("in", part(B, 1, 0)).fate).toBe("default");
      expect(lab.send("in", part(B, 1, 126)).fate).toBe("fragment");
      lab.send("in", part(A, 3, 0));
      lab.enforce(POLICY, MEMBERS);
      expect(lab.send("in", part(A, 3, 126)).fate).toBe("fragment");
    });
  });

  describe("IPv4", () => {
    const OURS = "10.0.0.2";
    const members = [
      { name: "us", address: OURS, roles: [] },
      { name: "them", address: "10.0.0.1", roles: ["ops"] },
    ];
    const ends = { from: "10.0.0.1", to: OURS };
    const back = { from: OURS, to: "10.0.0.1" };
    beforeEach(() => {
      lab.self = OURS;
      lab.enforce(
        policyOf(
          "deny",
          "allow from role:ops to self tcp 22",
          "allow from them to self udp 53",
          "allow from them to self icmp",
        ),
        members,
      );
    });

    test("is judged by the same rules, with options or without, and its replies follow", () => {
      expect(lab.send("out", v4(back, 6, tcp(22, 1, TCP.ack))).fate).toBe("default");
      expect(lab.send("in", v4(ends, 6, tcp(1, 22, TCP.syn), { options: 4 })).fate).toBe("pass");
      expect(lab.send("out", v4(back, 6, tcp(22, 1, TCP.ack))).fate).toBe("pass");
      expect(lab.send("in", v4(ends, 6, tcp(1, 23, TCP.syn))).fate).toBe("default");
      expect(lab.flows()).toMatchObject([{ local: OURS, remote: "10.0.0.1", in: { bytes: 56 }, out: { bytes: 40 } }]);
    });

    test("has its own echoes and its own errors", () => {
      expect(lab.send("in", v4(ends, 1, icmp(8, 7))).fate).toBe("pass");
      expect(lab.send("out", v4(back, 1, icmp(0, 8))).fate).toBe("default");
      expect(lab.send("out", v4(back, 1, icmp(0, 7))).fate).toBe("pass");
      lab.send("in", v4(ends, 17, udp(9, 53)));
      expect(lab.send("out", v4(back, 1, icmp(3, 0, v4(ends, 17, udp(9, 53))))).fate).toBe("pass");
      expect(lab.send("out", v4(back, 1, icmp(3, 0, v4(ends, 17, udp(9, 54))))).fate).toBe("default");
      expect(lab.send("out", v4(back, 58, icmp(129, 7))).fate).toBe("default");
    });

    test("has fragments that follow their first", () => {
      const part = (id: number, fragment: number) => v4(ends, 17, udp(9, 53, 992), { fragment, id });
      expect(lab.send("in", part(9, 0x2000)).fate).toBe("pass");
      expect(lab.send("in", part(9, 125)).fate).toBe("pass");
      expect(lab.send("in", part(8, 0x2000 | 125)).fate).toBe("fragment");
    });
  });

  test("who is no member is dropped whatever the default and the rules say, and no rule counts it", () => {
    lab.enforce(policyOf("allow", "allow from any to any"), MEMBERS);
    expect(lab.send("in", syn(23)).fate).toBe("pass");
    expect(lab.send("in", v6(toUs("fd00::99"), 6, tcp(1, 22, TCP.syn))).fate).toBe("stranger");
    expect(lab.rules(1).map((r) => r.packets)).toEqual([0, 1]);
  });

  test("a flow and a denied attempt are told once each, without payload", () => {
    for (let i = 0; i < 3; i++) lab.send("in", syn(22));
    for (let i = 0; i < 3; i++) lab.send("in", syn(23));
    expect(lab.events()).toMatchObject([
      { remote: A, local: SELF, localPort: 22, remotePort: 4000, protocol: 6, opener: "in", rule: 2, drop: undefined },
      { remote: A, localPort: 23, rule: undefined, drop: "default" },
    ]);
    expect(lab.events()).toEqual([]);
    expect(lab.denied()).toMatchObject([{ localPort: 23, drop: "default", in: { packets: 3 } }]);
  });

  test("events that find no room are counted, and the packets pass", () => {
    for (let source = 1; source <= 5000; source++) expect(lab.send("in", syn(22, source)).fate).toBe("pass");
    const told = lab.events().length;
    expect(told).toBeGreaterThan(1000);
    expect(told + lab.lost()).toBe(5000);
    lab.send("in", syn(22, 6000));
    expect(lab.events(1)).toHaveLength(1);
  });

  test("a scan that is denied pushes no flow out", () => {
    lab.send("in", syn(22));
    for (let port = 1; port <= 5000; port++) lab.send("in", syn(40_000 + port));
    expect(lab.flows()).toHaveLength(1);
    expect(lab.send("out", answer(22)).fate).toBe("pass");
  });

  test("a table that is none is refused, and the old one stays", () => {
    expect(() => lab.filter.replace(new Uint8Array(65))).toThrow("EINVAL");
    expect(lab.send("in", syn(22)).fate).toBe("pass");
    expect(lab.send("in", syn(23)).fate).toBe("default");
  });

  test("without any table nothing passes", () => {
    const bare = new MeshLab(SELF);
    expect(bare.filter.run(syn(22), { out: false, segment: 0, repeat: 1 }).code).toBe(2);
    bare.close();
    expect(() => bare.filter.dropCounters()).toThrow("open mesh filter");
  });
});
