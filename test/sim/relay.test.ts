import { expect } from "bun:test";
import { endpointKey } from "../../runtime/base/endpoint.ts";
import type { Gateway } from "./gateway.ts";
import { scenario } from "./scenario.ts";
import { states, three } from "./small.ts";

const viaOf = (from: Gateway, to: Gateway): string | undefined => from.peer(to)?.via;

scenario(
  "relay/wall",
  "who cannot be called is reached through a neighbour, and directly when it can",
  3,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 10 });
    world.network.split({ left: [b.endpoint.address], right: [c.endpoint.address] });
    await world.run(30_000);
    expect([viaOf(b, c), viaOf(c, b)]).toEqual([a.address, a.address]);
    for (const g of [a, b, c]) expect(states(g)).toEqual(["up", "up"]);
    world.load = { every: 100, bytes: 64 };
    await world.run(300_000); // across rekeys
    world.load = undefined;
    expect(b.peer(c)?.rekeys).toBeGreaterThan(0);
    expect(world.counts.unopened).toBe(0);
    for (const g of [a, b, c]) expect(g.notices.filter((n) => n.kind === "sessionDown")).toEqual([]);
    world.network.split({});
    await world.run(1_300_000);
    expect([viaOf(b, c), viaOf(c, b)]).toEqual([undefined, undefined]);
    expect(endpointKey(b.peer(c)?.endpoint ?? b.endpoint)).toBe(endpointKey(c.endpoint));
    expect(b.notices.filter((n) => n.kind === "sessionDown")).toEqual([]);
  },
);

scenario("relay/dies", "a way that ends is found again when its gateway is back", 3, async (sim) => {
  const { world, a, b, c } = await three(sim, { loss: 10 });
  world.network.split({ left: [b.endpoint.address], right: [c.endpoint.address] });
  await world.run(30_000);
  world.crash(a);
  await world.run(60_000);
  expect(states(b)).not.toContain("up");
  await world.start(a);
  await world.run(90_000);
  for (const g of [a, b, c]) expect(states(g)).toEqual(["up", "up"]);
  expect(viaOf(b, c)).toBe(a.address);
});

scenario("relay/dark", "the gateway between holds none of the keys of those it carries", 1, async (sim) => {
  const { world, a, b, c } = await three(sim);
  world.network.split({ left: [b.endpoint.address], right: [c.endpoint.address] });
  await world.run(30_000);
  const keysOf = (g: Gateway, peer: string): string[] =>
    g.actions.flatMap((x) =>
      x.type === "installSession" && x.peer === peer ? [x.session.sendKey.toHex(), x.session.receiveKey.toHex()] : [],
    );
  const theirs = keysOf(b, c.address);
  expect(theirs.length).toBeGreaterThan(0);
  expect(keysOf(c, b.address).some((key) => theirs.includes(key))).toBe(true);
  const between = [...keysOf(a, b.address), ...keysOf(a, c.address)];
  expect(between.filter((key) => theirs.includes(key))).toEqual([]);
});
