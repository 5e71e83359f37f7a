import { describe, expect, test } from "bun:test";
import { type FlowView, flowFilter, flowTable, rates, rateTable } from "../../../runtime/cli/flow-view.ts";

const flow = (change: Partial<FlowView> = {}): FlowView => ({
  peer: "b",
  remote: "fd00::b",
  local: "fd00::a",
  protocol: "tcp",
  localPort: 22,
  remotePort: 40_000,
  echoId: null,
  opener: "in",
  rule: 2,
  verdict: "allowed",
  reason: null,
  received: { packets: 10, bytes: 1000 },
  sent: { packets: 20, bytes: 2000 },
  ageMs: 5000,
  idleMs: 10,
  ...change,
});

const DENIED = flow({ verdict: "denied", rule: null, reason: "default", opener: "out" });
const ECHO = flow({ peer: "c.site1", protocol: "icmp", localPort: null, remotePort: null, echoId: 7 });

describe("a filter", () => {
  test.each<[string, readonly FlowView[]]>([
    ["", [flow(), DENIED, ECHO]],
    ["b", [flow(), DENIED]],
    ["fd00::b tcp", [flow(), DENIED]],
    ["c.site1", [ECHO]],
    ["icmp", [ECHO]],
    ["22", [flow(), DENIED]],
    ["40000 in", [flow()]],
    ["out", [DENIED]],
    ["denied", [DENIED]],
    ["allowed,tcp", [flow()]],
    ["b icmp", []],
    ["0", []],
    ["constructor", []],
  ])("%p finds what all of its words fit", (words, found) => {
    expect([flow(), DENIED, ECHO].filter(flowFilter(words))).toEqual([...found]);
  });

  test("of a word that can be nothing is refused", () => {
    expect(() => flowFilter("b & c")).toThrow('"&" is no peer');
  });
});

describe("the table of flows", () => {
  test("shows who opened it, what was asked for and which rule decided", () => {
    expect(flowTable([flow(), DENIED, ECHO, flow({ rule: null })])).toEqual([
      "peer     by  service    from   received  sent    idle   verdict",
      "b        it  tcp 22     40000  1.0 kB    2.0 kB  10 ms  rule 2",
      "b        us  tcp 40000  22     1.0 kB    2.0 kB  10 ms  deny default",
      "c.site1  it  icmp       -      1.0 kB    2.0 kB  10 ms  rule 2",
      "b        it  tcp 22     40000  1.0 kB    2.0 kB  10 ms  default",
    ]);
    expect(flowTable([])).toEqual(["no flows"]);
  });

  test("fits 80 columns with the longest words", () => {
    const long = flow({
      peer: "fd12:3456:789a:0:1234:5678:9abc:def0",
      protocol: "udplite",
      localPort: 65_535,
      received: { packets: 1, bytes: 999e9 },
      sent: { packets: 1, bytes: 999e9 },
      idleMs: 119_000,
      verdict: "denied",
      rule: null,
      reason: "truncated",
    });
    for (const line of flowTable([long])) expect(line.length).toBeLessThanOrEqual(80);
    const rate = rates([], [{ ...long, verdict: "allowed" }], 1, true);
    for (const line of rateTable(rate)) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe("rates", () => {
  const later = (f: FlowView, received: number, sent: number): FlowView => ({
    ...f,
    received: { packets: f.received.packets + 4, bytes: f.received.bytes + received },
    sent: { ...f.sent, bytes: f.sent.bytes + sent },
    ageMs: f.ageMs + 2000,
  });

  test("are what flowed in between, per second, summed by peer, the fastest first", () => {
    const [ssh, web, other] = [flow(), flow({ localPort: 80 }), flow({ peer: "c", remote: "fd00::c" })];
    const all = rates([ssh, web, other], [later(ssh, 500, 0), later(web, 0, 1000), later(other, 0, 4000)], 2, false);
    expect(all).toEqual([
      { peer: "c", service: undefined, flows: 1, receivedBits: 0, sentBits: 16_000, packets: 2 },
      { peer: "b", service: undefined, flows: 2, receivedBits: 2000, sentBits: 4000, packets: 4 },
    ]);
    expect(rateTable(all)[1]).toBe("c     0 bit/s     16 kbit/s   2          1");
  });

  test("are told apart by service when asked", () => {
    const [ssh, web] = [flow(), flow({ localPort: 80 })];
    expect(rates([ssh, web], [later(ssh, 500, 0), later(web, 0, 1000)], 2, true).map((r) => r.service)).toEqual([
      "tcp 80",
      "tcp 22",
    ]);
  });

  test("keep two echoes with one peer apart", () => {
    const quiet = { ...ECHO, echoId: 8, received: { packets: 1, bytes: 100 }, sent: { packets: 1, bytes: 100 } };
    const [rate] = rates([ECHO, quiet], [later(ECHO, 50, 50), { ...quiet, ageMs: quiet.ageMs + 2000 }], 2, false);
    expect(rate).toMatchObject({ flows: 2, receivedBits: 200, sentBits: 200 });
  });

  test("count a flow that is new, or began anew, from zero, and none that was denied", () => {
    const anew = { ...flow(), ageMs: 100, received: { packets: 1, bytes: 100 }, sent: { packets: 0, bytes: 0 } };
    expect(rates([flow()], [anew], 1, false)[0]).toMatchObject({ receivedBits: 800, sentBits: 0, packets: 1 });
    expect(rates([], [DENIED], 1, false)).toEqual([]);
  });
});
