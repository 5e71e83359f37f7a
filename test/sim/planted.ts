/** A scenario that fails, to show that a failure can be had again. It lies outside the suite; replay.test.ts runs it. */
import { expect } from "bun:test";
import { scenario } from "./scenario.ts";
import { pair } from "./small.ts";

scenario("planted/late", "a session is up within 40 ms", 3, async (sim) => {
  const { world, a, b } = await pair(sim, { loss: 20 });
  await world.runUntil(() => a.peer(b)?.state === "up", 10_000, 1);
  expect(world.now).toBeLessThan(40);
});
