import { describe, expect, test } from "bun:test";
import { age, duration, table } from "../../../runtime/cli/context.ts";

describe("durations", () => {
  test.each([
    ["90s", 90],
    ["30m", 1800],
    ["24h", 86_400],
    ["7d", 604_800],
  ])("%s is %d seconds", (text, seconds) => {
    expect(duration(text)).toBe(seconds);
  });

  test.each(["", "h", "24", "1.5h", "-1h", "24 h", "1w", "24hours"])("%p is none", (text) => {
    expect(() => duration(text)).toThrow(expect.objectContaining({ code: "usage/duration" }));
  });
});

test.each([
  [null, "-"],
  [12.4, "12 ms"],
  [1500, "2 s"],
  [119_000, "119 s"],
  [180_000, "3 min"],
])("an age of %p ms is shown as %s", (ms, shown) => {
  expect(age(ms)).toBe(shown);
});

test("a table is as wide as its widest cells, without blanks at the ends of lines", () => {
  expect(table(["a", "long head"], [["wide cell", "x"]])).toEqual(["a          long head", "wide cell  x"]);
});
