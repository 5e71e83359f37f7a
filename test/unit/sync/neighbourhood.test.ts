import { describe, expect, test } from "bun:test";
import { minutes, seconds } from "../../../runtime/base/time.ts";
import { Neighbourhood, sessionsOf } from "../../../runtime/sync/neighbourhood.ts";

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

  test("begins anew with who is met at a broker, or over the underlay, from now on, and with who began anew there", () => {
    const n = new Neighbourhood();
    const both = { up: ["a"], down: ["a"] };
    expect(n.look([kept("a")], 0)).toEqual({ up: ["a"], down: [] });
    expect(n.look([{ ...kept("a"), way: "one" }], 1)).toEqual(both);
    expect(n.look([{ ...kept("a"), way: "one" }], 2)).toEqual(NONE);
    expect(n.wayTo("a")).toBe("one");
    expect(n.look([{ ...kept("a"), way: "two" }], 3)).toEqual(both);
    expect(n.look([kept("a"), { ...kept("a"), way: "two" }], 4)).toEqual(both);
    expect({ way: n.wayTo("a"), has: n.has("a") }).toEqual({ way: undefined, has: true });
  });

  test("takes of the ways to a member the first that is kept", () => {
    const n = new Neighbourhood();
    n.look([passing("a"), { ...kept("a"), way: "broker" }], 0);
    expect(n.wayTo("a")).toBe("broker");
    n.look([passing("b"), { ...passing("b"), way: "broker" }], 1);
    expect(n.has("b")).toBe(false);
  });
});

describe("ways to members", () => {
  const peer = (n: number, state: string, via?: string) => ({
    ...{ id: new Uint8Array(32).fill(n), sessionId: new Uint8Array(1), endpoint: {}, via, state, kept: true },
  });

  test("lead over sessions that live, then by brokers, then over those that are silent", () => {
    const broker = { ...kept("02".repeat(32)), way: "x" };
    const ways = sessionsOf([peer(1, "silent"), peer(2, "silent"), peer(3, "up"), peer(4, "up", "fd00::1")], [broker]);
    expect(ways.map(({ id, way }) => `${id.slice(0, 2)} ${way ?? "session"}`)).toEqual([
      "03 session",
      "02 x",
      "01 session",
      "02 session",
    ]);
  });
});
