import { describe, expect, test } from "bun:test";
import type { Roster } from "../../../runtime/identity/roster.ts";
import { identitiesOf, readPolicy } from "../../../runtime/policing.io.ts";

const member = (name: string, last: number, serial: number, roles: string[] = [], capabilities: string[] = []) => ({
  name,
  address: `fd00::${last}`,
  id: Uint8Array.of(last),
  certificate: { serial, roles, capabilities },
});
const rosterOf = (...members: ReturnType<typeof member>[]): Roster => ({ list: () => members }) as unknown as Roster;

describe("identities", () => {
  test("have the roles and the capabilities of their certificates", () => {
    expect(identitiesOf(rosterOf(member("a", 1, 1, ["sensor"], ["admin", "issue"])))).toEqual([
      { name: "a", address: "fd00::1", roles: ["sensor", "admin", "issue"] },
    ]);
  });

  test("of two with one name have it as everybody finds them by it: the lower serial, then the lower id", () => {
    const names = (...members: ReturnType<typeof member>[]): string[] =>
      identitiesOf(rosterOf(...members)).map((i) => i.name);
    expect(names(member("a", 1, 9), member("a", 2, 3), member("b", 3, 1))).toEqual(["", "a", "b"]);
    expect(names(member("a", 2, 3), member("a", 1, 3))).toEqual(["", "a"]);
  });
});

describe("a policy's text", () => {
  test("is TOML, and kept as it was given", () => {
    const text = '# ours\ndefault = "deny"\nrules = [\n  "allow from any to self icmp", # ping\n]\n';
    expect(readPolicy(text)).toMatchObject({ text, policy: { fallback: "deny", rules: [{ action: "allow" }] } });
  });

  test("that is none is refused", () => {
    expect(() => readPolicy('default = "deny\n')).toThrow("the policy is no TOML");
    expect(() => readPolicy("")).toThrow('default must be "allow" or "deny"');
  });
});
