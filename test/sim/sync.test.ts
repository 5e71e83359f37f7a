/** Records on whole gateways: over the mesh's own sessions and streams, with loss, splits and revocations. */
import { expect } from "bun:test";
import { minutes, seconds } from "../../runtime/base/time.ts";
import { revokeByMember } from "../../runtime/identity/revocation.ts";
import { type Sim, scenario } from "./scenario.ts";
import { alike, type Recorder, withRecords } from "./sync-gateway.ts";
import type { World } from "./world.ts";

async function meshOf(sim: Sim, count: number, loss: number): Promise<{ world: World; all: readonly Recorder[] }> {
  const world = await sim.world({ loss, provider: "stand-in", disks: false });
  for (let i = 0; i < count; i++) await world.add(`g${i}`);
  const [hub, ...others] = world.gateways;
  if (hub) for (const g of others) await world.connect(g, hub);
  const all = await withRecords(world);
  expect(await world.runUntil(() => all.every((r) => r.driver.neighbours.size >= 1), minutes(2))).toBe(true);
  return { world, all };
}

async function expectRead(all: readonly Recorder[], key: string, value: string): Promise<void> {
  for (const r of all) expect(await r.read(key)).toBe(value);
}

scenario("sync/all", "what anybody writes all read, at 10 % loss", 1, async (sim) => {
  const { world, all } = await meshOf(sim, 8, 10);
  for (const [i, r] of all.entries()) {
    await r.write(`topic ${i}`, `value ${i}`);
    await world.run(500);
  }
  expect(await world.runUntil(() => alike(all) && all[0]?.replica.size === 8, minutes(1))).toBe(true);
  for (let i = 0; i < 8; i++) await expectRead(all, `topic ${i}`, `value ${i}`);
});

scenario("sync/split", "halves that wrote apart are alike again, and each reads the other's", 1, async (sim) => {
  const { world, all } = await meshOf(sim, 6, 2);
  await all[0]?.write("before", "x");
  expect(await world.runUntil(() => alike(all) && all[0]?.replica.size === 1, minutes(1))).toBe(true);
  const at = (some: readonly Recorder[]): string[] => some.map((r) => r.gateway.endpoint.address);
  const [left, right] = [all.slice(0, 3), all.slice(3)];
  world.network.split({ left: at(left), right: at(right) });
  await world.run(minutes(2));
  for (const [i, r] of all.entries()) for (let k = 0; k < 20; k++) await r.write(`${i}/${k}`, "x".repeat(100));
  expect(await world.runUntil(() => alike(left) && alike(right) && left[0]?.replica.size === 61, minutes(1))).toBe(
    true,
  );
  expect(alike(all)).toBe(false);
  world.network.heal();
  expect(await world.runUntil(() => alike(all), minutes(5))).toBe(true);
  expect(all[0]?.replica.size).toBe(121);
  await expectRead(all, "0/19", "x".repeat(100));
  await expectRead(all, "5/19", "x".repeat(100));
});

scenario("sync/revoked", "who is revoked gets nothing more, and its records go", 1, async (sim) => {
  const { world, all } = await meshOf(sim, 5, 5);
  const [hub, evil, ...others] = all as [Recorder, Recorder, ...Recorder[]];
  await evil.write("evil", "x");
  await hub.write("before", "x");
  expect(await world.runUntil(() => alike(all) && hub.replica.size === 2, minutes(1))).toBe(true);
  const { issuer } = hub.gateway;
  const claim = { target: evil.gateway.id, scope: "node", lastSerial: undefined, reason: "lost" } as const;
  const record = await revokeByMember(world.provider.crypto, hub.gateway.roster.mesh, issuer.member, claim);
  await world.command(hub.gateway, { type: "revoke", record });
  await hub.write("after", "secret");
  const honest = [hub, ...others];
  expect(await world.runUntil(() => alike(honest) && hub.replica.size === 2, minutes(1))).toBe(true);
  await expectRead(honest, "after", "secret");
  await world.run(minutes(1));
  expect(await evil.read("after")).toBeUndefined();
  expect(await hub.read("evil")).toBeUndefined();
});

scenario("sync/idle", "nothing is posted while nothing changes, whatever is lost", 1, async (sim) => {
  const { world, all } = await meshOf(sim, 6, 5);
  for (const r of all) await r.write(`of ${r.gateway.label}`, "x");
  expect(await world.runUntil(() => alike(all) && all[0]?.replica.size === 6, minutes(1))).toBe(true);
  await world.run(minutes(1));
  const posted = (): number =>
    all.reduce((sum, r) => sum + r.gateway.meter.get("sync.sent.digest") + r.gateway.meter.get("sync.sent.epochs"), 0);
  const before = posted();
  await world.run(minutes(20));
  expect(posted()).toBe(before);
  await world.run(minutes(10) + seconds(1));
  expect(posted()).toBeGreaterThan(before); // whether all is well is asked once in a while
});
