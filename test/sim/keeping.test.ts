import { expect } from "bun:test";
import type { Ms } from "../../runtime/base/time.ts";
import { KEEP_ALL } from "../../runtime/mesh/keeping.ts";
import type { Gateway } from "./gateway.ts";
import { type Sim, scenario } from "./scenario.ts";
import { plainLink, type World } from "./world.ts";

const COUNT = 20;

const up = (g: Gateway): readonly string[] => g.peers().flatMap((p) => (p.state === "up" ? [p.name] : []));

/** Everybody meets the first one, and hears of the others from it. */
async function crowd(sim: Sim, count = COUNT): Promise<{ world: World; gateways: readonly Gateway[] }> {
  const world = await sim.world({ loss: 2, provider: "stand-in", disks: false });
  const gateways: Gateway[] = [];
  for (let i = 0; i < count; i++) gateways.push(await world.add(`g${i}`));
  const [hub, ...others] = gateways as [Gateway, ...Gateway[]];
  for (const g of others) await world.connect(g, hub);
  return { world, gateways };
}

/** What a gateway sends while nobody asks anything of it, B/s. */
const IDLE_MAX = 375;

/** Control and handshakes, headers included, per gateway and second. */
async function idleTraffic(world: World, span: Ms): Promise<number> {
  const sent = (): number => world.counts.control.bytes + world.counts.handshake.bytes;
  const before = sent();
  await world.run(span);
  return (sent() - before) / (span / 1000) / world.gateways.length;
}

/** How many the first one reaches over sessions, itself among them. */
function hangingTogether(gateways: readonly Gateway[]): number {
  const byName = new Map(gateways.map((g) => [g.label, g]));
  const found = new Set(["g0"]);
  for (const name of found) for (const next of up(byName.get(name) as Gateway)) found.add(next);
  return found.size;
}

scenario("keeping/few", "in a large mesh each keeps some sessions, over which all hang together", 1, async (sim) => {
  const { world, gateways } = await crowd(sim);
  await world.run(60_000);
  expect(await idleTraffic(world, 90_000)).toBeLessThan(IDLE_MAX); // links that nobody keeps do not flap while they end
  await world.run(750_000);
  expect(hangingTogether(gateways)).toBe(COUNT);
  for (const g of gateways) expect(g.roster.list()).toHaveLength(COUNT);
  expect(gateways.reduce((sum, g) => sum + up(g).length, 0) / COUNT).toBeLessThanOrEqual(KEEP_ALL);
  const idle = gateways.flatMap((g) => g.peers().filter((p) => p.state !== "up"));
  expect(new Set(idle.map((p) => p.state))).toEqual(new Set(["idle"]));
  expect(await idleTraffic(world, 60_000)).toBeLessThan(IDLE_MAX);
});

scenario("keeping/absent", "one that is away for long costs the others little", 1, async (sim) => {
  const { world, gateways } = await crowd(sim, 10);
  await world.run(60_000);
  world.network.split({ left: addresses(gateways.slice(9)), right: addresses(gateways.slice(0, 9)) });
  await world.run(600_000);
  expect(await idleTraffic(world, 600_000)).toBeLessThan(IDLE_MAX);
});

scenario("keeping/wanted", "a session that is wanted is made, and ends when nobody uses it", 1, async (sim) => {
  const { world, gateways } = await crowd(sim);
  await world.run(900_000);
  const from = gateways[7] as Gateway;
  const others = gateways.filter((g) => from.peer(g)?.state === "idle");
  world.network.kind = plainLink(0); // a ping is sent once
  for (const to of others) {
    await world.command(from, { type: "ping", peer: to.address, token: 5 });
    await world.command(from, { type: "post", peer: to.address, protocol: "test", data: Uint8Array.of(1) });
  }
  await world.run(10_000);
  expect(from.notices.filter((n) => n.kind === "pong" && n.token === 5)).toHaveLength(others.length);
  for (const to of others)
    expect(to.actions.filter((a) => a.type === "message" && a.peer === from.address)).toHaveLength(1);
  await world.run(400_000);
  const isKept = (to: Gateway): boolean => [from.peer(to), to.peer(from)].some((p) => p?.kept); // as one of the nearest
  const ended = others.filter((to) => !isKept(to));
  expect(ended.length).toBeGreaterThan(others.length / 2);
  for (const to of ended) expect([from.peer(to)?.state, to.peer(from)?.state]).toEqual(["idle", "idle"]);
});

scenario("keeping/heal", "halves that were apart for long find each other again", 1, async (sim) => {
  const { world, gateways } = await crowd(sim);
  await world.run(300_000);
  const [left, right] = [gateways.slice(0, COUNT / 2), gateways.slice(COUNT / 2)];
  world.network.split({ left: addresses(left), right: addresses(right) });
  await world.run(1_800_000);
  expect(hangingTogether(gateways)).toBe(COUNT / 2);
  world.network.heal();
  await world.run(120_000);
  expect(hangingTogether(gateways)).toBe(COUNT);
});

scenario("keeping/unreachable", "what waits for somebody who does not answer is given up and told", 1, async (sim) => {
  const { world, gateways } = await crowd(sim);
  await world.run(900_000);
  const from = gateways[3] as Gateway;
  const other = from.peers().find((p) => p.state === "idle");
  const to = gateways.find((g) => g.label === other?.name) as Gateway;
  world.network.split({ left: [to.endpoint.address], right: addresses(gateways.filter((g) => g !== to)) });
  await world.command(from, { type: "post", peer: to.address, protocol: "test", data: Uint8Array.of(1) });
  await world.run(90_000);
  expect(from.notices).toContainEqual({ kind: "undelivered", peer: to.address, protocol: "test" });
});

const addresses = (side: readonly Gateway[]): string[] => side.map((g) => g.endpoint.address);
