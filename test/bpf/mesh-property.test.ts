/** Random policies, members and packets: the programs on the overlay device do what the model says, packet by packet. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Identity, Policy } from "../../runtime/policy/policy.ts";
import { TCP } from "../help/overlay-packet.ts";
import { MEMBERS, policies, policyOf, SELF } from "../unit/policy/world.ts";
import { canRun, MeshLab } from "./mesh-lab.ts";
import { bytesOf, Model, type Packet } from "./mesh-model.ts";

const STRANGER = "fd00::99";
const remotes = [...MEMBERS.map((m) => m.address).filter((a) => a !== SELF), STRANGER];
/** Mostly the same, so that packets meet the flows of earlier ones. */
const mostly = <T>(usual: T, others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
const ports = fc.record({ localPort: mostly(22, [80, 4096]), remotePort: mostly(4000, [22]) });
const ids = fc.record({ id: fc.constantFrom(1, 2) });
const base = fc.record({
  direction: fc.constantFrom("in" as const, "out" as const),
  local: fc.oneof({ weight: 12, arbitrary: fc.constant(SELF) }, { weight: 1, arbitrary: fc.constant(STRANGER) }),
  remote: mostly("fd00::a", remotes),
});
const flags = fc.constantFrom(TCP.syn, TCP.syn | TCP.ack, TCP.ack, TCP.ack | TCP.fin, TCP.rst);
const packet: fc.Arbitrary<Packet> = fc.oneof(
  fc.tuple(base, ports, flags).map(([b, p, f]) => ({ ...b, ...p, kind: "tcp" as const, flags: f })),
  fc
    .tuple(base, ports, fc.constantFrom("udp" as const, "error" as const))
    .map(([b, p, kind]) => ({ ...b, ...p, kind })),
  fc
    .tuple(base, ids, fc.constantFrom("request" as const, "reply" as const, "later" as const))
    .map(([b, i, kind]) => ({ ...b, ...i, kind })),
  fc.tuple(base, ports, ids).map(([b, p, i]) => ({ ...b, ...p, ...i, kind: "first" as const })),
  fc.tuple(base, fc.constantFrom(47, 50, 200)).map(([b, protocol]) => ({ ...b, kind: "other" as const, protocol })),
  base.map((b) => ({ ...b, kind: "icmp" as const })),
);

interface Replace {
  readonly policy: Policy | undefined;
  readonly members: readonly Identity[];
}
const replace: fc.Arbitrary<Replace> = fc.record({
  policy: fc.option(policies(8), { nil: undefined, freq: 8 }),
  members: fc
    .subarray(
      MEMBERS.filter((m) => m.address !== SELF),
      { minLength: 3 },
    )
    .map((some) => [MEMBERS[0] as Identity, ...some]),
});
/** A packet, and sometimes its reply right after it. */
const turn = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(packet, fc.boolean()).map(([p, both]) => (both ? [p, answerTo(p)] : [p])) },
  { weight: 1, arbitrary: replace },
);

const answerTo = (p: Packet): Packet => {
  const direction = p.direction === "in" ? ("out" as const) : ("in" as const);
  if (p.kind === "tcp") return { ...p, direction, flags: TCP.ack | (p.flags & TCP.syn) };
  return p.kind === "request" ? { ...p, direction, kind: "reply" } : { ...p, direction };
};

describe.skipIf(!canRun("test/bpf/mesh-property.test.ts"))("the overlay device", () => {
  let lab: MeshLab;
  let run = 0;
  beforeAll(() => {
    lab = new MeshLab(SELF);
  });
  afterAll(() => lab.close());

  test("does with any packets, under any policies, what the model does", () => {
    fc.assert(
      fc.property(replace, fc.array(turn, { minLength: 10, maxLength: 60 }), (start, turns) => {
        const prefix = `fd00:${(++run).toString(16)}::`; // flows of an earlier run are of other addresses
        const here = <T extends string>(address: T): string => address.replace("fd00::", prefix);
        const model = new Model(here(SELF));
        lab.self = here(SELF);
        const enforce = ({ policy, members }: Replace): void => {
          const ours =
            policy && policyOf(policy.fallback, ...policy.rules.map((r) => r.text.replaceAll("fd00::", prefix)));
          const there = members.map((m) => ({ ...m, address: here(m.address) }));
          lab.enforce(ours, there);
          model.enforce(ours, there);
        };
        enforce(start);
        for (const next of turns) {
          if ("policy" in next) enforce(next);
          else
            for (const p of next as readonly Packet[]) {
              const moved = { ...p, local: here(p.local), remote: here(p.remote) };
              expect(lab.send(p.direction, bytesOf(moved)).fate).toBe(model.send(moved));
            }
        }
        const counted = lab.rules(20).flatMap(({ packets }, rule) => (packets > 0 ? [[rule, packets]] : []));
        expect(counted).toEqual([...model.counted].sort(([a], [b]) => a - b));
        const flows = lab.allFlows().filter((f) => f.local.startsWith(prefix) || f.remote.startsWith(prefix));
        const seen = flows.map((f) => ({
          opener: f.opener,
          in: f.in.packets,
          out: f.out.packets,
          rule: f.rule ?? 0,
          answered: f.answered,
          closing: f.closing,
        }));
        const wanted = [...model.flows.values()].map(({ generation: _, ...flow }) => flow);
        const sorted = (list: readonly object[]): string[] =>
          list.map((f) => JSON.stringify(Object.entries(f).sort())).sort();
        expect(sorted(seen)).toEqual(sorted(wanted));
      }),
      { numRuns: 250 },
    );
  });
});
