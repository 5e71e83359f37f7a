import { expect } from "bun:test";
import { CLOSE_ENOUGH } from "../../runtime/mesh/pmtu.ts";
import type { Gateway } from "./gateway.ts";
import { chain, delay, loss, narrow } from "./network/link.ts";
import { scenario } from "./scenario.ts";
import { breaks, pair, states, three } from "./small.ts";
import { TRICKLE } from "./world.ts";

const mtuOf = (from: Gateway, to: Gateway): number | undefined => from.peer(to)?.pathMtu;
const LARGEST = 1388; // inner bytes, by default

scenario("path/narrow", "a path that drops what is too large is found out, in both directions", 3, async (sim) => {
  const { world, a, b } = await pair(sim);
  world.network.kind = chain(loss(5), narrow(1400), delay(20, 10));
  await world.run(60_000);
  for (const mtu of [mtuOf(a, b), mtuOf(b, a)]) {
    expect(mtu).toBeLessThanOrEqual(1400);
    expect(1400 - (mtu ?? 0)).toBeLessThan(100); // a lost probe costs precision until the next raise
  }
});

scenario("path/shrinks", "a path that becomes narrow swallows packets for half a minute at most", 2, async (sim) => {
  const { world, a, b } = await pair(sim);
  await world.run(10_000);
  expect([mtuOf(a, b), mtuOf(b, a)]).toEqual([1500, 1500]);
  world.load = TRICKLE;
  world.network.kind = chain(narrow(1300), delay(20));
  await world.run(90_000);
  expect(1300 - (mtuOf(a, b) ?? 0)).toBeLessThan(CLOSE_ENOUGH);
  const lost = world.network.counts.lost;
  world.load = { every: 50, bytes: LARGEST };
  await world.run(10_000); // no probe of a larger size is due
  world.load = TRICKLE;
  expect(world.network.counts.lost).toBe(lost);
  expect(breaks(a)).toEqual([]);
  world.network.kind = delay(20);
  await world.run(660_000);
  expect([mtuOf(a, b), mtuOf(b, a)]).toEqual([1500, 1500]);
});

scenario("path/relayed", "through a relay everything fits the smallest packet of IPv6", 2, async (sim) => {
  const { world, a, b, c } = await three(sim);
  world.network.kind = chain(narrow(1280), delay(20));
  world.network.split({ left: [b.endpoint.address], right: [c.endpoint.address] });
  await world.run(60_000);
  for (const g of [a, b, c]) expect(states(g)).toEqual(["up", "up"]);
  expect(b.peer(c)?.via).toBe(a.address);
  const opened = world.counts.opened;
  world.load = { every: 50, bytes: LARGEST };
  await world.run(10_000);
  world.load = undefined;
  await world.run(1000);
  expect(world.counts.opened - opened).toBeGreaterThanOrEqual(2 * 6 * 199); // two frames a packet, each to both others
});
