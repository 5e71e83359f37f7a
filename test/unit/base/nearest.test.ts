import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { edits, nearest } from "../../../runtime/base/nearest.ts";

const WORDS = ["status", "peers", "ping", "invite", "init", "join"];

describe("nearest", () => {
  test.each([
    ["stauts", "status"],
    ["statsu", "status"],
    ["peer", "peers"],
    ["pign", "ping"],
    ["invit", "invite"],
    ["jion", "join"],
    ["st", "status"],
    ["in", undefined], // two begin so
    ["fly", undefined],
    ["", undefined],
  ])("to %p is %p", (given, word) => {
    expect(nearest(given, WORDS)).toBe(word);
  });
});

describe("edits", () => {
  test.each([
    ["the same word", "abc", "abc", 0],
    ["a letter too much", "abxc", "abc", 1],
    ["a letter too few", "ac", "abc", 1],
    ["another letter", "axc", "abc", 1],
    ["two letters swapped", "acb", "abc", 1],
    ["nothing at all", "", "abc", 3],
  ])("of %s", (_, a, b, count) => {
    expect(edits(a, b)).toBe(count);
  });

  test("are as many in the other direction, and none only between equal words", async () => {
    const word = fc.string({ maxLength: 6, unit: fc.constantFrom("a", "b", "c") });
    await fc.assert(
      fc.property(word, word, (a, b) => {
        expect(edits(a, b)).toBe(edits(b, a));
        expect(edits(a, b) === 0).toBe(a === b);
      }),
    );
  });
});
