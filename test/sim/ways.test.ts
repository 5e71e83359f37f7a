import { expect } from "bun:test";
import { FRAME, RelayHeader } from "../../runtime/mesh/frame.ts";
import type { Gateway } from "./gateway.ts";
import type { Packet } from "./network/packet.ts";
import { type Sim, scenario } from "./scenario.ts";
import { breaks, states } from "./small.ts";
import type { World } from "./world.ts";

type Wire = (packet: Packet) => boolean;

interface Chain {
  readonly world: World;
  readonly gateways: readonly Gateway[];
  /** Nothing passes between these two any more. */
  cut(a: number, b: number): void;
  mend(a: number, b: number): void;
  /** What else is to be lost. */
  lose(wire: Wire): void;
}

/** Gateways that can reach the one before and the one after only; in a ring the last reaches the first. */
async function chainOf(sim: Sim, count: number, isRing: boolean): Promise<Chain> {
  const world = await sim.world({ loss: 2 });
  const gateways: Gateway[] = [];
  for (let i = 0; i < count; i++) gateways.push(await world.add(`g${i}`));
  const wires = new Set<string>();
  const pair = (a: number, b: number): string[] => [`${at(a)} ${at(b)}`, `${at(b)} ${at(a)}`];
  const at = (i: number): string => (gateways[i] as Gateway).endpoint.address;
  const mend = (a: number, b: number): void => {
    for (const wire of pair(a, b)) wires.add(wire);
  };
  const cut = (a: number, b: number): void => {
    for (const wire of pair(a, b)) wires.delete(wire);
  };
  let lost: Wire = () => false;
  world.wire = (packet) => (wires.has(`${packet.from.address} ${packet.to.address}`) && !lost(packet) ? [packet] : []);
  for (let i = 0; i < (isRing ? count : count - 1); i++) {
    mend(i, (i + 1) % count);
    await world.connect(gateways[i] as Gateway, gateways[(i + 1) % count] as Gateway);
  }
  const lose = (wire: Wire): void => {
    lost = wire;
  };
  return { world, gateways, cut, mend, lose };
}

const allUp = (gateways: readonly Gateway[]): boolean =>
  gateways.every((g) => states(g).length === gateways.length - 1 && states(g).every((s) => s === "up"));

scenario("ways/line", "the ends of a line of six gateways talk over the four between", 2, async (sim) => {
  const { world, gateways } = await chainOf(sim, 6, false);
  expect(await world.runUntil(() => allUp(gateways), 120_000)).toBe(true);
  const [first, last] = [gateways[0] as Gateway, gateways[5] as Gateway];
  expect(first.peer(last)?.via).toBe((gateways[1] as Gateway).address);
  expect(first.mesh.wayTo(last.address)?.hops).toEqual(gateways.slice(1).map((g) => g.address));
  const before = world.counts.opened;
  world.load = { every: 100, bytes: 200 };
  await world.run(10_000);
  expect(world.counts.opened - before).toBeGreaterThan(0.8 * 30 * 100); // 2 % are lost on each hop
  expect(world.counts.unopened).toBe(0);
});

scenario("ways/ring", "a ring that is cut somewhere is a line, and a ring again when it is mended", 2, async (sim) => {
  const { world, gateways, cut, mend } = await chainOf(sim, 5, true);
  expect(await world.runUntil(() => allUp(gateways), 120_000)).toBe(true);
  const [a, b] = [gateways[0] as Gateway, gateways[1] as Gateway];
  cut(0, 1);
  expect(await world.runUntil(() => a.mesh.wayTo(b.address)?.hops.length === 4, 60_000)).toBe(true);
  expect(await world.runUntil(() => a.peer(b)?.via === (gateways[4] as Gateway).address, 60_000)).toBe(true);
  for (const g of gateways) expect(breaks(g)).toEqual([]);
  mend(0, 1);
  const isDirect = (): boolean => a.peer(b)?.via === undefined && b.peer(a)?.via === undefined;
  expect(await world.runUntil(isDirect, 660_000)).toBe(true);
  expect(await world.runUntil(() => a.mesh.wayTo(b.address)?.hops.length === 1, 60_000)).toBe(true);
});

scenario("ways/black-hole", "a gateway that swallows what it should relay is got around", 6, async (sim) => {
  const { world, gateways, lose } = await chainOf(sim, 5, true);
  expect(await world.runUntil(() => allUp(gateways), 120_000)).toBe(true);
  const [from, hole, to] = [0, 1, 2].map((i) => gateways[i] as Gateway) as [Gateway, Gateway, Gateway];
  expect(from.peer(to)?.via).toBe(hole.address);
  lose(({ from: sender, payload }) => sender.address === hole.endpoint.address && payload[0] === FRAME.relay);
  const [there, back] = [gateways[4] as Gateway, gateways[3] as Gateway];
  const isAround = (): boolean => from.peer(to)?.via === there.address && to.peer(from)?.via === back.address;
  expect(await world.runUntil(isAround, 60_000)).toBe(true);
  for (let token = 1; token <= 5; token++) await world.command(from, { type: "ping", peer: to.address, token });
  await world.run(2000);
  expect(from.notices.some((n) => n.kind === "pong")).toBe(true);
  await world.run(60_000);
  expect(isAround()).toBe(true);
  expect(breaks(from)).toEqual([]);
});

scenario("ways/black-hole-idle", "it is got around as soon as something is to be sent", 3, async (sim) => {
  const { world, gateways, lose } = await chainOf(sim, 5, true);
  expect(await world.runUntil(() => allUp(gateways), 120_000)).toBe(true);
  await world.run(150_000);
  const [from, hole, to] = [0, 1, 2].map((i) => gateways[i] as Gateway) as [Gateway, Gateway, Gateway];
  expect(from.peer(to)?.via).toBe(hole.address);
  lose(({ from: sender, payload }) => sender.address === hole.endpoint.address && payload[0] === FRAME.relay);
  await world.run(30_000);
  world.load = { every: 100, bytes: 200 };
  const isAround = (): boolean => [from.peer(to)?.via, to.peer(from)?.via].every((via) => via !== hole.address);
  expect(await world.runUntil(isAround, 20_000)).toBe(true);
  expect(from.peer(to)?.via).toBe((gateways[4] as Gateway).address);
  expect(breaks(from)).toEqual([]);
});

scenario("ways/stands-still", "one that others can take over from is known to take nothing", 3, async (sim) => {
  const { world, gateways, lose } = await chainOf(sim, 3, false);
  expect(await world.runUntil(() => allUp(gateways), 120_000)).toBe(true);
  const [from, , to] = gateways as [Gateway, Gateway, Gateway];
  await world.command(from, { type: "attend", peers: new Set([to.address]) });
  world.load = { every: 100, bytes: 200 };
  let accidents = 0;
  await world.runUntil(() => {
    if (from.mesh.standsStill(to.address)) accidents++;
    return false;
  }, 60_000);
  expect(accidents).toBe(0); // 2 % are lost on each hop
  lose((packet) => packet.to.address === to.endpoint.address && packet.payload[0] === FRAME.relay);
  expect(await world.runUntil(() => from.mesh.standsStill(to.address), 5000)).toBe(true);
  lose(() => false);
  expect(await world.runUntil(() => !from.mesh.standsStill(to.address), 60_000)).toBe(true);
  expect(breaks(from)).toEqual([]);
});

const isHandshake = ({ payload }: Packet): boolean => payload[0] === FRAME.handshake;
const isRelayedHandshake = ({ payload }: Packet): boolean =>
  payload[0] === FRAME.relay && payload[RelayHeader.size] === FRAME.handshake;

scenario(
  "ways/rekey",
  "a neighbour whose keys were changed through the mesh is relayed to as before",
  2,
  async (sim) => {
    const { world, gateways, cut, lose } = await chainOf(sim, 3, true);
    expect(await world.runUntil(() => allUp(gateways), 120_000)).toBe(true);
    await world.run(20_000); // so that other ways are known
    const [from, relay, to] = gateways as [Gateway, Gateway, Gateway];
    for (const [a, b] of [
      [relay, to],
      [to, relay],
    ] as const) {
      const rekeys = a.peer(b)?.rekeys ?? 0;
      lose(isHandshake); // over the underlay none comes through
      await world.command(a, { type: "rekey", peer: b.address });
      await world.run(5000);
      await world.command(a, { type: "rekey", peer: b.address }); // it is the mesh's turn
      expect(await world.runUntil(() => (a.peer(b)?.rekeys ?? 0) > rekeys, 10_000)).toBe(true);
      lose(() => false);
      expect([a.peer(b)?.via, b.peer(a)?.via]).toEqual([undefined, undefined]);
    }
    cut(0, 2);
    expect(await world.runUntil(() => from.peer(to)?.via === relay.address, 60_000)).toBe(true);
    await world.command(from, { type: "post", peer: to.address, protocol: "test", data: Uint8Array.of(1) });
    const isThere = (): boolean => to.actions.some((a) => a.type === "message" && a.peer === from.address);
    expect(await world.runUntil(isThere, 10_000)).toBe(true);
  },
);

scenario("ways/rekey-after", "who answers again after a silence is called where it answers", 3, async (sim) => {
  const { world, gateways, cut, mend, lose } = await chainOf(sim, 3, true);
  expect(await world.runUntil(() => allUp(gateways), 120_000)).toBe(true);
  const [a, b, c] = gateways as [Gateway, Gateway, Gateway];
  for (const other of [0, 2]) cut(1, other);
  await world.run(98_000); // it has been called five times, and would be called through the mesh next
  expect([states(b), states(a)]).toEqual([
    ["silent", "silent"],
    ["silent", "up"],
  ]);
  for (const other of [0, 2]) mend(1, other);
  expect(await world.runUntil(() => allUp(gateways), 60_000)).toBe(true);
  await world.run(20_000);
  for (const g of [a, b, c]) expect(breaks(g)).toEqual([]);
  let relayed = 0;
  lose((packet) => {
    if (isRelayedHandshake(packet)) relayed++;
    return false;
  });
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const rekeys = from.peer(to)?.rekeys ?? 0;
    await world.command(from, { type: "rekey", peer: to.address });
    expect(await world.runUntil(() => (from.peer(to)?.rekeys ?? 0) > rekeys, 60_000)).toBe(true);
  }
  expect(relayed).toBe(0);
});
