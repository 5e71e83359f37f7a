import { expect, test } from "bun:test";
import { revokeByMember } from "../../runtime/identity/revocation.ts";
import type { Member, Roster } from "../../runtime/identity/roster.ts";
import { createMesh, crypto, memberBy, memberByRoot } from "../unit/identity/world.ts";
import { World } from "./world.ts";

async function three(seed: string, loss: number) {
  const { mesh, roots } = await createMesh();
  const first = await memberByRoot(mesh, roots);
  const world = new World(seed);
  world.loss = loss;
  const a = await world.add(mesh, first);
  const b = await world.add(mesh, await memberBy(mesh, first, { name: "b", serial: 2 }));
  const c = await world.add(mesh, await memberBy(mesh, first, { name: "c", serial: 3 }));
  await world.connect(b, a);
  await world.connect(c, a);
  return { world, mesh, first, a, b, c };
}

test("gateways that know one neighbour find all others, under 20 % loss", async () => {
  const { world, a, b, c } = await three("find", 20);
  await world.run(60_000);
  for (const g of [a, b, c]) expect(g.mesh.peers(world.now).map((p) => p.state)).toEqual(["up", "up"]);
});

test("a ping is answered", async () => {
  const { world, a, b } = await three("ping", 0);
  await world.run(5000);
  await world.feed(b, { type: "command", command: { type: "ping", peer: a.address, token: 7 } });
  await world.run(1000);
  expect(b.notices.some((n) => n.kind === "pong" && n.token === 7)).toBe(true);
});

test("keys change every two minutes and the session never breaks, under 20 % loss", async () => {
  const { world, a, b, c } = await three("rekey", 20);
  await world.run(1_300_000);
  for (const g of [a, b, c]) {
    expect(g.notices.filter((n) => n.kind === "sessionDown")).toEqual([]);
    for (const p of g.mesh.peers(world.now)) expect(p.rekeys).toBeGreaterThanOrEqual(9);
  }
}, 60_000);

test("replayed and flipped datagrams break nothing", async () => {
  const { world, a, b } = await three("replay", 0);
  world.wire = (d) => [d.payload, d.payload, d.payload.with(20, (d.payload[20] as number) ^ 1)];
  await world.run(30_000);
  expect(a.mesh.peers(world.now).map((p) => p.state)).toEqual(["up", "up"]);
  expect(b.meter.get("control.drop.replay")).toBeGreaterThan(0);
  expect(b.meter.get("control.drop.auth")).toBeGreaterThan(0);
});

test("a revocation reaches all and ends the sessions of who was revoked", async () => {
  const { world, mesh, first, a, b, c } = await three("revoke", 0);
  await world.run(30_000);
  const record = await revokeByMember(crypto, mesh, first, {
    scope: "node",
    lastSerial: undefined,
    target: c.id,
    reason: "lost",
  });
  await world.feed(a, { type: "command", command: { type: "revoke", record } });
  await world.run(30_000);
  for (const g of [a, b]) {
    expect(g.notices.some((n) => n.kind === "revoked" && n.name === "c")).toBe(true);
    expect(g.actions).toContainEqual({ type: "removePeer", peer: c.address });
    expect(g.mesh.peers(world.now)).toHaveLength(1);
  }
});

test("what is posted arrives in order and once, under 40 % loss, across a rekey", async () => {
  const { world, a, b } = await three("post", 40);
  await world.run(20_000);
  const sent = Array.from({ length: 30 }, (_, i) => new Uint8Array(10_000).fill(i));
  for (const data of sent) {
    await world.feed(a, { type: "command", command: { type: "post", peer: b.address, protocol: "test", data } });
    await world.run(6000);
  }
  await world.run(60_000);
  expect(a.mesh.peers(world.now).find((p) => p.name === "b")?.rekeys).toBeGreaterThan(0);
  const got = b.actions.flatMap((x) => (x.type === "message" ? [x] : []));
  expect(got.map((m) => m.peer)).toEqual(sent.map(() => a.address));
  expect(got.map((m) => m.data)).toEqual(sent);
});

test("what is posted to a gateway without a session comes back as undelivered", async () => {
  const { world, a } = await three("undelivered", 0);
  const data = new Uint8Array(1);
  await world.feed(a, { type: "command", command: { type: "post", peer: "fd00::1", protocol: "test", data } });
  expect(a.notices).toContainEqual({ kind: "undelivered", peer: "fd00::1", protocol: "test" });
});

test("who is revoked is told, and serves nobody any more", async () => {
  const { world, mesh, first, a, c } = await three("told", 0);
  await world.run(30_000);
  const claim = { scope: "node", lastSerial: undefined, target: c.id, reason: "lost" } as const;
  const record = await revokeByMember(crypto, mesh, first, claim);
  await world.feed(a, { type: "command", command: { type: "revoke", record } });
  await world.run(1000);
  expect(c.notices.some((n) => n.kind === "revoked" && n.name === "c")).toBe(true);
  expect(c.mesh.deadline()).toBeUndefined();
});

test("a member that hands out garbage is not listened to after a while, and costs nobody else anything", async () => {
  const { world, a, b, c } = await three("garbage", 0);
  await world.run(30_000);
  const roster = a.roster as Roster;
  const honest = roster.list();
  const garbage = Array.from({ length: 40 }, (_, i) => ({
    ...(honest[0] as Member),
    chain: new Uint8Array(500).fill(i),
  }));
  roster.list = () => [...honest, ...garbage];
  Object.defineProperty(roster, "revision", { value: 1_000_000 });
  await world.run(20_000);
  expect(b.meter.get("mesh.admit.refused")).toBe(16);
  expect(b.meter.get("gossip.drop.unasked")).toBe(24);
  for (const g of [b, c]) expect(g.mesh.peers(world.now).map((p) => p.state)).toEqual(["up", "up"]);
});
