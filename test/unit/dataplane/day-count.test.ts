import { expect, test } from "bun:test";
import { counted, limitOf } from "../../../runtime/dataplane/day-count.ts";

test("a day's bytes go on from look to look, begin anew with the day, and outlive a counter that begins anew", () => {
  const first = counted(undefined, "2026-11-26", 5000);
  expect(first).toEqual({ day: "2026-11-26", bytes: 0, counter: 5000 });
  const second = counted(first, "2026-11-26", 5700);
  expect(second).toEqual({ day: "2026-11-26", bytes: 700, counter: 5700 });
  expect(counted(second, "2026-11-26", 40)).toEqual({ day: "2026-11-26", bytes: 740, counter: 40 });
  expect(counted(second, "2026-11-27", 5800)).toEqual({ day: "2026-11-27", bytes: 100, counter: 5800 });
});

test("the limit stays where it is while bytes go, and is not beyond what has gone", () => {
  const day = "2026-11-26";
  expect(limitOf({ day, bytes: 0, counter: 5000 }, 1000)).toBe(6000);
  expect(limitOf({ day, bytes: 700, counter: 5700 }, 1000)).toBe(6000);
  expect(limitOf({ day, bytes: 1200, counter: 6200 }, 1000)).toBe(6200);
});
