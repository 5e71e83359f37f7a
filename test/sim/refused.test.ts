import { expect, test } from "bun:test";
import { revokeByMember } from "../../runtime/identity/revocation.ts";
import { createMesh, crypto, memberBy, memberByRoot } from "../unit/identity/world.ts";
import { type Gateway, World } from "./world.ts";

/** b was revoked at a while it was away, and nobody else can tell it. */
async function revokedWhileAway(seed: string) {
  const { mesh, roots } = await createMesh();
  const first = await memberByRoot(mesh, roots);
  const world = new World(seed);
  const a = await world.add(mesh, first);
  const b = await world.add(mesh, await memberBy(mesh, first));
  await world.connect(b, a);
  await world.run(5000);
  world.partitioned = () => true;
  await world.run(200_000);
  const claim = { scope: "node", lastSerial: undefined, target: b.id, reason: "lost" } as const;
  const record = await revokeByMember(crypto, mesh, first, claim);
  await world.feed(a, { type: "command", command: { type: "revoke", record } });
  world.partitioned = () => false;
  return { world, a, b };
}
const refusals = (g: Gateway) => g.notices.filter((n) => n.kind === "refused");

test("a revoked gateway learns of it from the first member it calls, and then calls seldom", async () => {
  const { world, a, b } = await revokedWhileAway("revoked");
  await world.run(120_000);
  expect(refusals(b)).toEqual([
    { kind: "refused", name: "a", code: "member/revoked", message: "this gateway was revoked" },
  ]);
  expect(a.mesh.peers(world.now)).toEqual([]);
  let sent = 0;
  world.wire = (d) => {
    sent++;
    return [d.payload];
  };
  for (let i = 0; i < 100; i++) {
    await world.feed(b, { type: "dataPlane", event: { type: "wanted", peer: a.address } });
    await world.run(1000);
  }
  expect(sent).toBe(0);
  await world.run(1_200_000);
  expect(refusals(b).length).toBeGreaterThanOrEqual(2);
  expect(refusals(b).length).toBeLessThanOrEqual(4);
});

test("a gateway whose certificate a neighbour has lost makes first contact and is back within seconds", async () => {
  const { mesh, roots } = await createMesh();
  const first = await memberByRoot(mesh, roots);
  const second = await memberBy(mesh, first);
  const world = new World("lost roster");
  const a = await world.add(mesh, first);
  const b = await world.add(mesh, second);
  await world.feed(b, { type: "command", command: { type: "admit", chain: first.chain.encoded } });
  await world.connect(b, a);
  await world.run(2000);
  for (const g of [a, b]) expect(g.mesh.peers(world.now).map((p) => p.state)).toEqual(["up"]);
  expect(b.mesh.peers(world.now)[0]?.pattern).toBe("first-contact");
});
