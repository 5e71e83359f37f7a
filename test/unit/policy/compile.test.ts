import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { lookUpRule, PolicyProgram } from "../../../runtime/policy/compile.ts";
import { evaluate } from "../../../runtime/policy/evaluate.ts";
import type { Identity, Policy } from "../../../runtime/policy/policy.ts";
import { PolicyHeader, TABLE_FLAG } from "../../../runtime/policy/table.ts";
import { carried, compilePolicy, MEMBERS, member, policies, policyOf, SELF } from "./world.ts";

const compiled = (policy: Policy | undefined, members: readonly Identity[] = MEMBERS): Uint8Array =>
  compilePolicy({ policy, members, self: SELF, generation: 1, counterBase: 0 });

describe("a compiled policy", () => {
  test("decides every packet as its rules do one after the other", () => {
    const others = MEMBERS.filter((m) => m.address !== SELF);
    fc.assert(
      fc.property(policies(12), fc.array(carried, { minLength: 20, maxLength: 20 }), (policy, packets) => {
        const table = compiled(policy);
        const self = member("self-name");
        for (const other of others) {
          for (const [protocol, port] of packets) {
            for (const [direction, from, to] of [["in", other, self] as const, ["out", self, other] as const]) {
              const { rule } = evaluate(policy, SELF, { from, to, protocol, port });
              expect(lookUpRule(table, direction, other.address, protocol, port)).toBe(rule ?? 0);
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("does not know who is no member", () => {
    expect(lookUpRule(compiled(policyOf("allow", "allow from any to any")), "in", "fd00::99", 6, 22)).toBeUndefined();
  });

  test("says in its header whether it is enforced and what the default is", () => {
    const flags = (policy: Policy | undefined): number | undefined => PolicyHeader.decode(compiled(policy))?.flags;
    expect(flags(undefined)).toBe(TABLE_FLAG.defaultAllow);
    expect(flags(policyOf("deny"))).toBe(TABLE_FLAG.enforce);
    expect(flags(policyOf("allow"))).toBe(TABLE_FLAG.enforce | TABLE_FLAG.defaultAllow);
  });

  test("finds each of four thousand members", () => {
    const many = Array.from({ length: 4096 }, (_, i) => ({
      name: `gw-${i}`,
      address: `fd00::${(i + 2).toString(16)}`,
      roles: [],
    }));
    const rules = many.map((m, i) => `allow from ${m.name} to self tcp ${i}`);
    const table = compiled(policyOf("deny", ...rules), many);
    for (const [i, { address }] of many.entries()) {
      expect(lookUpRule(table, "in", address, 6, i)).toBe(i + 1);
      expect(lookUpRule(table, "in", address, 6, i + 1)).toBe(0);
    }
  });

  test("of ten thousand rules stays small, and members share what is about their roles", () => {
    const rules = Array.from({ length: 10_000 }, (_, i) => `allow from role:ops to self tcp ${i}-${i + 3}`);
    expect(compiled(policyOf("deny", ...rules)).length).toBeLessThan(2 << 20);
  });

  test("gives the same answers for other members, with the tries that it has", () => {
    const program = new PolicyProgram(
      policyOf("deny", "allow from a to self tcp 22", "allow from role:ops to self tcp 80"),
      member("self-name"),
    );
    const terms = { generation: 1, counterBase: 0 };
    const before = program.table({ members: [member("self-name"), member("a")], ...terms });
    const after = program.table({ members: [member("self-name"), member("b")], ...terms });
    expect([22, 80].map((port) => lookUpRule(before, "in", "fd00::a", 6, port))).toEqual([1, 2]);
    expect(lookUpRule(before, "in", "fd00::b", 6, 80)).toBeUndefined();
    expect([22, 80].map((port) => lookUpRule(after, "in", "fd00::b", 6, port))).toEqual([0, 2]);
    expect(lookUpRule(after, "in", "fd00::a", 6, 22)).toBeUndefined();
    expect(after.length).toBe(before.length);
  });

  test("that would be too large is refused, not cut", () => {
    const many = Array.from({ length: 4096 }, (_, i) => ({
      name: `gw-${i}`,
      address: `fd00::${(i + 2).toString(16)}`,
      roles: [`r-${i}`, "all"],
    }));
    const rules = [
      ...many.map((_, i) => `allow from role:r-${i} to self tcp ${i}`),
      ...Array.from({ length: 4000 }, (_, i) => `allow from role:all to self udp ${16 * i + 3}`),
    ];
    expect(() => compiled(policyOf("deny", ...rules), many)).toThrow("more than 4 MB");
  });
});
