import { describe, expect, test } from "bun:test";
import { age, facts, moment, roundTrip, shorten, size, table } from "../../../runtime/cli/show.ts";

test.each([
  [null, "-"],
  [12.4, "12 ms"],
  [1500, "2 s"],
  [119_000, "119 s"],
  [180_000, "3 min"],
  [7_200_000, "2 h"],
  [200 * 3_600_000, "8 d"],
])("an age of %p ms is shown as %s", (ms, shown) => {
  expect(age(ms)).toBe(shown);
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [1234, "1.2 kB"],
  [9949, "9.9 kB"],
  [9951, "10 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [34_000_000, "34 MB"],
  [2e18, "2000 PB"],
])("%d bytes are shown as %s", (bytes, shown) => {
  expect(size(bytes)).toBe(shown);
});

test.each([
  [null, "-"],
  [0.4567, "0.46 ms"],
  [12.34, "12.3 ms"],
])("a round trip of %p ms is shown as %s", (ms, shown) => {
  expect(roundTrip(ms)).toBe(shown);
});

describe("text that is too long", () => {
  test.each([
    ["gw-1", 6, "gw-1"],
    ["gw-1-x", 6, "gw-1-x"],
    ["[2001:db8::1]:51820", 11, "[2001…51820"],
    ["abcdefgh", 4, "ab…h"],
  ])("%s of at most %d becomes %s", (text, most, shown) => {
    expect(shorten(text, most)).toBe(shown);
    expect(shorten(text, most).length).toBeLessThanOrEqual(most);
  });
});

test("a table is as wide as its widest cells, without blanks at the ends of lines", () => {
  expect(table(["a", "long head"], [["wide cell", "x"]])).toEqual(["a          long head", "wide cell  x"]);
});

test("facts stand below each other", () => {
  expect(
    facts([
      ["a", "1"],
      ["long", "2"],
    ]),
  ).toEqual(["a     1", "long  2"]);
});

test("a moment is told to the minute", () => {
  expect(moment(1_795_708_860)).toBe("2026-11-26 16:01 UTC");
});
