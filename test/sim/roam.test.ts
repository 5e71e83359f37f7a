import { expect } from "bun:test";
import { chain, delay, reorder } from "./network/link.ts";
import { NAT, Nat } from "./network/nat.ts";
import { scenario } from "./scenario.ts";
import { breaks, pair, states, three } from "./small.ts";
import { PORT } from "./world.ts";

const place = (n: number) => ({ address: `10.9.9.${n}`, port: 4000 + n });

scenario("roam/idle", "a gateway that moves is followed by its authenticated frames", 3, async (sim) => {
  const { world, a, b, c } = await three(sim, { loss: 10 });
  await world.run(20_000);
  world.move(b, place(1));
  await world.run(60_000);
  for (const g of [a, c]) {
    expect(g.peer(b)?.endpoint).toEqual(place(1));
    expect(g.actions).toContainEqual({ type: "setEndpoint", peer: b.address, endpoint: place(1) });
  }
  for (const g of [a, b, c]) {
    expect(states(g)).toEqual(["up", "up"]);
    expect(breaks(g)).toEqual([]);
  }
});

scenario("roam/stragglers", "frames from the old place that come late do not move it back", 3, async (sim) => {
  const { world, a, b } = await pair(sim);
  await world.run(5000);
  world.network.kind = chain(reorder(50, 1500), delay(10));
  const ping = async (token: number): Promise<void> => {
    await world.command(b, { type: "ping", peer: a.address, token });
    world.at(world.now + 20, () => ping(token + 1));
  };
  await ping(1);
  await world.run(3000);
  world.move(b, place(1));
  const seen: number[] = [];
  for (let i = 0; i < 300; i++) {
    await world.run(10);
    seen.push(a.peer(b)?.endpoint?.port ?? 0);
  }
  const moved = seen.indexOf(place(1).port);
  expect(moved).toBeGreaterThan(0);
  expect(new Set(seen.slice(moved))).toEqual(new Set([place(1).port]));
});

scenario(
  "roam/load",
  "a gateway that moves under load is followed within a second, and data flows both ways",
  3,
  async (sim) => {
    const { world, a, b } = await pair(sim, { loss: 10 });
    world.load = { every: 50, bytes: 200 };
    await world.run(10_000);
    for (let n = 1; n <= 20; n++) {
      world.move(b, place(n));
      await world.run(1000);
      expect(a.peer(b)?.endpoint).toEqual(place(n));
      const before = world.counts.opened;
      await world.run(2000);
      expect(world.counts.opened - before).toBeGreaterThan(50); // 80 are sent, both ways
    }
    expect(world.counts.unopened).toBe(0);
    expect(breaks(a).concat(breaks(b))).toEqual([]);
  },
);

scenario("roam/mid-handshake", "a gateway that moves while it shakes hands gets its session", 5, async (sim) => {
  const { world, a, b } = await pair(sim, { loss: 10 });
  for (let n = 1; n <= 8; n++) {
    await world.run(15);
    world.move(b, place(n));
  }
  await world.run(60_000);
  expect([states(a), states(b)]).toEqual([["up"], ["up"]]);
  expect(a.peer(b)?.endpoint).toEqual(place(8));
});

scenario(
  "roam/behind-nat",
  "a gateway that goes from the open to behind a box and back is followed",
  3,
  async (sim) => {
    const { world, a, b } = await pair(sim, { loss: 10 });
    await world.run(5000);
    const home = b.endpoint;
    world.move(b, { address: "192.168.7.7", port: PORT }, new Nat(NAT.symmetric, "192.0.2.1"));
    await world.run(30_000);
    expect(a.peer(b)?.endpoint?.address).toBe("192.0.2.1");
    expect([states(a), states(b)]).toEqual([["up"], ["up"]]);
    world.move(b, home);
    await world.run(30_000);
    expect(a.peer(b)?.endpoint).toEqual(home);
    expect(breaks(a).concat(breaks(b))).toEqual([]);
  },
);
