import { expect } from "bun:test";
import { type Sim, scenario } from "./scenario.ts";
import { sessions, settle } from "./topology.ts";

/** Everybody has its four sessions within `limit` simulated milliseconds: the shipped handshake, real keys, real fragments. */
async function shakeHands(sim: Sim, count: number, limit: number): Promise<void> {
  const world = await sim.world({ provider: "seeded", loss: 20, drift: 100, disks: false });
  const ring = await settle({ world, topology: "ring", count, knows: "neighbours" });
  await world.runUntil(() => sessions(ring).up === sessions(ring).wanted, limit);
  expect(sessions(ring)).toEqual({ up: 4 * count, wanted: 4 * count });
  expect(world.counts.sessionsDown).toBe(0);
}

scenario("ring/12", "12 gateways, four neighbours each, have their sessions within 3 s at 20 % loss", 3, (sim) =>
  shakeHands(sim, 12, 3000),
);

scenario("ring/100", "100 gateways, four neighbours each, have their sessions within 3 s at 20 % loss", 1, (sim) =>
  shakeHands(sim, 100, 3000),
);
