import { expect, test } from "bun:test";
import { EventQueue } from "../../../runtime/base/event-queue.ts";

function queueAt(): { queue: EventQueue; clock: { now: number } } {
  const clock = { now: 1000 };
  return { clock, queue: new EventQueue(() => clock.now) };
}

test("pieces never interleave, and are done in the order in which they came", async () => {
  const { queue } = queueAt();
  const seen: string[] = [];
  const piece = (name: string, turns: number) => async (): Promise<void> => {
    seen.push(`${name} begins`);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    seen.push(`${name} ends`);
  };
  await Promise.all([queue.push(piece("a", 5)), queue.push(piece("b", 0)), queue.push(piece("c", 2))]);
  expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
});

test("a queue without work is not busy", async () => {
  const { queue, clock } = queueAt();
  expect(queue.busyFor()).toBe(0);
  await queue.push(async () => {});
  clock.now += 5000;
  expect(queue.busyFor()).toBe(0);
});

test("a piece that does not end makes the queue busy for as long, whatever waits behind it", async () => {
  const { queue, clock } = queueAt();
  const { promise, resolve } = Promise.withResolvers<void>();
  const stuck = queue.push(() => promise);
  await Promise.resolve();
  clock.now += 3000;
  const behind = queue.push(async () => {});
  clock.now += 4000;
  expect(queue.busyFor()).toBe(7000);
  resolve();
  await Promise.all([stuck, behind]);
  expect(queue.busyFor()).toBe(0);
});

test("what comes while a queue is held waits, in order, until it is released", async () => {
  const { queue } = queueAt();
  const done: number[] = [];
  queue.hold();
  const all = [1, 2].map((n) => queue.push(async () => void done.push(n)));
  await Bun.sleep(5);
  expect([queue.isHeld, done, queue.busyFor()]).toEqual([true, [], 0]);
  queue.release();
  await Promise.all(all);
  expect([queue.isHeld, done]).toEqual([false, [1, 2]]);
});
