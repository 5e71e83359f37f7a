import { expect } from "bun:test";
import { seededNumber } from "../help/seeded.ts";
import { disagreements } from "./agreement.ts";
import { scenario } from "./scenario.ts";
import { states, three } from "./small.ts";

/** A peer that was away is tried again within 20 s for an attempt and at most 90 s of pause; then it takes a handshake. */
const MET_AGAIN = 120_000;

scenario(
  "daemon/crash",
  "a daemon killed at any moment comes back with what its disk held, and is met again",
  5,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 10, drift: 200 });
    const chance = seededNumber(`${sim.seed}/crash`);
    const all = [a, b, c];
    await world.run(20_000 + chance() * 200_000);
    for (let i = 0; i < 6; i++) {
      const victim = all[Math.floor(chance() * 3)] as typeof a;
      world.crash(victim);
      await world.run(chance() * 300_000);
      await world.start(victim);
      await world.run(MET_AGAIN);
      for (const g of all) expect(states(g)).toEqual(["up", "up"]);
    }
    expect(disagreements(world)).toEqual([]);
  },
);

scenario("daemon/early-crash", "a daemon killed while it shakes hands is met again", 5, async (sim) => {
  const { world, a, b, c } = await three(sim, { loss: 10 });
  const chance = seededNumber(`${sim.seed}/crash`);
  await world.run(chance() * 200);
  world.crash(a);
  await world.run(chance() * 30_000);
  await world.start(a);
  await world.run(MET_AGAIN);
  for (const g of [a, b, c]) expect(states(g)).toEqual(["up", "up"]);
  expect(disagreements(world)).toEqual([]);
});

scenario("daemon/power-cut", "after a power cut everywhere, all are back with each other", 3, async (sim) => {
  const world = await sim.world({ loss: 10 });
  const a = await world.add("a");
  const joined = [];
  for (const name of ["b", "c", "d"]) {
    const joiner = await world.addJoiner(name);
    await world.join(joiner, world.invite(a), name);
    joined.push(joiner);
  }
  await world.run(60_000);
  for (const g of [a, ...joined]) expect(states(g)).toEqual(["up", "up", "up"]);
  for (const g of [a, ...joined]) world.crash(g);
  await world.run(10_000);
  for (const g of [a, ...joined]) await world.start(g);
  await world.run(60_000);
  for (const g of [a, ...joined])
    expect(g.peers().map((p) => [p.state, p.via])).toEqual(Array(3).fill(["up", undefined]));
  expect(disagreements(world)).toEqual([]);
});

scenario(
  "daemon/joiner",
  "a joiner killed before it is told asks again and gets the same certificate",
  5,
  async (sim) => {
    const world = await sim.world({ loss: 10 });
    const a = await world.add("a");
    const joiner = await world.addJoiner("b");
    const invite = world.invite(a);
    await world.command(joiner, { type: "join", invite, name: "b" });
    await world.runUntil(() => a.notices.some((n) => n.kind === "admitted"), 10_000, 1);
    await world.startOver(joiner);
    await world.join(joiner, invite, "b");
    await world.run(10_000);
    expect([states(a), states(joiner)]).toEqual([["up"], ["up"]]);
    expect(a.issuer.book.list().map((i) => i.admitted.length)).toEqual([1]);
  },
);
