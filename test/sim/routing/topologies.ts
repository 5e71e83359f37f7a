/** Who can be whose neighbour in a simulated mesh, how far they are apart and what their link costs. */
import { seededNumber } from "../../help/seeded.ts";

export interface Wire {
  readonly a: number;
  readonly b: number;
  /** One way, ms. */
  readonly delay: number;
  /** Cost class of the link, 1 to 7. */
  readonly value: number;
}

type Draw = () => number;
type Topology = (count: number, draw: Draw) => Wire[];

const near = (draw: Draw): number => 0.5 + 2 * draw();
const wire = (a: number, b: number, delay: number, value: number): Wire => ({ a, b, delay, value });

const line: Topology = (count, draw) =>
  Array.from({ length: Math.max(0, count - 1) }, (_, i) => wire(i, i + 1, near(draw), 1));

const ring: Topology = (count, draw) =>
  count < 3 ? line(count, draw) : [...line(count, draw), wire(count - 1, 0, 1, 1)];

/** As square as it gets, filled row by row. */
const grid: Topology = (count, draw) => {
  const width = Math.ceil(Math.sqrt(count));
  const out: Wire[] = [];
  for (let i = 0; i < count; i++) {
    if ((i + 1) % width !== 0 && i + 1 < count) out.push(wire(i, i + 1, near(draw), 1));
    if (i + width < count) out.push(wire(i, i + width, near(draw), 1));
  }
  return out;
};

/**
 * Gateways spread over a square, each with the eight nearest; delay and class by distance. A line through all from left to
 * right makes sure that everybody reaches everybody.
 */
const geometric: Topology = (count, draw) => {
  const places = Array.from({ length: count }, () => ({ x: draw(), y: draw() })).sort((p, q) => p.x - q.x);
  const distance = (i: number, j: number): number => {
    const [p, q] = [places[i], places[j]];
    return p && q ? Math.hypot(p.x - q.x, p.y - q.y) : Number.POSITIVE_INFINITY;
  };
  const seen = new Set<string>();
  const out: Wire[] = [];
  const add = (i: number, j: number): void => {
    const id = `${Math.min(i, j)}-${Math.max(i, j)}`;
    if (seen.has(id)) return;
    seen.add(id);
    const d = distance(i, j) * Math.sqrt(count); // 1: about as far as the nearest
    out.push(wire(i, j, 0.5 + 3 * d, Math.min(7, 1 + Math.floor(d))));
  };
  for (let i = 0; i < count; i++) {
    if (i + 1 < count) add(i, i + 1);
    const nearest = places.map((_, j) => j).filter((j) => j !== i);
    nearest.sort((p, q) => distance(i, p) - distance(i, q));
    for (const j of nearest.slice(0, 5)) add(i, j);
  }
  return out;
};

/** A twentieth are hubs in a ring with chords; every other is behind two of them over LTE. */
const hubs: Topology = (count, draw) => {
  const hubCount = Math.min(count, Math.max(2, Math.ceil(count / 20)));
  const out = ring(hubCount, draw);
  for (let i = 0; hubCount > 4 && i < hubCount; i++) {
    const j = (i + 2 + Math.floor(draw() * (hubCount - 4))) % hubCount;
    if (i < j && j - i > 1 && j - i < hubCount - 1) out.push(wire(i, j, 5, 2));
  }
  for (let i = hubCount; i < count; i++) {
    const first = Math.floor(draw() * hubCount);
    const second = (first + 1 + Math.floor(draw() * (hubCount - 1))) % hubCount;
    for (const hub of new Set([first, second])) out.push(wire(hub, i, 15 + 25 * draw(), 4));
  }
  return out;
};

/** One hub for all. */
const star: Topology = (count, draw) =>
  Array.from({ length: Math.max(0, count - 1) }, (_, i) => wire(0, i + 1, 15 + 25 * draw(), 4));

/** Everybody with everybody, as on one large network. */
const lan: Topology = (count) =>
  Array.from({ length: count }, (_, i) => Array.from({ length: i }, (_, j) => wire(j, i, 0.3, 1))).flat();

const TABLE = { line, ring, grid, geometric, hubs, star, lan } as const satisfies Record<string, Topology>;
export type TopologyName = keyof typeof TABLE;
export const TOPOLOGY_NAMES = Object.keys(TABLE) as TopologyName[];

export const wiresOf = (name: TopologyName, count: number, seed: string): readonly Wire[] =>
  TABLE[name](count, seededNumber(`${seed}/${name}`));
