/** The small bounded memories of an exchange. */
import { describe, expect, test } from "bun:test";
import { hours, minutes, seconds } from "../../../runtime/base/time.ts";
import { Fetching } from "../../../runtime/sync/fetching.ts";
import { Neighbour } from "../../../runtime/sync/neighbour.ts";
import { Recent } from "../../../runtime/sync/recent.ts";
import { Versions } from "../../../runtime/sync/versions.ts";

describe("versions", () => {
  test("rise above all that was written, seen or heard", () => {
    const versions = new Versions();
    expect([versions.next(), versions.next(), versions.next(10), versions.next(3)]).toEqual([1, 2, 11, 12]);
    versions.heard(40);
    versions.heard(7);
    expect(versions.next()).toBe(41);
  });

  test("of a slot that was not written since the start are taken over", () => {
    expect(new Versions().judge("a", 0)).toBe("take");
  });

  test("of one that was are asserted, ever more rarely when that goes on: another gateway has our identity", () => {
    const versions = new Versions();
    versions.wrote("a");
    let asserted = 0;
    for (let now = 0; now < hours(10); now += seconds(1)) if (versions.judge("a", now) === "assert") asserted++;
    expect(asserted).toBeGreaterThan(10);
    expect(asserted).toBeLessThan(25);
    expect(versions.judge("a", hours(20))).toBe("assert");
    expect(versions.judge("a", hours(20) + minutes(59))).toBe("wait");
  });
});

describe("fetching", () => {
  test("asks one neighbour for each record, and the next one when the first does not deliver", () => {
    const fetching = new Fetching();
    for (const source of ["a", "b", "c"]) expect(fetching.offered("x", source, 0)).toBe(true);
    expect(fetching.take("b", 9, 0)).toEqual([]);
    expect(fetching.take("a", 9, 0)).toEqual(["x"]);
    expect(fetching.take("a", 9, 0)).toEqual([]);
    expect([fetching.expire(seconds(2)), fetching.expire(seconds(3))]).toEqual([0, 1]);
    expect(fetching.take("b", 9, 0)).toEqual(["x"]);
    fetching.failed("x"); // it has it not
    expect(fetching.take("c", 9, 0)).toEqual(["x"]);
    expect(fetching.expire(seconds(3))).toBe(1);
    expect(fetching.take("a", 9, 0)).toEqual(["x"]);
    fetching.failed("x");
    fetching.failed("x");
    expect(fetching.size).toBe(0);
  });

  test("goes to who leads before all others, also when another was asked", () => {
    const fetching = new Fetching();
    for (const source of ["a", "b", "c", "d"]) fetching.offered("x", source, 0);
    expect(fetching.take("a", 9, 0)).toEqual(["x"]);
    fetching.offered("x", "link", 1, true);
    expect(fetching.isWanted("x", "a")).toBe(false);
    expect(fetching.take("link", 9, 1)).toEqual(["x"]);
    fetching.offered("x", "link 2", 2, true); // one that leads is asked already
    expect(fetching.take("link 2", 9, 2)).toEqual([]);
    fetching.failed("x");
    expect(fetching.take("link 2", 9, 2)).toEqual(["x"]);
    fetching.failed("x");
    expect(fetching.take("a", 9, 2)).toEqual(["x"]); // what does not lead waits behind, as far as there is room
  });

  test("gives up what nobody delivers", () => {
    const fetching = new Fetching();
    fetching.offered("x", "a", 0);
    for (let i = 0; i < 4; i++) {
      expect(fetching.take("a", 9, 0)).toEqual(["x"]);
      fetching.expire(seconds(3));
    }
    expect(fetching.size).toBe(0);
  });

  test("forgets a neighbour that is gone, and what only it had", () => {
    const fetching = new Fetching();
    fetching.offered("x", "a", 0);
    fetching.offered("x", "b", 0);
    fetching.offered("y", "a", 0);
    fetching.forget("a");
    expect(fetching.size).toBe(1);
    expect([fetching.waits("a"), fetching.waits("b")]).toEqual([false, true]);
  });

  test("does not take what was refused, for a while", () => {
    const fetching = new Fetching();
    fetching.offered("x", "a", 0);
    fetching.refuse("x", 0, seconds(5));
    expect(fetching.offered("x", "b", seconds(4))).toBe(false);
    expect(fetching.offered("x", "b", seconds(6))).toBe(true);
  });

  test("remembers so much and no more", () => {
    const fetching = new Fetching();
    for (let i = 0; i < 20_000; i++) fetching.offered(`${i}`, "a", 0);
    expect(fetching.size).toBe(16_384);
    expect(fetching.take("a", 256, 0)).toHaveLength(256);
  });
});

describe("a neighbour", () => {
  test("is answered so often a second", () => {
    const neighbour = new Neighbour("a", 0);
    let admitted = 0;
    for (let i = 0; i < 1000; i++) if (neighbour.admits(0)) admitted++;
    expect(admitted).toBe(200);
    for (let i = 0; i < 1000; i++) if (neighbour.admits(seconds(1))) admitted++;
    expect(admitted).toBe(300);
  });

  test("is not listened to for a minute after sixteen things that did not hold", () => {
    const neighbour = new Neighbour("a", 0);
    for (let i = 0; i < 15; i++) neighbour.strike(0);
    expect(neighbour.admits(0)).toBe(true);
    neighbour.strike(0);
    expect(neighbour.admits(seconds(59))).toBe(false);
    expect(neighbour.admits(seconds(60))).toBe(true);
  });

  test("whose walks lead nowhere is walked ever more rarely", () => {
    const neighbour = new Neighbour("a", 0);
    neighbour.endWalk(0, false);
    expect(neighbour.mayWalk(seconds(9))).toBe(false);
    expect(neighbour.mayWalk(seconds(10))).toBe(true);
    for (let i = 0; i < 9; i++) neighbour.endWalk(0, false);
    expect(neighbour.mayWalk(seconds(30) - 1)).toBe(false);
    expect(neighbour.mayWalk(seconds(30))).toBe(true);
    neighbour.endWalk(0, true);
    expect(neighbour.mayWalk(0)).toBe(true);
  });
});

test("of recent things the oldest goes", () => {
  const recent = new Recent<number>(2);
  recent.set("a", 1);
  recent.set("b", 2);
  recent.set("a", 3);
  recent.set("c", 4);
  expect([recent.get("a"), recent.get("b"), recent.get("c")]).toEqual([3, undefined, 4]);
});
