import { describe, expect, test } from "bun:test";
import { seconds } from "../../../runtime/base/time.ts";
import { Preference, type Reach } from "../../../runtime/subnets/choose.ts";

const costs =
  (table: Readonly<Record<string, number>>) =>
  (gateway: string): Reach | undefined => {
    const cost = table[gateway];
    return cost === undefined ? undefined : { cost };
  };

describe("the gateways of a subnet", () => {
  test.each<[string, Readonly<Record<string, number>>, string | undefined, readonly string[]]>([
    ["the nearest first", { a: 3, b: 1, c: 2 }, undefined, ["b", "c", "a"]],
    ["of equal ones by address", { a: 2, b: 2, c: 1 }, undefined, ["c", "a", "b"]],
    ["those that are not reached last", { b: 9 }, undefined, ["b", "a", "c"]],
    ["the one in use stays though another is as near", { a: 2, b: 2, c: 2 }, "b", ["b", "a", "c"]],
    ["and though another is a little nearer", { a: 4, b: 5 }, "b", ["b", "a", "c"]],
    ["and, at first, though another is much nearer", { a: 4, b: 60 }, "b", ["b", "a", "c"]],
    ["but not when it is not reached", { a: 4 }, "b", ["a", "b", "c"]],
    ["and when it does not announce any more", { a: 4, b: 3 }, "z", ["b", "a", "c"]],
    ["and nobody is reached", {}, "b", ["a", "b", "c"]],
  ])("are tried: %s", (_, table, inUse, expected) => {
    expect(new Preference().order(["a", "b", "c"], costs(table), inUse, 0)).toEqual(expected);
  });

  test("are none", () => {
    expect(new Preference().order([], costs({}), "a", 0)).toEqual([]);
  });

  describe("when another was nearer by more than a quarter", () => {
    const NEARER = { a: 4, b: 6 };
    const first = (preference: Preference, at: number, table: Readonly<Record<string, number>>): string | undefined =>
      preference.order(["a", "b"], costs(table), "b", seconds(at))[0];

    test("for ten seconds, are used in the new order", () => {
      const preference = new Preference();
      expect([10, 15, 19, 20].map((at) => first(preference, at, NEARER))).toEqual(["b", "b", "b", "a"]);
    });

    test("with breaks, are left as they are", () => {
      const preference = new Preference();
      const tables = [NEARER, NEARER, { a: 4, b: 5 }, NEARER, NEARER, NEARER];
      expect(tables.map((table, i) => first(preference, 4 * i, table))).toEqual(Array(6).fill("b"));
    });
  });
});
