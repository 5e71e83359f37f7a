import { describe, expect, test } from "bun:test";
import { order, type Reach } from "../../../runtime/subnets/choose.ts";

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
    ["and goes when one is nearer by more than a quarter", { a: 4, b: 6 }, "b", ["a", "b", "c"]],
    ["and when it is not reached", { a: 4 }, "b", ["a", "b", "c"]],
    ["and when it does not announce any more", { a: 4, b: 3 }, "z", ["b", "a", "c"]],
    ["and nobody is reached", {}, "b", ["a", "b", "c"]],
  ])("are tried: %s", (_, table, inUse, expected) => {
    expect(order(["a", "b", "c"], costs(table), inUse)).toEqual(expected);
  });

  test("are none", () => {
    expect(order([], costs({}), "a")).toEqual([]);
  });
});
