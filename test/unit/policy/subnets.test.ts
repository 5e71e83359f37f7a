/** Subnets in a compiled policy: their packets are judged as those of the gateways that announce them. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { contains, formatIp, type Prefix, parseIp, parsePrefix } from "../../../runtime/base/ip.ts";
import { lookUpRule } from "../../../runtime/policy/compile.ts";
import { evaluate } from "../../../runtime/policy/evaluate.ts";
import type { PolicySubnet } from "../../../runtime/policy/policy.ts";
import { PolicyHeader, TABLE_FLAG } from "../../../runtime/policy/table.ts";
import { carried, compilePolicy, MEMBERS, member, policies, policyOf, SELF } from "./world.ts";

const subnet = (prefix: string, ...gateways: readonly string[]): PolicySubnet => ({
  prefix: parsePrefix(prefix) as Prefix,
  own: false,
  gateways: gateways.map(member),
});
const own = (prefix: string): PolicySubnet => ({ prefix: parsePrefix(prefix) as Prefix, own: true, gateways: [] });

const SUBNETS: readonly PolicySubnet[] = [
  subnet("10.0.0.0/8", "a"),
  subnet("10.32.0.0/11", "b", "c"),
  subnet("10.32.7.0/27", "a", "c.site1"),
  subnet("10.32.7.9/32", "c"),
  subnet("192.168.0.0/23", "a", "b", "c"),
  subnet("2001:db8::/33", "b"),
  subnet("2001:db8:1::/48", "b", "c.site1"),
  own("172.16.0.0/12"),
  own("2001:db8:2::/48"),
];
const ADDRESSES = [
  ...["9.255.255.255", "10.0.0.0", "10.31.255.255", "10.32.0.0", "10.63.255.255", "10.64.0.0", "10.32.6.255"],
  ...["10.32.7.0", "10.32.7.9", "10.32.7.31", "10.32.7.32", "192.168.0.1", "192.168.1.255", "192.168.2.0"],
  ...["172.16.0.1", "172.32.0.0", "2001:db8::1", "2001:db8:7fff::", "2001:db8:8000::", "2001:db8:1::5"],
  ...["2001:db8:2::5", "2001:db7:ffff::", "::a20:709"],
];
/** The one of the longest prefix. */
const holder = (address: Uint8Array): PolicySubnet | undefined =>
  SUBNETS.filter((s) => contains(s.prefix, { address, length: 8 * address.length })).sort(
    (x, y) => y.prefix.length - x.prefix.length,
  )[0];

describe("a compiled policy with subnets", () => {
  test("judges what is in one as all of its gateways would be, and what is in none as a stranger", () => {
    fc.assert(
      fc.property(policies(12), fc.array(carried, { minLength: 8, maxLength: 8 }), (policy, packets) => {
        const table = compilePolicy({
          policy,
          members: MEMBERS,
          subnets: SUBNETS,
          self: SELF,
          generation: 1,
          counterBase: 0,
        });
        const self = member("self-name");
        for (const text of ADDRESSES) {
          const found = holder(parseIp(text) as Uint8Array);
          for (const [protocol, port] of packets) {
            for (const direction of ["in", "out"] as const) {
              const rule = lookUpRule(table, direction, text, protocol, port);
              if (!found || found.own) {
                expect(rule).toBeUndefined();
                continue;
              }
              const verdicts = found.gateways.map((g) =>
                evaluate(
                  policy,
                  SELF,
                  direction === "in" ? { from: g, to: self, protocol, port } : { from: self, to: g, protocol, port },
                ),
              );
              const denied = verdicts.filter((v) => v.action === "deny");
              const action = rule === 0 ? policy.fallback : policy.rules[(rule as number) - 1]?.action;
              expect(action).toBe(denied.length > 0 ? "deny" : "allow");
              const rules = (denied.length > 0 ? denied : verdicts).map((v) => v.rule ?? 0);
              expect(rules).toContain(rule as number);
            }
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  test("finds members as before", () => {
    const policy = policyOf("deny", "allow from a to self tcp 22");
    const table = compilePolicy({
      policy,
      members: MEMBERS,
      subnets: SUBNETS,
      self: SELF,
      generation: 1,
      counterBase: 0,
    });
    expect(lookUpRule(table, "in", "fd00::a", 6, 22)).toBe(1);
    expect(lookUpRule(table, "in", "fd00::b", 6, 22)).toBe(0);
  });

  test("says in its header whether there are any", () => {
    const flags = (subnets: readonly PolicySubnet[]): number =>
      PolicyHeader.decode(
        compilePolicy({ policy: undefined, members: MEMBERS, subnets, self: SELF, generation: 1, counterBase: 0 }),
      )?.flags ?? 0;
    expect(flags([]) & TABLE_FLAG.subnets).toBe(0);
    expect(flags(SUBNETS) & TABLE_FLAG.subnets).toBe(TABLE_FLAG.subnets);
  });

  test("finds the longest of random prefixes", () => {
    const bytes = fc.constantFrom(0, 1, 0x10, 0x7f, 0x80, 0xff);
    const address = fc.oneof(
      fc.array(bytes, { minLength: 4, maxLength: 4 }),
      fc.array(bytes, { minLength: 15, maxLength: 15 }).map((rest) => [0x80, ...rest]),
    );
    const prefix = fc.tuple(address, fc.nat(128)).map(([list, cut]): Prefix => {
      const length = 1 + (cut % (8 * list.length));
      return {
        address: Uint8Array.from(list, (b, i) => b & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))) & 0xff),
        length,
      };
    });
    const names = ["a", "b", "c"];
    fc.assert(
      fc.property(
        fc.array(prefix, { maxLength: 12 }),
        fc.array(address, { minLength: 4, maxLength: 8 }),
        (prefixes, asked) => {
          const each = [...new Map(prefixes.map((p) => [`${formatIp(p.address)}/${p.length}`, p])).values()];
          const subnets = each.map((p, i) => ({ prefix: p, own: false, gateways: [member(names[i % 3] as string)] }));
          const policy = policyOf("deny", "allow from a to self", "allow from b to self", "allow from c to self");
          const table = compilePolicy({ policy, members: MEMBERS, subnets, self: SELF, generation: 1, counterBase: 0 });
          for (const one of [...asked, ...each.map((p) => [...p.address])]) {
            const at = Uint8Array.from(one);
            if (at.every((byte) => byte === 0)) continue; // nobody's, and no packet's
            const inside = subnets.filter((s) => contains(s.prefix, { address: at, length: 8 * at.length }));
            const [longest] = inside.sort((x, y) => y.prefix.length - x.prefix.length);
            const wanted = longest && names.indexOf(longest.gateways[0]?.name as string) + 1;
            expect(lookUpRule(table, "in", formatIp(at), 6, 1)).toBe(wanted);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
