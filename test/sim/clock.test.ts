import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { DriftingClock } from "./clock.ts";
import { scenario } from "./scenario.ts";

test("a clock has its own zero and rate", () => {
  const clock = new DriftingClock({ zero: 5000, from: 100, ppm: 1000 });
  expect(clock.local(100)).toBe(5000);
  expect(clock.local(1100)).toBeCloseTo(6001, 9);
  expect(new DriftingClock({ zero: 0, from: 0, ppm: -1000 }).local(1000)).toBeCloseTo(999, 9);
});

test("who is woken for a deadline has reached it, and not by more than a millisecond", async () => {
  const time = fc.double({ min: 0, max: 1e9, noNaN: true });
  await fc.assert(
    fc.property(time, time, fc.integer({ min: -50_000, max: 50_000 }), time, (zero, from, ppm, span) => {
      const clock = new DriftingClock({ zero, from, ppm });
      const deadline = zero + span;
      const woken = clock.local(clock.world(deadline));
      expect(woken).toBeGreaterThanOrEqual(deadline);
      expect(woken - deadline).toBeLessThan(1);
    }),
  );
});

scenario("clock/drift", "clocks that run 5 % wrong break no session in an hour", 2, async (sim) => {
  const world = await sim.world({ drift: 50_000, loss: 10 });
  const gateways = [await world.add("a"), await world.add("b"), await world.add("c")] as const;
  for (const g of gateways.slice(1)) await world.connect(g, gateways[0]);
  await world.run(3_600_000);
  for (const g of gateways) {
    expect(g.peers().map((p) => p.state)).toEqual(["up", "up"]);
    expect(g.notices.filter((n) => n.kind === "sessionDown")).toEqual([]);
  }
  const hour = gateways.map((g) => g.clock.local(3_600_000) - g.clock.local(0));
  expect(Math.max(...hour) - Math.min(...hour)).toBeGreaterThan(10_000); // else nobody's clock was wrong
});
