import { expect } from "bun:test";
import { revokeByMember } from "../../runtime/identity/revocation.ts";
import type { Gateway } from "./gateway.ts";
import { scenario } from "./scenario.ts";
import { breaks, pair, states, three } from "./small.ts";
import { TRICKLE } from "./world.ts";

scenario("mesh/find", "gateways that know one neighbour find all others, under 20 % loss", 3, async (sim) => {
  const { world, a, b, c } = await three(sim, { loss: 20 });
  await world.run(60_000);
  for (const g of [a, b, c]) expect(states(g)).toEqual(["up", "up"]);
});

scenario("mesh/ping", "a ping is answered", 1, async (sim) => {
  const { world, a, b } = await three(sim);
  await world.run(5000);
  await world.command(b, { type: "ping", peer: a.address, token: 7 });
  await world.run(1000);
  expect(b.notices.some((n) => n.kind === "pong" && n.token === 7)).toBe(true);
});

scenario("mesh/rekey", "keys in use change every two minutes, no session breaks, under 20 % loss", 2, async (sim) => {
  const { world, a, b, c } = await three(sim, { loss: 20 });
  world.load = TRICKLE;
  await world.run(1_300_000);
  for (const g of [a, b, c]) {
    expect(breaks(g)).toEqual([]);
    for (const p of g.peers()) expect(p.rekeys).toBeGreaterThanOrEqual(9);
  }
});

scenario(
  "mesh/unused",
  "keys under which nothing goes change every half hour, and as soon as needed",
  2,
  async (sim) => {
    const { world, a, b } = await pair(sim, { loss: 20 });
    await world.run(3_000_000);
    expect(a.peer(b)?.rekeys).toBe(1);
    world.load = TRICKLE;
    await world.run(130_000);
    expect(a.peer(b)?.rekeys).toBe(2);
    world.load = undefined;
    await world.run(1_000_000);
    expect(a.peer(b)?.rekeys).toBeLessThanOrEqual(3);
    expect(breaks(a).concat(breaks(b))).toEqual([]);
  },
);

function revocation(by: Gateway, target: Gateway): Promise<Uint8Array> {
  const { crypto, member, roster } = by.issuer;
  const claim = { scope: "node", lastSerial: undefined, target: target.id, reason: "lost" } as const;
  return revokeByMember(crypto, roster.mesh, member, claim);
}

scenario("mesh/revoke", "a revocation reaches all and ends the sessions of who was revoked", 2, async (sim) => {
  const { world, a, b, c } = await three(sim);
  await world.run(30_000);
  await world.command(a, { type: "revoke", record: await revocation(a, c) });
  await world.run(30_000);
  for (const g of [a, b]) {
    expect(g.notices.some((n) => n.kind === "revoked" && n.name === "c")).toBe(true);
    expect(g.actions).toContainEqual({ type: "removePeer", peer: c.address });
    expect(g.peers()).toHaveLength(1);
  }
});

scenario("mesh/partition", "a partition shows as silent, then as down; healed, sessions return", 2, async (sim) => {
  const { world, a, b, c } = await three(sim, { loss: 5 });
  await world.run(20_000);
  world.network.split({ north: [a, c].map((g) => g.endpoint.address), south: [b.endpoint.address] });
  await world.run(40_000);
  expect([a.peer(b)?.state, a.peer(c)?.state, b.peer(a)?.state]).toEqual(["silent", "up", "silent"]);
  await world.run(320_000); // longer than the keys live
  for (const g of [a, c]) expect(breaks(g)).toHaveLength(1);
  expect(breaks(b)).toHaveLength(2);
  world.network.heal();
  await world.run(120_000);
  for (const g of [a, b, c]) expect(states(g)).toEqual(["up", "up"]);
});

scenario("mesh/leave", "a gateway that says goodbye is down at once", 1, async (sim) => {
  const { world, a, b } = await three(sim);
  await world.run(5000);
  await world.command(b, { type: "leave" });
  world.network.split({ north: [a.endpoint.address], south: [b.endpoint.address] });
  await world.run(1000);
  expect(a.notices.some((n) => n.kind === "sessionDown" && n.peer === b.address)).toBe(true);
});

scenario("mesh/data-path", "the data path's news: keys used up, a peer wanted, a peer moved", 1, async (sim) => {
  const { world, a, b } = await three(sim);
  await world.run(5000);
  const before = a.peer(b)?.rekeys ?? 0;
  const indexNow = (): number => a.peer(b)?.localIndex ?? 0;
  await world.feed(a, { type: "dataPlane", event: { type: "exhausted", localIndex: indexNow() } });
  await world.run(2000);
  expect(a.peer(b)?.rekeys).toBe(before + 1);

  const endpoint = { address: "10.7.7.7", port: 7 };
  await world.feed(a, { type: "dataPlane", event: { type: "moved", localIndex: indexNow(), endpoint } });
  expect(a.peer(b)?.endpoint).toEqual(endpoint);
  await world.run(20_000);
  expect(a.peer(b)?.endpoint).toEqual(b.endpoint); // it had not moved, and was heard again

  world.crash(b);
  expect(await world.runUntil(() => a.peer(b)?.state === "down", 600_000)).toBe(true);
  await world.start(b);
  await world.feed(a, { type: "dataPlane", event: { type: "wanted", peer: b.address } });
  await world.run(500);
  expect(a.peer(b)?.state).toBe("up");
});

scenario("mesh/post", "what is posted arrives in order and once, under 40 % loss, across a rekey", 2, async (sim) => {
  const { world, a, b } = await three(sim, { loss: 40 });
  await world.run(20_000);
  const sent = Array.from({ length: 30 }, (_, i) => new Uint8Array(10_000).fill(i));
  for (const data of sent) {
    await world.command(a, { type: "post", peer: b.address, protocol: "test", data });
    await world.run(6000);
  }
  await world.run(60_000);
  expect(a.peer(b)?.rekeys).toBeGreaterThan(0);
  const got = b.actions.flatMap((x) => (x.type === "message" ? [x] : []));
  expect(got.map((m) => m.peer)).toEqual(sent.map(() => a.address));
  expect(got.map((m) => m.data)).toEqual(sent);
});

scenario("mesh/undelivered", "what is posted to nobody comes back as undelivered", 1, async (sim) => {
  const { world, a } = await three(sim);
  await world.command(a, { type: "post", peer: "fd00::1", protocol: "test", data: new Uint8Array(1) });
  expect(a.notices).toContainEqual({ kind: "undelivered", peer: "fd00::1", protocol: "test" });
});

scenario("mesh/told", "who is revoked is told, and serves nobody any more", 1, async (sim) => {
  const { world, a, c } = await three(sim);
  await world.run(30_000);
  await world.command(a, { type: "revoke", record: await revocation(a, c) });
  await world.run(1000);
  expect(c.notices.some((n) => n.kind === "revoked" && n.name === "c")).toBe(true);
  expect(c.mesh.deadline()).toBeUndefined();
});

scenario("mesh/told-at-once", "who is revoked is told, however much it was to be told before", 1, async (sim) => {
  const { world, a, b } = await pair(sim);
  await world.run(30_000);
  for (let i = 0; i < 8; i++) {
    const data = new Uint8Array(100_000);
    await world.command(a, { type: "post", peer: b.address, protocol: "test", data });
  }
  await world.command(a, { type: "revoke", record: await revocation(a, b) });
  await world.run(1000);
  expect(b.notices.some((n) => n.kind === "revoked" && n.name === "b")).toBe(true);
});

scenario("mesh/garbage", "a member that hands out garbage is not listened to after a while", 1, async (sim) => {
  const { world, a, b, c } = await three(sim);
  await world.run(30_000);
  const { roster } = a;
  const honest = roster.list();
  const first = honest[0] as (typeof honest)[number];
  const garbage = Array.from({ length: 40 }, (_, i) => ({ ...first, chain: new Uint8Array(500).fill(i) }));
  roster.list = () => [...honest, ...garbage];
  Object.defineProperty(roster, "revision", { value: 1_000_000 });
  await world.run(20_000);
  expect(b.meter.get("mesh.admit.refused")).toBe(16);
  expect(b.meter.get("gossip.drop.unasked")).toBe(24);
  for (const g of [b, c]) expect(states(g)).toEqual(["up", "up"]);
});
