import { expect } from "bun:test";
import type { Gateway } from "./gateway.ts";
import { scenario } from "./scenario.ts";
import { breaks, states, three } from "./small.ts";
import type { World } from "./world.ts";

const SECOND = { a: { address: "10.2.0.1", port: 51_820 }, b: { address: "10.2.0.2", port: 51_820 } };

const endpointAt = (from: Gateway, to: Gateway): string | undefined => from.peer(to)?.endpoint?.address;
const handshakes = (g: Gateway): number => g.actions.filter((x) => x.type === "installSession").length;

/** The first wire between a and b is cut, the second, or both; c reaches everybody. */
function cut({ network }: World, a: Gateway, b: Gateway, which: "first" | "second" | "both" | "none"): void {
  const ends = (g: Gateway): string[] => g.sites.map(({ endpoint }) => endpoint.address);
  const only = (list: string[]): string[] =>
    which === "both" ? list : list.slice(...(which === "first" ? [0, 1] : [1]));
  network.split(which === "none" ? {} : { left: only(ends(a)), right: only(ends(b)) });
}

scenario("links/switch", "when a link dies the peer is reached over the other, under the same keys", 3, async (sim) => {
  const { world, a, b } = await three(sim, { loss: 5, links: true });
  await world.connectTo(a, SECOND.a);
  await world.connectTo(b, SECOND.b);
  await world.run(60_000);
  world.load = { every: 100, bytes: 64 };
  await world.run(10_000);
  const made = [a, b].map(handshakes);
  const first = a.sites[0]?.endpoint.address;
  for (const which of ["first", "second", "first"] as const) {
    cut(world, a, b, which);
    await world.run(10_000);
    const used = which === "first" ? SECOND.a.address : first;
    expect(endpointAt(b, a)).toBe(used);
    const before = world.counts.opened;
    await world.run(5000);
    expect(world.counts.opened - before).toBeGreaterThan(200); // of 300 in three pairs, both ways; 5 % are lost
    cut(world, a, b, "none");
    await world.run(10_000);
  }
  expect([a, b].map(handshakes)).toEqual(made);
  expect(world.counts.unopened).toBe(0);
  for (const g of [a, b]) expect([breaks(g), states(g)]).toEqual([[], ["up", "up"]]);
});

scenario(
  "links/none-left",
  "when all links are dead the session goes on through the mesh, and comes back",
  3,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 5, links: true });
    await world.connectTo(a, SECOND.a);
    await world.connectTo(b, SECOND.b);
    await world.run(60_000);
    world.load = { every: 100, bytes: 64 };
    await world.run(5000);
    cut(world, a, b, "both");
    await world.run(6000);
    const before = world.counts.opened;
    await world.run(5000);
    expect(world.counts.opened - before).toBeGreaterThan(200);
    await world.run(34_000);
    expect([a.peer(b)?.via, b.peer(a)?.via]).toEqual([c.address, c.address]);
    cut(world, a, b, "none");
    await world.run(5000); // it is sought again 25 s later only
    expect([a.peer(b)?.via, b.peer(a)?.via]).toEqual([undefined, undefined]);
    expect(world.counts.unopened).toBe(0);
    for (const g of [a, b]) expect(breaks(g)).toEqual([]);
  },
);

scenario(
  "links/only-one",
  "a neighbour whose only link comes back is spoken to there again, although no other link carries than before",
  3,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 5, links: true });
    await world.run(60_000);
    cut(world, a, b, "both");
    await world.run(45_000);
    expect([a.peer(b)?.via, b.peer(a)?.via]).toEqual([c.address, c.address]);
    cut(world, a, b, "none");
    await world.run(5000); // as above
    expect([a.peer(b)?.via, b.peer(a)?.via]).toEqual([undefined, undefined]);
    for (const g of [a, b]) expect(breaks(g)).toEqual([]);
  },
);

scenario(
  "links/upgrade",
  "who was reached through the mesh is reached directly without a handshake, once the wall is gone",
  3,
  async (sim) => {
    const { world, a, b, c } = await three(sim, { loss: 5, links: true });
    world.network.split({ left: [b.endpoint.address], right: [c.endpoint.address] });
    await world.run(60_000);
    expect(b.peer(c)?.via).toBe(a.address);
    const made = [b, c].map(handshakes);
    world.network.split({});
    await world.run(10_000);
    expect([b.peer(c)?.via, c.peer(b)?.via]).toEqual([undefined, undefined]);
    expect([b, c].map(handshakes)).toEqual(made);
  },
);

scenario(
  "links/place",
  "a gateway that moves where nobody expects it is found by the questions it asks",
  3,
  async (sim) => {
    const { world, a, b } = await three(sim, { loss: 5, links: true });
    await world.run(20_000);
    for (let n = 1; n <= 5; n++) {
      world.move(b, { address: `10.9.${n}.1`, port: 4000 + n });
      await world.run(20_000);
      expect(endpointAt(a, b)).toBe(`10.9.${n}.1`);
    }
    expect(breaks(a).concat(breaks(b))).toEqual([]);
  },
);
