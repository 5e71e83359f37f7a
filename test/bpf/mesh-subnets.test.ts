/** What is behind gateways, in the kernel: judged as they are, in both families, under random policies; and what is behind ourselves. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Prefix, parsePrefix } from "../../runtime/base/ip.ts";
import { evaluate } from "../../runtime/policy/evaluate.ts";
import type { PolicySubnet } from "../../runtime/policy/policy.ts";
import { TCP, tcp, v4, v6 } from "../help/overlay-packet.ts";
import { MEMBERS, member, policies, policyOf, SELF } from "../unit/policy/world.ts";
import { canRun, type Fate, MeshLab } from "./mesh-lab.ts";

const subnet = (prefix: string, ...gateways: readonly string[]): PolicySubnet => ({
  prefix: parsePrefix(prefix) as Prefix,
  own: gateways.length === 0,
  gateways: gateways.map(member),
});
const SUBNETS = [
  subnet("10.0.0.0/8", "a"),
  subnet("10.2.3.0/25", "b", "c"),
  subnet("2001:db8::/33", "b"),
  subnet("2001:db8:1::/48", "a", "c.site1"),
  subnet("172.16.0.0/12"),
  subnet("2001:db8:ffff::/48"),
];

describe.skipIf(!canRun("test/bpf/mesh-subnets.test.ts"))("packets from and to subnets", () => {
  let lab: MeshLab;
  let port = 0;
  beforeAll(() => {
    lab = new MeshLab(SELF);
  });
  afterAll(() => lab.close());

  /** The first packet of a connection that nobody has had before. */
  function open(direction: "in" | "out", local: string, remote: string, to = 22): Fate {
    const from = 1025 + (port++ % 60_000);
    const ends = direction === "in" ? { from: remote, to: local } : { from: local, to: remote };
    const packet = tcp(from, to, TCP.syn);
    return lab.send(direction, local.includes(":") ? v6(ends, 6, packet) : v4(ends, 6, packet)).fate;
  }

  const remotes = [
    ["10.9.9.9", ["a"]],
    ["10.2.3.127", ["b", "c"]],
    ["10.2.3.128", ["a"]],
    ["2001:db8:5::1", ["b"]],
    ["2001:db8:1::1", ["a", "c.site1"]],
  ] as const;

  test("pass when every gateway of the subnet may, under any policy", () => {
    fc.assert(
      fc.property(policies(8), fc.constantFrom(22, 80, 4096), (policy, to) => {
        lab.enforce(policy, MEMBERS, undefined, SUBNETS);
        for (const [remote, gateways] of remotes) {
          for (const local of remote.includes(":") ? [SELF, "2001:db8:ffff::7"] : ["172.31.255.254"]) {
            for (const direction of ["in", "out"] as const) {
              const verdicts = gateways.map((name) => {
                const ends = { from: member(name), to: member("self-name") };
                const attempt = direction === "in" ? ends : { from: ends.to, to: ends.from };
                return evaluate(policy, SELF, { ...attempt, protocol: 6, port: to }).action;
              });
              const passes = verdicts.every((action) => action === "allow");
              expect(open(direction, local, remote, to) === "pass").toBe(passes);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test.each<[string, "in" | "out", string, string]>([
    ["from nowhere we know", "in", "172.16.0.1", "11.0.0.1"],
    ["to nowhere we know", "out", "172.16.0.1", "11.0.0.1"],
    ["for a place that is not ours", "in", "172.32.0.1", "10.9.9.9"],
    ["from a place that is not ours", "out", "192.168.7.7", "10.9.9.9"],
    ["for IPv6 that is not ours", "in", "2001:db8:fffe::1", "2001:db8:1::1"],
    ["from our own subnet, out of the mesh", "in", "172.16.0.1", "172.16.0.2"],
  ])("are a stranger's: %s", (_, direction, local, remote) => {
    lab.enforce(policyOf("allow"), MEMBERS, undefined, SUBNETS);
    expect(open(direction, local, remote)).toBe("stranger");
  });

  test("are a stranger's once the subnet is gone, also of a connection that was open", () => {
    const ends = { from: "10.9.9.9", to: "172.16.0.1" };
    lab.enforce(policyOf("allow"), MEMBERS, undefined, SUBNETS);
    expect(lab.send("in", v4(ends, 6, tcp(999, 22, TCP.syn))).fate).toBe("pass");
    lab.enforce(policyOf("allow"), MEMBERS, undefined, SUBNETS.slice(1));
    expect(lab.send("in", v4(ends, 6, tcp(999, 22, TCP.ack))).fate).toBe("stranger");
  });

  test("pass without a policy", () => {
    lab.enforce(undefined, MEMBERS, undefined, SUBNETS);
    expect(open("in", "172.16.0.1", "11.0.0.1")).toBe("pass");
  });
});
