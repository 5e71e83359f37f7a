import { expect, test } from "bun:test";
import { revokeByMember } from "../../runtime/identity/revocation.ts";
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
