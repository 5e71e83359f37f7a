/** Lists in order: a property over a model. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { insertAt, placeOf } from "../../../runtime/base/sorted.ts";

test("what is inserted at its place is found there, and the list stays in order", () => {
  const nameOf = (name: string): string => name;
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ maxLength: 3 }), { maxLength: 40 }),
      fc.string({ maxLength: 3 }),
      (names, other) => {
        const list: string[] = [];
        for (const name of names) insertAt(list, placeOf(list, name, nameOf), name);
        expect(list).toEqual([...names].sort());
        for (const name of names) expect(list[placeOf(list, name, nameOf)]).toBe(name);
        expect(placeOf(list, other, nameOf)).toBe(list.filter((name) => name < other).length);
      },
    ),
    { numRuns: 300, seed: 3 },
  );
});
