import { expect } from "bun:test";
import { MESSAGE } from "../../runtime/mesh/handshake/message.ts";
import { REASSEMBLY_SLOTS } from "../../runtime/mesh/handshake/reassembly.ts";
import { SLOTS } from "../../runtime/mesh/handshake/responder.ts";
import { seededRandom } from "../help/seeded.ts";
import { disagreements } from "./agreement.ts";
import { Forger } from "./forger.ts";
import type { Gateway } from "./gateway.ts";
import { scenario } from "./scenario.ts";
import { breaks, pair, states, three } from "./small.ts";
import { TRICKLE, type World } from "./world.ts";

const forgerOf = (world: World): Forger => new Forger(world, seededRandom(`${world.seed}/forger`));

/** `perMillisecond` times whatever `make` gives, for `span` milliseconds of simulated time. */
function flood(world: World, span: number, perMillisecond: number, make: (n: number) => Promise<void>): void {
  let n = 0;
  const end = world.now + span;
  const turn = async (): Promise<void> => {
    for (let i = 0; i < perMillisecond; i++) await make(n++);
    if (world.now < end) world.at(world.now + 1, turn);
  };
  world.at(world.now, turn);
}

/** The bounds that SPEC.md gives, at every moment. */
function watchBounds(world: World, victim: Gateway, peers: number): () => number {
  let most = 0;
  const look = (): void => {
    const { reassembly = 0, responder = 0, initiators = 0 } = victim.mesh.load;
    expect(reassembly).toBeLessThanOrEqual(REASSEMBLY_SLOTS);
    expect(responder).toBeLessThanOrEqual(SLOTS);
    expect(initiators).toBeLessThanOrEqual(peers);
    expect(victim.mesh.load.peers).toBeLessThanOrEqual(peers);
    most = Math.max(most, reassembly, responder);
    world.at(world.now + 10, look);
  };
  world.at(world.now, look);
  return () => most;
}

scenario("flood/spoofed", "true hellos from 20,000 invented sources leave nothing behind", 1, async (sim) => {
  const { world, a, b } = await pair(sim);
  const forger = forgerOf(world);
  const before = a.mesh.load;
  const hello = await forger.firstHello(a);
  for (let i = 0; i < 20_000; i++) {
    const [first] = hello(forger.address(i));
    if (first) await world.inject(first);
  }
  expect(a.meter.get("handshake.cookie.demanded")).toBe(20_000);
  expect(a.mesh.load).toEqual(before);
  expect(before).toMatchObject({ reassembly: 0, initiators: 0, responder: 0, peers: 0 });
  await world.run(10_000);
  expect([states(a), states(b)]).toEqual([["up"], ["up"]]);
});

scenario(
  "flood/serving",
  "under a flood of spoofed hellos known peers meet, change keys and are served",
  2,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 10 });
    world.load = TRICKLE;
    await world.run(115_000);
    const forger = forgerOf(world);
    const hello = await forger.firstHello(a);
    const most = watchBounds(world, a, 2);
    flood(world, 15_000, 1, async (n) => {
      for (const packet of hello(forger.address(n))) await world.inject(packet);
    });
    world.crash(c);
    await world.start(c);
    await world.connect(c, a);
    await world.run(5000);
    expect(a.peer(c)?.state).toBe("up");
    await world.run(5000);
    for (let token = 9; token < 14; token++) {
      await world.command(b, { type: "ping", peer: a.address, token });
      await world.run(1000);
    }
    expect(b.notices.some((n) => n.kind === "pong" && n.token >= 9)).toBe(true); // two losses of 10 % each are on the way
    expect(a.peer(b)?.rekeys).toBeGreaterThanOrEqual(1);
    expect(breaks(a).concat(breaks(b))).toEqual([]);
    expect(most()).toBeLessThan(8);
    expect(a.meter.get("handshake.cookie.demanded")).toBeGreaterThan(25_000);
  },
);

scenario(
  "flood/cookies",
  "who has 2,000 addresses and a true cookie for each fills no table beyond its bound",
  1,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 10 });
    await world.run(100_000);
    const forger = forgerOf(world);
    forger.listen();
    const hello = await forger.firstHello(a);
    for (let n = 0; n < 2000; n++) for (const packet of hello(forger.address(n))) await world.inject(packet);
    const most = watchBounds(world, a, 2);
    flood(world, 2000, 1, async (n) => {
      const [first, second] = hello(forger.address(n % 2000));
      if (first) await world.inject(first);
      if (second && n % 2 === 0) await world.inject(second); // half of them stay unfinished
    });
    world.crash(c);
    await world.start(c);
    await world.connect(c, a);
    await world.run(2000);
    expect(most()).toBe(REASSEMBLY_SLOTS);
    expect([a.peer(b)?.state, a.peer(c)?.state]).toEqual(["up", "up"]);
    await world.run(30_000);
    expect(a.mesh.load.responder).toBe(0);
    expect([a.peer(b)?.state, a.peer(c)?.state]).toEqual(["up", "up"]);
    expect(disagreements(world)).toEqual([]);
  },
);

scenario(
  "flood/forged",
  "who knows all ids and hears all cannot forge a session, nor keep two members apart",
  3,
  async (sim) => {
    const { world, a, b } = await pair(sim, { loss: 5 });
    world.load = TRICKLE;
    const forger = forgerOf(world);
    const random = seededRandom(`${sim.seed}/confirmations`);
    const gateways = [a, b];
    world.wire = (packet, now) => {
      const responder = gateways.find((g) => g.endpoint.address === packet.to.address);
      const forged = responder ? forger.inResponseTo(packet, responder) : [];
      for (const each of forged) world.at(now + 30, () => world.inject(each));
      return [packet];
    };
    const confirm = async (i: number): Promise<void> => {
      const [target, other] = i % 2 === 0 ? [a, b] : [b, a];
      for (const packet of forger.fragments(target, MESSAGE.k3, random(157), other.endpoint))
        await world.inject(packet);
      world.at(world.now + 100, () => confirm(i + 1));
    };
    await confirm(0);
    // A forged acknowledgement can cost an attempt, which is given up after 10 s; the next one is as good.
    expect(await world.runUntil(() => [a, b].every((g) => states(g)[0] === "up"), 120_000)).toBe(true);
    await world.run(400_000);
    expect(disagreements(world)).toEqual([]);
    expect(breaks(a).concat(breaks(b))).toEqual([]);
    expect(a.peer(b)?.rekeys).toBeGreaterThanOrEqual(2);
    for (const g of gateways) expect(g.meter.get("handshake.drop.authentication")).toBeGreaterThan(0);
  },
);
