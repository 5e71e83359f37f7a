import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { REPLAY_WINDOW, ReplayWindow } from "../../../runtime/mesh/session/replay.ts";

const W = REPLAY_WINDOW;
test.each([
  ["takes the first counter", [], 0, true],
  ["refuses a repeated counter", [5], 5, false],
  ["takes an older one that was not seen", [5], 4, true],
  ["takes the oldest inside the window", [W], 1, true],
  ["refuses what is just outside the window", [W], 0, false],
  ["forgets nothing inside the window when it moves on", [1, W], 1, false],
  ["takes a counter after a jump far ahead", [1, 10 * W], 10 * W - 1, true],
  ["does not confuse counters that share a ring word", [3], 3 + W + 32, true],
] as const)("the replay window %s", (_, before, counter, want) => {
  const window = new ReplayWindow();
  for (const c of before) window.accept(c);
  expect(window.accept(counter)).toBe(want);
});

test("the replay window agrees with a set that remembers everything", async () => {
  await fc.assert(
    fc.property(fc.array(fc.nat(3 * W), { maxLength: 400 }), (counters) => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let newest = -1;
      for (const c of counters) {
        const want = !seen.has(c) && c + W > newest;
        expect(window.accept(c)).toBe(want);
        seen.add(c);
        newest = Math.max(newest, c);
      }
    }),
  );
});
