/** What a simulated mesh of so many gateways costs: the shipped routing, stand-in signatures of full size, everybody with some eight neighbours. */
import { heapStats } from "bun:jsc";
import { seconds } from "../../runtime/base/time.ts";
import { isSound, judge } from "../../test/sim/routing/invariants.ts";
import { wiresOf } from "../../test/sim/routing/topologies.ts";
import { RoutingWorld, type SimNode } from "../../test/sim/routing/world.ts";
import { median } from "../rounds.ts";

export interface MeshFigures {
  /** ms from the death of a link, detection by its ends (10 to 30 ms) included, to the last route anywhere. */
  readonly convergence: number;
  readonly convergenceMost: number;
  /** Sent per gateway: a link dies; and the whole of it, until it is up again. */
  readonly linkBytes: number;
  readonly flapBytes: number;
  /** A third of the mesh parts and comes back. */
  readonly partitionBytes: number;
  /** Sent per gateway when one joins that nobody has met before; what that one is sent; ms until it has all routes. */
  readonly joinBytes: number;
  readonly coldBytes: number;
  readonly coldTime: number;
  /** Sent per gateway and second while nothing happens. */
  readonly idle: number;
  /** ms of CPU per gateway and link failure. */
  readonly cpu: number;
  /** MB of a gateway alone that knows all lists. */
  readonly memory: number;
}

const FAILURES = 15;

export async function meshFigures(count: number): Promise<MeshFigures> {
  const seed = `scale ${count}`;
  const world = new RoutingWorld({ seed, count, wires: wiresOf("geometric", count, seed) });
  const sent = (): number => world.nodes.reduce((sum, n) => sum + n.sent.bytes, 0) / count;
  const pick = <T>(items: readonly T[]): T => items[Math.floor(world.draw() * items.length)] as T;
  const joiner = pick(world.nodes);
  await world.startSettled(joiner);
  let before = sent();
  const idleFrom = world.now;
  await world.run(seconds(60));
  const idle = (sent() - before) / ((world.now - idleFrom) / 1000);

  before = sent();
  let coldBytes = 0;
  for (const n of joiner.links.keys()) {
    const node = world.node(n);
    node.tamper = (to, data) => {
      if (to === joiner) coldBytes += data.length;
      return [data];
    };
  }
  const joined = world.now;
  await world.restart(joiner);
  const done = (): boolean => joiner.primary.every((hop, n) => hop >= 0 || n === joiner.index);
  while (!done() && world.now < joined + 60_000) await world.run(50);
  const coldTime = world.now - joined;
  await world.run(seconds(10));
  const joinBytes = sent() - before;
  sound(world, "after a join");

  const times: number[] = [];
  const link: number[] = [];
  const flap: number[] = [];
  const cpu: number[] = [];
  for (let i = 0; i < FAILURES; i++) {
    const dying = pick(world.links);
    before = sent();
    const [from, used] = [world.now, process.cpuUsage()];
    world.cut(dying);
    await world.run(seconds(2));
    const { user, system } = process.cpuUsage(used);
    cpu.push((user + system) / 1000 / count);
    times.push(world.lastRoute - from);
    link.push(sent() - before);
    await world.raise(dying);
    await world.run(seconds(5));
    flap.push(sent() - before);
  }
  sound(world, "after link failures");

  before = sent();
  const inside = new Set(region(world, Math.ceil(count / 3)).map((n) => n.index));
  const between = world.links.filter((l) => inside.has(l.a) !== inside.has(l.b));
  for (const l of between) world.cut(l);
  await world.run(seconds(10));
  for (const l of between) await world.raise(l);
  await world.run(seconds(10));
  const partitionBytes = sent() - before;
  sound(world, "after a partition");

  return {
    convergence: median(times),
    convergenceMost: Math.max(...times),
    linkBytes: median(link),
    flapBytes: median(flap),
    partitionBytes,
    joinBytes,
    coldBytes,
    coldTime,
    idle,
    cpu: median(cpu),
    memory: await memoryOf(world),
  };
}

function sound(world: RoutingWorld, when: string): void {
  const judgement = judge(world, world.nodes.slice(0, 20));
  if (!isSound(judgement)) throw new Error(`${when} routes are wrong: ${judgement.examples.join("; ")}`);
}

function region(world: RoutingWorld, count: number): SimNode[] {
  const found = [world.node(0)];
  for (let i = 0; i < found.length && found.length < count; i++)
    for (const n of (found[i] as SimNode).links.keys())
      if (found.length < count && !found.includes(world.node(n))) found.push(world.node(n));
  return found;
}

/** A gateway more that shares nothing with the others. */
async function memoryOf(world: RoutingWorld): Promise<number> {
  const lists = world.node(0).routing.lists();
  const heap = (): number => {
    Bun.gc(true);
    const { heapSize, extraMemorySize } = heapStats();
    return heapSize + extraMemorySize;
  };
  const before = heap();
  const alone = await world.alone(lists);
  const after = heap();
  if (alone.load.lists !== lists.length) throw new Error("the gateway alone does not know all");
  return (after - before) / 1e6;
}
