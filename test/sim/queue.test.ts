import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { EventQueue } from "./queue.ts";

test("entries come out by time, and in order of insertion where times are equal", async () => {
  await fc.assert(
    fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 200 }), (times) => {
      const queue = new EventQueue<readonly [number, number]>();
      for (const [i, at] of times.entries()) queue.push(at, [at, i]);
      const out = times.map(() => queue.pop());
      expect(out).toEqual([...out].sort((a, b) => a[0] - b[0] || a[1] - b[1]));
      expect(out).toHaveLength(times.length);
      expect(queue.size).toBe(0);
    }),
  );
});

test("entries pushed between pops come out in their place", async () => {
  await fc.assert(
    fc.property(fc.array(fc.option(fc.nat({ max: 50 })), { maxLength: 300 }), (steps) => {
      const queue = new EventQueue<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step !== null) {
          queue.push(step, step);
          model.push(step);
        } else if (model.length > 0) {
          model.sort((a, b) => a - b);
          expect(queue.next).toBe(model[0] as number);
          expect(queue.pop()).toBe(model.shift() as number);
        }
      }
      expect(queue.size).toBe(model.length);
    }),
  );
});

test("an empty queue has no next entry and refuses to give one", () => {
  const queue = new EventQueue<number>();
  expect(queue.next).toBeUndefined();
  expect(() => queue.pop()).toThrow(RangeError);
});
