/** Who is whose neighbour, and what a world of such gateways has reached. */
import { randomBelow } from "../../runtime/base/random.ts";
import { seededRandom } from "../help/seeded.ts";
import type { Gateway } from "./gateway.ts";
import type { World } from "./world.ts";

/** The neighbours of each of `count` gateways, by index; neighbourhood is mutual, and everybody reaches everybody. */
export type Topology = (count: number, seed: string) => readonly ReadonlySet<number>[];

const none = (count: number): Set<number>[] => Array.from({ length: count }, () => new Set<number>());

function join(graph: readonly Set<number>[], a: number, b: number): void {
  if (a === b || b >= graph.length) return;
  graph[a]?.add(b);
  graph[b]?.add(a);
}

/** Each with its two nearest on both sides: four neighbours where there are at least five gateways. */
const ring: Topology = (count) => {
  const graph = none(count);
  for (let i = 0; i < count; i++) for (const step of [1, 2]) join(graph, i, (i + step) % count);
  return graph;
};

const line: Topology = (count) => {
  const graph = none(count);
  for (let i = 0; i + 1 < count; i++) join(graph, i, i + 1);
  return graph;
};

/** As square as it gets, filled row by row. */
const grid: Topology = (count) => {
  const graph = none(count);
  const width = Math.ceil(Math.sqrt(count));
  for (let i = 0; i < count; i++) {
    if ((i + 1) % width !== 0) join(graph, i, i + 1);
    join(graph, i, i + width);
  }
  return graph;
};

/** A line through all, and as many chords as there are gateways: about four neighbours each. */
const random: Topology = (count, seed) => {
  const graph = none(count);
  const draw = seededRandom(`${seed}/topology`);
  for (let i = 0; i + 1 < count; i++) join(graph, i, i + 1);
  for (let i = 0; i < count; i++) join(graph, i, randomBelow(draw, count));
  return graph;
};

/** Everybody with everybody, as gateways do by themselves. */
const full: Topology = (count) => {
  const graph = none(count);
  for (let i = 0; i < count; i++) for (let j = 0; j < i; j++) join(graph, i, j);
  return graph;
};

export const TOPOLOGIES = { ring, line, grid, random, full } as const satisfies Record<string, Topology>;
export type TopologyName = keyof typeof TOPOLOGIES;

export interface Settlement {
  readonly world: World;
  readonly topology: TopologyName;
  readonly count: number;
  /** Whose certificates are in the rosters at the start: gossip brings the rest. */
  readonly knows: "neighbours" | "all";
}

export interface Settled {
  readonly world: World;
  readonly neighbours: (gateway: Gateway) => readonly Gateway[];
}

/** Gateways that dial their neighbours only; each edge is dialled from one side at the start. */
export async function settle({ world, topology, count, knows }: Settlement): Promise<Settled> {
  const graph = TOPOLOGIES[topology](count, world.seed);
  const dialled = new Map<Gateway, Set<string>>();
  const gateways: Gateway[] = [];
  for (let i = 0; i < count; i++) {
    const wanted = new Set<string>();
    const gateway = await world.add(`g${i}`, { dials: (m) => wanted.has(m.name) });
    dialled.set(gateway, wanted);
    gateways.push(gateway);
  }
  const near = (i: number): Gateway[] => [...(graph[i] ?? [])].map((j) => gateways[j] as Gateway);
  for (const [i, gateway] of gateways.entries()) {
    for (const other of near(i)) dialled.get(gateway)?.add(other.label);
    const known = knows === "all" ? gateways : near(i);
    for (const other of known) await gateway.roster.admit(other.chain);
  }
  for (const [i, gateway] of gateways.entries())
    for (const other of near(i)) if (gateways.indexOf(other) > i) await world.connect(gateway, other);
  return { world, neighbours: (gateway) => near(gateways.indexOf(gateway)) };
}

/** How many of the wanted sessions are up, seen from both ends, and how many there are. */
export function sessions({ world, neighbours }: Settled): { readonly up: number; readonly wanted: number } {
  let [up, wanted] = [0, 0];
  for (const gateway of world.gateways) {
    const near = neighbours(gateway);
    wanted += near.length;
    const reached = new Set(gateway.peers().flatMap((p) => (p.state === "up" ? [p.address] : [])));
    up += near.filter((other) => reached.has(other.address)).length;
  }
  return { up, wanted };
}
