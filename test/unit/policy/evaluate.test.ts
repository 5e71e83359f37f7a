import { describe, expect, test } from "bun:test";
import { evaluate, explain, unknownIn } from "../../../runtime/policy/evaluate.ts";
import { MEMBERS, member, policyOf, SELF } from "./world.ts";

const from = (name: string, protocol: number, port: number) => ({
  from: member(name),
  to: member("self-name"),
  protocol,
  port,
});

const POLICY = policyOf(
  "deny",
  "deny from c.site1 to self tcp 22",
  "allow from role:ops to self tcp 22,8000-8999",
  "allow from any to self icmp",
  "allow from fd00::c to any udp 53",
);

describe("a policy", () => {
  test.each([
    ["the first rule that matches decides", "c.site1", 6, 22, { action: "deny", rule: 1 }],
    ["a role stands for whoever has it", "b", 6, 22, { action: "allow", rule: 2 }],
    ["a range includes its ends", "b", 6, 8999, { action: "allow", rule: 2 }],
    ["a port behind the range is not in it", "b", 6, 9000, { action: "deny", rule: undefined }],
    ["another protocol is another matter", "b", 17, 22, { action: "deny", rule: undefined }],
    ["a rule about ICMP takes both families'", "c", 1, 0, { action: "allow", rule: 3 }],
    ["an address is as good as a name", "c", 17, 53, { action: "allow", rule: 4 }],
    ["who has none of the roles falls to the default", "c", 6, 22, { action: "deny", rule: undefined }],
  ] as const)("%s", (_, name, protocol, port, verdict) => {
    expect(evaluate(POLICY, SELF, from(name, protocol, port))).toEqual(verdict);
  });

  test("is about the direction that opens", () => {
    const back = { from: member("self-name"), to: member("b"), protocol: 6, port: 22 };
    expect(evaluate(POLICY, SELF, back)).toEqual({ action: "deny", rule: undefined });
  });

  test("explains which rule and why", () => {
    expect(explain(POLICY, SELF, from("b", 6, 8080))).toEqual({
      action: "allow",
      rule: 2,
      decided: "allow from role:ops to self tcp 22,8000-8999",
      why: "b has the role ops, self-name is this gateway, tcp, port 8080",
      nearest: undefined,
    });
    expect(explain(POLICY, SELF, from("c", 17, 53)).why).toBe(
      "c has that address, self-name is a member, udp, port 53",
    );
    expect(explain(POLICY, SELF, from("c.site1", 6, 22)).why).toContain("c.site1 by name");
  });

  test("says of the default which rule came near, and what was missing", () => {
    expect(explain(POLICY, SELF, from("b", 6, 23))).toMatchObject({
      decided: "default deny",
      why: "none of the 4 rules matches",
      nearest: { rule: 2, miss: "port" },
    });
    expect(explain(policyOf("allow"), SELF, from("b", 6, 23)).why).toBe("there are no rules");
  });

  test("tells which names nobody has yet", () => {
    const policy = policyOf(
      "deny",
      "allow from d,a,role:new to self",
      "deny from d to fd00::99",
      "allow from role:ops to any",
    );
    expect(unknownIn(policy, MEMBERS)).toEqual(["d", "role:new", "fd00::99"]);
  });
});
