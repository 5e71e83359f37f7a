import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { DueQueue } from "../../../runtime/mesh/due-queue.ts";

test("takes what is due, the earliest first, each once, however often its time was changed", async () => {
  await fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), fc.nat(100))), fc.nat(100), (changes, now) => {
      const queue = new DueQueue<number>();
      const model = new Map<number, number>();
      for (const [item, at] of changes) {
        if (at === 0) queue.delete(item);
        else queue.set(item, at === 100 ? Number.POSITIVE_INFINITY : at);
        if (at === 0 || at === 100) model.delete(item);
        else model.set(item, at);
      }
      expect(queue.next).toBe(model.size > 0 ? Math.min(...model.values()) : undefined);
      const taken = queue.take(now).map((item) => model.get(item) as number);
      expect(taken).toEqual([...model.values()].filter((at) => at <= now).sort((a, b) => a - b));
      const later = [...model.values()].filter((at) => at > now);
      expect(queue.next).toBe(later.length > 0 ? Math.min(...later) : undefined);
    }),
  );
});
