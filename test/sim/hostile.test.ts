import { expect, test } from "bun:test";
import { seededRandom } from "../help/seeded.ts";
import { createMesh, memberBy, memberByRoot } from "../unit/identity/world.ts";
import { World } from "./world.ts";

async function pair(seed: string) {
  const { mesh, roots } = await createMesh();
  const first = await memberByRoot(mesh, roots);
  const world = new World(seed);
  const a = await world.add(mesh, first);
  const b = await world.add(mesh, await memberBy(mesh, first));
  return { world, a, b };
}

test("a flood from spoofed sources makes no table grow, and a peer still gets its session", async () => {
  const { world, a, b } = await pair("flood");
  const seen: Uint8Array[] = [];
  world.wire = (d) => {
    seen.push(d.payload);
    return [d.payload];
  };
  await world.connect(b, a);
  const first = seen[0] as Uint8Array; // a true first fragment, without a cookie: the best that a spoofer can copy
  for (let i = 0; i < 20_000; i++) {
    const endpoint = { address: `198.51.${(i >> 8) & 255}.${i & 255}`, port: 1 + (i % 60_000) };
    await world.feed(a, { type: "datagrams", batch: [{ endpoint, payload: first }] });
  }
  expect(a.meter.get("handshake.cookie.demanded")).toBe(20_000);
  expect(a.mesh.load).toEqual({ reassembly: 0, initiators: 0, responder: 0, peers: 0 });
  await world.run(10_000);
  expect(a.mesh.peers(world.now).map((p) => p.state)).toEqual(["up"]);
});

test("random datagrams of every type are dropped and break no session", async () => {
  const { world, a, b } = await pair("garbage");
  await world.connect(b, a);
  await world.run(5000);
  const random = seededRandom("garbage");
  for (let i = 0; i < 3000; i++) {
    const payload = random(i % 300);
    if (payload.length > 0) payload[0] = i % 7;
    await world.feed(a, { type: "datagrams", batch: [{ endpoint: b.endpoint, payload }] });
  }
  expect(a.mesh.peers(world.now).map((p) => p.state)).toEqual(["up"]);
  expect(a.notices.filter((n) => n.kind === "sessionDown")).toEqual([]);
});

test("a partition shows as silent, then as down; when it heals the session comes back by itself", async () => {
  const { world, a, b } = await pair("partition");
  await world.connect(b, a);
  await world.run(5000);
  world.partitioned = () => true;
  await world.run(40_000);
  expect(a.mesh.peers(world.now)[0]?.state).toBe("silent");
  await world.run(200_000);
  expect(a.notices.some((n) => n.kind === "sessionDown")).toBe(true);
  world.partitioned = () => false;
  await world.run(120_000);
  for (const g of [a, b]) expect(g.mesh.peers(world.now)[0]?.state).toBe("up");
});

test("a gateway that moves is followed by its authenticated frames", async () => {
  const { world, a, b } = await pair("roam");
  await world.connect(b, a);
  await world.run(5000);
  b.endpoint = { address: "10.9.9.9", port: 4000 };
  await world.run(30_000);
  expect(a.mesh.peers(world.now)[0]?.endpoint).toEqual(b.endpoint);
  expect(a.actions).toContainEqual({ type: "setEndpoint", peer: b.address, endpoint: b.endpoint });
  expect(a.mesh.peers(world.now)[0]?.state).toBe("up");
});

test("a gateway that says goodbye is down at once", async () => {
  const { world, a, b } = await pair("leave");
  await world.connect(b, a);
  await world.run(5000);
  await world.feed(b, { type: "command", command: { type: "leave" } });
  world.partitioned = () => true;
  await world.run(1000);
  expect(a.notices.some((n) => n.kind === "sessionDown")).toBe(true);
});

test("the data path's events: a packet without session dials, a moved peer is followed, used-up keys are changed", async () => {
  const { world, a, b } = await pair("events");
  await world.connect(b, a);
  await world.run(5000);
  const before = a.mesh.peers(world.now)[0];
  const index = before?.localIndex as number;
  await world.feed(a, { type: "dataPlane", event: { type: "exhausted", localIndex: index } });
  await world.run(2000);
  expect(a.mesh.peers(world.now)[0]?.rekeys).toBe((before?.rekeys ?? 0) + 1);
  const localIndex = a.mesh.peers(world.now)[0]?.localIndex as number;
  const endpoint = { address: "10.7.7.7", port: 7 };
  await world.feed(a, { type: "dataPlane", event: { type: "moved", localIndex, endpoint } });
  expect(a.mesh.peers(world.now)[0]?.endpoint).toEqual(endpoint);
  await world.feed(a, { type: "dataPlane", event: { type: "wanted", peer: b.address } });
});
