import { describe, expect, test } from "bun:test";
import { TrellisError } from "../../../runtime/base/errors.ts";
import { parsePolicy, parseRule, RULES_MAX } from "../../../runtime/policy/document.ts";

function refusal(action: () => unknown): { code: string; message: string; hint: string } {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof TrellisError) return { code: thrown.code, message: thrown.message, hint: thrown.hint ?? "" };
    throw thrown;
  }
  throw new Error("nothing was refused");
}

describe("a rule", () => {
  test("names ends, protocols and ports, each with several words", () => {
    expect(parseRule("  allow  from a,role:ops to self,fd00::0001 tcp,udp 22,8000-8999", 1)).toEqual({
      action: "allow",
      from: [
        { kind: "name", name: "a" },
        { kind: "role", role: "ops" },
      ],
      to: [{ kind: "self" }, { kind: "address", address: "fd00::1" }],
      protocols: [6, 17],
      ports: [
        { first: 22, last: 22 },
        { first: 8000, last: 8999 },
      ],
      text: "allow from a,role:ops to self,fd00::0001 tcp,udp 22,8000-8999",
    });
  });

  test.each([
    ["without a protocol means every packet", "deny from any to any", undefined, undefined],
    ["with `any` too", "deny from any to any any", undefined, undefined],
    ["about ICMP means that of both families", "allow from any to self icmp", [1, 58], undefined],
    ["takes a protocol's number", "allow from any to self 47", [47], undefined],
    ["takes every port by name", "allow from any to self udp any", [17], undefined],
    ["takes port 0 and 65535", "allow from any to self tcp 0-65535", [6], [{ first: 0, last: 65535 }]],
  ] as const)("%s", (_, text, protocols, ports) => {
    const rule = parseRule(text, 1);
    expect({ protocols: rule.protocols, ports: rule.ports }).toEqual({ protocols, ports } as never);
  });

  test.each([
    ["another word than allow or deny", "permit from any to any", "allow or deny"],
    ["no ends", "allow tcp 22", "no rule"],
    ["too much", "allow from any to any tcp 22 23", "no rule"],
    ["a prefix", "allow from 10.0.0.0/8 to self", "nobody"],
    ["an empty end", "allow from a, to self", "nobody"],
    ["a name in capitals", "allow from Alice to self", "nobody"],
    ["a role that is none", "allow from role:a.b to self", "nobody"],
    ["an unknown protocol", "allow from any to self tpc", "no protocol"],
    ["a port without protocol", "allow from any to self 8080", "no protocol"],
    ["a word of every object", "allow from any to self constructor", "no protocol"],
    ["ports of ICMP", "allow from any to self icmp 8", "have ports"],
    ["ports of every protocol", "allow from any to self any 22", "have ports"],
    ["a range that ends before it begins", "allow from any to self tcp 9-8", "no ports"],
    ["a port beyond the last", "allow from any to self tcp 65536", "no ports"],
    ["three ends of a range", "allow from any to self tcp 1-2-3", "no ports"],
  ])("with %s is refused, with its number", (_, text, what) => {
    const { code, message, hint } = refusal(() => parseRule(text, 7));
    expect(code).toBe("policy/rule");
    expect(message).toStartWith(`rule 7, "${text}": `);
    expect(message).toContain(what);
    expect(hint).not.toBe("");
  });

  test("says what was meant by a mistyped protocol", () => {
    expect(refusal(() => parseRule("allow from any to self tpc", 1)).hint).toBe("did you mean tcp?");
  });
});

describe("a policy document", () => {
  test("has a default and rules in their order", () => {
    const policy = parsePolicy({ default: "deny", rules: ["allow from any to self icmp", "deny from a to self"] });
    expect(policy.fallback).toBe("deny");
    expect(policy.rules.map((r) => r.action)).toEqual(["allow", "deny"]);
  });

  test("may have no rules", () => {
    expect(parsePolicy({ default: "allow" })).toEqual({ fallback: "allow", rules: [] });
  });

  test.each([
    ["no default", {}],
    ["a default that is none", { default: "drop" }],
    ["a key of its own", { default: "deny", rule: [] }],
    ["rules that are no list", { default: "deny", rules: "allow from any to any" }],
    ["a rule that is no text", { default: "deny", rules: [1] }],
    ["too many rules", { default: "deny", rules: new Array(RULES_MAX + 1).fill("deny from any to any") }],
  ])("with %s is refused", (_, document) => {
    expect(refusal(() => parsePolicy(document)).code).toBe("policy/document");
  });
});
