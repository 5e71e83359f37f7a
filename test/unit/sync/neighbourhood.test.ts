import { describe, expect, test } from "bun:test";
import { minutes, seconds } from "../../../runtime/base/time.ts";
import { Neighbourhood } from "../../../runtime/sync/neighbourhood.ts";

const kept = (id: string) => ({ id, kept: true });
const passing = (id: string) => ({ id, kept: false });
const NONE = { up: [], down: [] };

describe("a neighbourhood", () => {
  test("is whom we keep, as sessions come and go", () => {
    const n = new Neighbourhood();
    expect(n.look([kept("a"), passing("b")], 0)).toEqual({ up: ["a"], down: [] });
    expect(n.look([kept("a"), passing("b")], 1)).toEqual(NONE);
    expect(n.look([kept("c")], 2)).toEqual({ up: ["c"], down: ["a"] });
    expect([...n.current]).toEqual(["c"]);
  });

  test("has who keeps us, for as long as it is heard of", () => {
    const n = new Neighbourhood();
    n.spoke("b", 0);
    expect(n.look([passing("b")], 0)).toEqual({ up: ["b"], down: [] });
    n.spoke("b", minutes(29));
    expect(n.look([passing("b")], minutes(80))).toEqual(NONE);
    expect(n.look([passing("b")], minutes(89))).toEqual({ up: [], down: ["b"] });
  });

  test("begins anew with whom something was lost to, once in a while", () => {
    const n = new Neighbourhood();
    n.look([kept("a")], 0);
    n.lost("a", 0);
    n.lost("a", seconds(5));
    expect(n.look([kept("a")], seconds(9))).toEqual(NONE);
    expect(n.look([kept("a")], seconds(10))).toEqual({ up: ["a"], down: ["a"] });
    expect(n.look([kept("a")], seconds(30))).toEqual(NONE);
  });

  test("begins anew at once with whom a session ended and another stands", () => {
    const n = new Neighbourhood();
    n.look([kept("a")], 0);
    expect(n.ended("a")).toBe(true);
    expect(n.ended("b")).toBe(false);
    expect(n.look([kept("a")], 1)).toEqual({ up: ["a"], down: [] });
  });
});
