import { expect, test } from "bun:test";
import { age, table } from "../../../runtime/cli/context.ts";

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
