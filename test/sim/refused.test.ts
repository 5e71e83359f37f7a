import { expect } from "bun:test";
import { revokeByMember } from "../../runtime/identity/revocation.ts";
import type { Gateway } from "./gateway.ts";
import { scenario } from "./scenario.ts";
import { pair, states } from "./small.ts";

const refusals = (g: Gateway) => g.notices.filter((n) => n.kind === "refused");

scenario(
  "refused/revoked",
  "who was revoked while away is told with the record by whom it calls, and calls nobody any more",
  2,
  async (sim) => {
    const { world, a, b } = await pair(sim);
    await world.run(5000);
    world.network.split({ here: [a.endpoint.address], away: [b.endpoint.address] });
    await world.run(200_000);
    const { crypto, member, roster } = a.issuer;
    const claim = { scope: "node", lastSerial: undefined, target: b.id, reason: "lost" } as const;
    await world.command(a, { type: "revoke", record: await revokeByMember(crypto, roster.mesh, member, claim) });
    world.network.heal();
    await world.run(120_000);
    expect(b.notices.filter((n) => n.kind === "revoked" || n.kind === "refused")).toEqual([
      { kind: "revoked", name: "b", peer: b.address },
    ]);
    expect([a.peers(), b.mesh.deadline()]).toEqual([[], undefined]);
    const before = world.network.counts.sent;
    await world.feed(b, { type: "dataPlane", event: { type: "wanted", peer: a.address } });
    await world.run(1_200_000);
    expect(world.network.counts.sent).toBe(before);
  },
);

scenario("refused/bare", "who is told without a record calls seldom", 2, async (sim) => {
  const { world, a, b } = await pair(sim);
  await world.run(5000);
  const { roster } = a;
  const identify = roster.identify.bind(roster);
  roster.identify = async (chain) => {
    const found = await identify(chain);
    return found && { ...found, record: undefined }; // as if it were too long to be sent
  };
  world.network.split({ here: [a.endpoint.address], away: [b.endpoint.address] });
  await world.run(200_000);
  const { crypto, member, roster: of } = a.issuer;
  const claim = { scope: "node", lastSerial: undefined, target: b.id, reason: "lost" } as const;
  await world.command(a, { type: "revoke", record: await revokeByMember(crypto, of.mesh, member, claim) });
  world.network.heal();
  await world.run(120_000);
  expect(refusals(b)).toEqual([
    { kind: "refused", name: "a", code: "member/revoked", message: "this gateway was revoked" },
  ]);
  const before = world.network.counts.sent;
  for (let i = 0; i < 100; i++) {
    await world.feed(b, { type: "dataPlane", event: { type: "wanted", peer: a.address } });
    await world.run(1000);
  }
  expect(world.network.counts.sent).toBe(before);
  await world.run(1_200_000);
  expect(refusals(b).length).toBeGreaterThanOrEqual(2);
  expect(refusals(b).length).toBeLessThanOrEqual(4);
});

scenario(
  "refused/lost-roster",
  "who was forgotten by a neighbour makes first contact and is back in seconds",
  2,
  async (sim) => {
    const world = await sim.world();
    const a = await world.add("a");
    const b = await world.add("b");
    await world.command(b, { type: "admit", chain: a.chain });
    await world.connect(b, a);
    await world.run(2000);
    expect([states(a), states(b)]).toEqual([["up"], ["up"]]);
    expect(b.peer(a)?.pattern).toBe("first-contact");
  },
);
