import { expect, test } from "bun:test";
import fc from "fast-check";
import { linkValue } from "../../../runtime/mesh/link-value.ts";

test("the class of a link follows its round trip", () => {
  expect([1, 10, 40, 100, 300, 1000, 5000].map((ms) => linkValue(ms, 0))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(linkValue(undefined, 0)).toBe(1);
  expect(linkValue(undefined, 5)).toBe(5);
});

test("a round trip that trembles about a border changes nothing, one that moves far does", () => {
  expect([linkValue(5.5, 1), linkValue(4.5, 2)]).toEqual([1, 2]);
  expect([linkValue(8, 1), linkValue(3, 2)]).toEqual([2, 1]);
  expect(linkValue(1000, 1)).toBe(6);
});

test("whatever the round trips were, the class is within one step of theirs", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 5000, noNaN: true }), { minLength: 1 }), (trips) => {
      let value = 0;
      for (const trip of trips) value = linkValue(trip, value);
      expect(Math.abs(value - linkValue(trips.at(-1) as number, 0))).toBeLessThanOrEqual(1);
    }),
  );
});
