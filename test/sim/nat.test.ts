import { expect } from "bun:test";
import { type Endpoint, endpointKey } from "../../runtime/base/endpoint.ts";
import type { Gateway } from "./gateway.ts";
import { NAT, Nat, type NatName } from "./network/nat.ts";
import { type Sim, scenario } from "./scenario.ts";
import { breaks, states } from "./small.ts";
import { PORT, type World } from "./world.ts";

const INSIDE: Endpoint = { address: "192.168.0.2", port: PORT };

/** A gateway behind a box of its own. */
async function behind(world: World, label: string, box: Nat): Promise<Gateway> {
  return await world.addJoiner(label, { endpoint: INSIDE, nat: box });
}

/** A public gateway `a`, and `b` that joined it from behind a box. */
async function joined(sim: Sim, kind: NatName, timeout?: number) {
  const world = await sim.world({ loss: 10 });
  const a = await world.add("a");
  const box = new Nat(NAT[kind], "192.0.2.1", timeout);
  const b = await behind(world, "b", box);
  await world.join(b, world.invite(a), "b");
  await world.run(10_000);
  a.notices.length = 0; // the joining process has left, and the daemon has come
  return { world, a, b, box };
}

/** Answers to `count` pings at odd moments. */
async function answered(world: World, from: Gateway, to: Gateway, count: number): Promise<number> {
  for (let token = 1; token <= count; token++) {
    await world.command(from, { type: "ping", peer: to.address, token });
    await world.run(7300);
  }
  return from.notices.filter((n) => n.kind === "pong").length;
}

for (const kind of Object.keys(NAT) as NatName[]) {
  scenario(`nat/${kind}`, `from behind a ${kind} box one joins and stays reachable`, 2, async (sim) => {
    const { world, a, b } = await joined(sim, kind);
    expect([states(a), states(b)]).toEqual([["up"], ["up"]]);
    const mapped = a.peer(b)?.endpoint;
    expect(mapped?.address).toBe("192.0.2.1");
    expect(await answered(world, a, b, 100)).toBeGreaterThan(70); // two losses of 10 % each are on the way
    expect(a.peer(b)?.endpoint).toEqual(mapped); // the mapping was never let go
    expect(breaks(a).concat(breaks(b))).toEqual([]);
  });

  scenario(
    `nat/${kind}-restart`,
    `a ${kind} box that loses its mappings is followed to the new one`,
    2,
    async (sim) => {
      const { world, a, b, box } = await joined(sim, kind);
      const before = a.peer(b)?.endpoint;
      box.restart();
      await world.run(25_000);
      const after = a.peer(b)?.endpoint;
      expect(after?.address).toBe("192.0.2.1");
      expect(after).not.toEqual(before);
      expect([states(a), states(b)]).toEqual([["up"], ["up"]]);
      expect(await answered(world, a, b, 10)).toBeGreaterThan(5);
      expect(breaks(a).concat(breaks(b))).toEqual([]);
    },
  );
}

scenario(
  "nat/short",
  "a mapping that ends before the next keepalive breaks no session: each new one is followed",
  2,
  async (sim) => {
    const { world, a, b } = await joined(sim, "port-restricted", 3000);
    const seen = new Set<number>();
    for (let i = 0; i < 120; i++) {
      await world.run(5000);
      seen.add(a.peer(b)?.endpoint?.port ?? 0);
    }
    expect(seen.size).toBeGreaterThan(10);
    expect(breaks(a).concat(breaks(b))).toEqual([]);
  },
);

for (const kind of Object.keys(NAT) as NatName[]) {
  scenario(
    `nat/${kind}-seen`,
    `a gateway behind a ${kind} box learns from its peers where it is seen`,
    2,
    async (sim) => {
      const { world, a, b } = await joined(sim, kind);
      const c = await world.add("c");
      await c.roster.admit(a.chain);
      await world.connect(c, a);
      await world.run(20_000);
      const { own, nat } = b.mesh.reachability(b.now);
      const outer = [a, c].map((g) => endpointKey(g.peer(b)?.endpoint ?? g.endpoint));
      expect(nat).toEqual([
        {
          family: "IPv4",
          kind: kind === "symmetric" ? "varying" : "independent",
          outer: [...new Set(outer)].sort(),
          observers: 2,
        },
      ]);
      expect(own[0]).toBe(endpointKey(INSIDE));
      expect(outer).toContain(own[1] ?? "");
      expect(own).toHaveLength(2);
      expect(a.mesh.reachability(a.now).nat).toMatchObject([{ kind: "none", observers: 2 }]);
    },
  );
}

/** Boxes behind which two gateways find no direct way: the one's new port for the other is what the other's box refuses. */
const APART: readonly (readonly [NatName, NatName])[] = [
  ["port-restricted", "symmetric"],
  ["symmetric", "symmetric"],
];
const NAMES = Object.keys(NAT) as NatName[];

for (const [i, one] of NAMES.entries())
  for (const two of NAMES.slice(i)) {
    const direct = !APART.some(([x, y]) => x === one && y === two);
    const says = `behind a ${one} and a ${two} box two gateways meet ${direct ? "directly" : "through a public one"}`;
    scenario(`nat/${one}-${two}`, says, 2, async (sim) => {
      const world = await sim.world({ loss: 5 });
      const a = await world.add("a");
      const [b, c] = [
        await behind(world, "b", new Nat(NAT[one], "192.0.2.1")),
        await behind(world, "c", new Nat(NAT[two], "192.0.2.2")),
      ];
      for (const g of [b, c]) await world.join(g, world.invite(a), g.label);
      await world.run(60_000);
      for (const g of [a, b, c]) expect(states(g)).toEqual(["up", "up"]);
      const via = direct ? undefined : a.address;
      expect([b.peer(c)?.via, c.peer(b)?.via]).toEqual([via, via]);
    });
  }

scenario(
  "nat/meet",
  "two whose boxes could open only to each other at once go on through the mesh, and directly when their ways are clear",
  3,
  async (sim) => {
    const world = await sim.world({ loss: 5 });
    const a = await world.add("a");
    const [b, c] = [
      await behind(world, "b", new Nat(NAT["port-restricted"], "192.0.2.1")),
      await behind(world, "c", new Nat(NAT["port-restricted"], "192.0.2.2")),
    ];
    world.network.split({ left: ["192.0.2.1"], right: ["192.0.2.2"] });
    for (const g of [b, c]) await world.join(g, world.invite(a), g.label);
    await world.run(3_600_000);
    expect([b.peer(c)?.via, c.peer(b)?.via]).toEqual([a.address, a.address]);
    world.network.heal();
    await world.run(720_000); // pauses have grown to ten minutes by now
    expect([b.peer(c)?.via, c.peer(b)?.via]).toEqual([undefined, undefined]);
    expect(breaks(b).concat(breaks(c))).toEqual([]);
  },
);
