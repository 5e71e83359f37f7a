/** How long shortest paths take, from nothing and after one change, among gateways with eight neighbours each. */
import { Graph } from "../../runtime/mesh/routing/graph.ts";
import { NextHops } from "../../runtime/mesh/routing/next-hops.ts";
import { ShortestPaths } from "../../runtime/mesh/routing/shortest-paths.ts";
import { COSTS } from "../../runtime/mesh/routing/types.ts";
import { seededNumber } from "../../test/help/seeded.ts";
import { at, median } from "../rounds.ts";

const NONE: ReadonlyMap<number, boolean> = new Map();
const DEGREE = 8;

export interface SpfTimes {
  /** ms; one tree from nothing. */
  readonly full: number;
  /** ms; all that an event makes anew: our tree, those of our neighbours, primaries and backups. */
  readonly event: number;
  readonly eventP99: number;
  /** us; our tree alone. */
  readonly tree: number;
}

export function spfTimes(count: number): SpfTimes {
  const draw = seededNumber(`spf ${count}`);
  const below = (n: number): number => Math.floor(draw() * n);
  const cost = (): number => COSTS[1 + below(5)] as number;
  const graph = new Graph();
  const label = (n: number): string => (Math.imul(n + 1, 0x9e3779b1) >>> 0).toString(16).padStart(16, "0");
  for (let n = 0; n < count; n++) graph.add(label(n));
  const edges: (readonly [number, number])[] = [];
  for (let n = 0; n < count; n++)
    for (let i = 0; i < DEGREE / 2; i++) {
      const other = below(count);
      if (other === n || graph.cost(n, other) > 0) continue;
      graph.set(n, other, cost());
      edges.push([n, other]);
    }
  graph.takeChanges();
  const paths = new ShortestPaths(graph, 0);
  const hops = new NextHops(graph, 0);
  hops.update([], NONE, 0);
  const time = (run: () => void): number => {
    const began = performance.now();
    run();
    return performance.now() - began;
  };
  const full = Array.from({ length: 100 }, () => time(() => paths.compute()));
  const [trees, events]: [number[], number[]] = [[], []];
  for (let i = 0; i < 2000; i++) {
    const [a, b] = edges[below(edges.length)] as readonly [number, number];
    graph.set(a, b, graph.cost(a, b) > 0 && draw() < 0.5 ? 0 : cost());
    const changes = graph.takeChanges();
    trees.push(time(() => paths.update(changes)) * 1000);
    events.push(time(() => hops.update(changes, NONE, 0)));
  }
  const sorted = events.toSorted((x, y) => x - y);
  return { full: median(full), event: median(events), eventP99: at(sorted, 0.99), tree: median(trees) };
}
