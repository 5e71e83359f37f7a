import { expect } from "bun:test";
import { seededNumber, seededRandom } from "../help/seeded.ts";
import { Adversary, TRICKS, type TrickName } from "./adversary.ts";
import { disagreements, installed } from "./agreement.ts";
import type { Gateway } from "./gateway.ts";
import { scenario } from "./scenario.ts";
import { breaks, pair, states, three } from "./small.ts";
import { TRICKLE, type World } from "./world.ts";

/** All that an adversary without keys must not achieve. */
function expectUnharmed(world: World, gateways: readonly Gateway[]): void {
  expect(disagreements(world)).toEqual([]);
  for (const g of gateways) {
    expect(breaks(g)).toEqual([]);
    expect(states(g)).toEqual(gateways.slice(1).map(() => "up"));
    for (const other of gateways) if (other !== g) expect(g.peer(other)?.endpoint).toEqual(other.endpoint);
  }
}

for (const trick of Object.keys(TRICKS) as TrickName[]) {
  scenario(`hostile/${trick}`, `every datagram followed by a copy (${trick}) harms nothing`, 3, async (sim) => {
    // The copy of a lost datagram is the datagram itself on a detour: roaming would follow it, as it should.
    const world = await sim.world({ loss: trick === "redirect" ? 0 : 10 });
    new Adversary(world, seededNumber(`${sim.seed}/adversary`)).meddle([trick], 100, 26, 100);
    const [a, b, c] = [await world.add("a"), await world.add("b"), await world.add("c")];
    await world.connect(b, a);
    await world.connect(c, a);
    world.load = TRICKLE;
    await world.run(300_000);
    expectUnharmed(world, [a, b, c]);
    for (const p of a.peers()) expect(p.rekeys).toBeGreaterThanOrEqual(2);
  });
}

scenario("hostile/meddle", "copies of all kinds, early and seconds late, harm nothing", 5, async (sim) => {
  const world = await sim.world({ loss: 10 });
  const adversary = new Adversary(world, seededNumber(`${sim.seed}/adversary`));
  adversary.meddle(["replay", "flip", "truncate", "extend", "reflect"], 60, 0, 3000);
  const [a, b, c] = [await world.add("a"), await world.add("b"), await world.add("c")];
  await world.connect(b, a);
  await world.connect(c, a);
  world.load = TRICKLE;
  await world.run(400_000);
  expectUnharmed(world, [a, b, c]);
});

scenario("hostile/late-replay", "an hour later, replaying everything makes and breaks nothing", 2, async (sim) => {
  const { world, a, b } = await pair(sim, { loss: 10 });
  const adversary = new Adversary(world, seededNumber(`${sim.seed}/adversary`));
  await world.connect(b, a);
  await world.run(300_000);
  adversary.rest();
  const record = [...adversary.heard];
  expect(record.length).toBeGreaterThan(100);
  await world.run(3_600_000);
  const [before, rekeys] = [installed(world), a.peer(b)?.rekeys ?? 0];
  for (const packet of record) await world.inject(packet);
  expect(installed(world)).toBe(before); // all at one moment: no rekey of their own in between
  expect(a.peer(b)?.rekeys).toBe(rekeys);
  await world.run(60_000);
  expectUnharmed(world, [a, b]);
});

scenario(
  "hostile/replay-to-restarted",
  "a gateway that forgot everything is not fooled by old exchanges",
  2,
  async (sim) => {
    const { world, a, b } = await pair(sim);
    const adversary = new Adversary(world, seededNumber(`${sim.seed}/adversary`));
    await world.run(130_000);
    const record = [...adversary.heard];
    world.crash(b);
    world.crash(a);
    await world.start(a);
    const before = installed(world);
    for (let times = 0; times < 3; times++)
      for (const packet of record) {
        await world.inject(packet);
        await world.run(1);
      }
    expect(installed(world)).toBe(before);
    expect(states(a)).not.toContain("up");
    await world.start(b);
    await world.connect(b, a);
    await world.run(5000);
    expect(disagreements(world)).toEqual([]);
    expect([states(a), states(b)]).toEqual([["up"], ["up"]]);
  },
);

scenario("hostile/after-goodbye", "a session that was ended is not brought back by what made it", 3, async (sim) => {
  const { world, a, b } = await pair(sim);
  const adversary = new Adversary(world, seededNumber(`${sim.seed}/adversary`));
  await world.run(5000);
  const localIndex = b.peer(a)?.localIndex ?? 0;
  await world.feed(b, { type: "dataPlane", event: { type: "exhausted", localIndex } }); // so that there is a K exchange
  await world.run(2000);
  expect(a.peer(b)?.rekeys).toBe(1);
  await world.command(b, { type: "leave" });
  world.crash(b);
  await world.run(100);
  const before = installed(world);
  for (const packet of [...adversary.heard]) {
    await world.inject(packet);
    await world.run(1);
  }
  expect(states(a)).not.toContain("up");
  expect(installed(world)).toBe(before);
});

scenario(
  "hostile/race",
  "one side's datagrams overtaken by copies from elsewhere: over when it is over",
  3,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 5 });
    await world.run(20_000);
    const adversary = new Adversary(world, seededNumber(`${sim.seed}/adversary`));
    adversary.race("redirect", (p) => p.from.address === b.endpoint.address);
    await world.run(60_000);
    expect(disagreements(world)).toEqual([]);
    adversary.rest();
    await world.run(60_000);
    expectUnharmed(world, [a, b, c]);
  },
);

scenario(
  "hostile/race-all",
  "everybody's datagrams overtaken by copies from elsewhere: no false session, and over when it is over",
  3,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 5 });
    await world.run(20_000);
    const adversary = new Adversary(world, seededNumber(`${sim.seed}/adversary`));
    adversary.race("redirect", () => true);
    await world.run(120_000);
    adversary.rest();
    await world.run(200_000);
    expect(disagreements(world)).toEqual([]);
    for (const g of [b, c]) {
      expect([a.peer(g)?.state, g.peer(a)?.state]).toEqual(["up", "up"]);
      expect([a.peer(g)?.endpoint, g.peer(a)?.endpoint]).toEqual([g.endpoint, a.endpoint]);
    }
  },
);

scenario(
  "hostile/relayed",
  "what passes through a third gateway is as safe from copies of all kinds",
  3,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 10 });
    world.load = TRICKLE;
    world.network.split({ left: [b.endpoint.address], right: [c.endpoint.address] });
    const adversary = new Adversary(world, seededNumber(`${sim.seed}/adversary`));
    adversary.meddle(["replay", "flip", "truncate", "extend", "reflect"], 60, 0, 3000);
    await world.run(60_000);
    expect([b.peer(c)?.via, c.peer(b)?.via]).toEqual([a.address, a.address]);
    await world.run(340_000);
    expect(disagreements(world)).toEqual([]);
    for (const g of [a, b, c]) {
      expect(states(g)).toEqual(["up", "up"]);
      expect(breaks(g)).toEqual([]);
    }
    expect([b.peer(c)?.via, c.peer(b)?.via]).toEqual([a.address, a.address]);
    expect(b.peer(c)?.rekeys).toBeGreaterThanOrEqual(2);
  },
);

scenario("hostile/garbage", "random datagrams of every type are dropped and break nothing", 3, async (sim) => {
  const { world, a, b } = await pair(sim);
  await world.run(5000);
  const random = seededRandom(`${sim.seed}/garbage`);
  for (let i = 0; i < 3000; i++) {
    const payload = random(i % 300);
    if (payload.length > 0) payload[0] = i % 7;
    await world.inject({ from: b.endpoint, to: a.endpoint, payload });
  }
  expect(installed(world)).toBe(2);
  expectUnharmed(world, [a, b]);
});

scenario("hostile/counted", "what is replayed, flipped or cut is counted by its reason", 1, async (sim) => {
  const { world, a, b } = await pair(sim);
  const adversary = new Adversary(world, seededNumber(`${sim.seed}/adversary`));
  adversary.meddle(["replay", "flip", "truncate"], 100, 26, 1);
  await world.run(60_000);
  for (const g of [a, b])
    for (const reason of ["control.drop.replay", "control.drop.auth"]) expect(g.meter.get(reason)).toBeGreaterThan(0);
});
