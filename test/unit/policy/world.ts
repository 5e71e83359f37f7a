/** Members and rules for tests of the policy: small words, so that rules meet members often. */
import fc from "fast-check";
import { PolicyProgram, type Terms } from "../../../runtime/policy/compile.ts";
import { parseRule } from "../../../runtime/policy/document.ts";
import type { Identity, Policy } from "../../../runtime/policy/policy.ts";

export const SELF = "fd00::1";
export const MEMBERS: readonly Identity[] = [
  { name: "self-name", address: SELF, roles: ["gateway"] },
  { name: "a", address: "fd00::a", roles: ["admin", "ops"] },
  { name: "b", address: "fd00::b", roles: ["ops"] },
  { name: "c", address: "fd00::c", roles: [] },
  { name: "c.site1", address: "fd00::d", roles: ["admin", "ops"] },
  { name: "", address: "fd00::e", roles: ["sensor"] },
];

export const member = (name: string): Identity => MEMBERS.find((m) => m.name === name) as Identity;

export const policyOf = (fallback: "allow" | "deny", ...rules: readonly string[]): Policy => ({
  fallback,
  rules: rules.map((text, at) => parseRule(text, at + 1)),
});

const who = fc
  .subarray(
    [
      "any",
      "self",
      "self-name",
      "a",
      "b",
      "c",
      "c.site1",
      "role:ops",
      "role:admin",
      "role:gateway",
      "fd00::c",
      "fd00::e",
    ],
    {
      minLength: 1,
      maxLength: 2,
    },
  )
  .map((words) => words.join(","));
const port = fc.oneof(fc.constantFrom(0, 22, 80, 255, 256, 4095, 4096, 65_535), fc.integer({ min: 0, max: 65_535 }));
const range = fc.tuple(port, port).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
const what = fc.oneof(
  fc.constantFrom("", " any", " tcp", " udp", " icmp", " 47", " tcp,47"),
  fc.tuple(fc.constantFrom("tcp", "udp", "tcp,udp"), fc.oneof(port.map(String), range)).map(([p, r]) => ` ${p} ${r}`),
);
const rule = fc
  .tuple(fc.constantFrom("allow", "deny"), who, who, what)
  .map(([a, f, t, w]) => `${a} from ${f} to ${t}${w}`);

/** Policies of up to `most` rules. */
export const policies = (most: number): fc.Arbitrary<Policy> =>
  fc
    .tuple(fc.constantFrom("allow" as const, "deny" as const), fc.array(rule, { maxLength: most }))
    .map(([fallback, rules]) => policyOf(fallback, ...rules));

/** Protocol and port of a packet, often on an edge of some rule. */
export const carried = fc.oneof(
  fc.tuple(fc.constantFrom(6, 17), port),
  fc.constantFrom<[number, number]>([58, 0], [1, 0], [47, 0], [50, 0]),
);

/** The table of a policy, as the gateway with the address `self` has it. */
export function compilePolicy({
  policy,
  members,
  self,
  ...terms
}: Terms & { policy: Policy | undefined; self: string }): Uint8Array {
  const own = members.find((m) => m.address === self) ?? { name: "", address: self, roles: [] };
  return new PolicyProgram(policy, own).table({ members, ...terms });
}
