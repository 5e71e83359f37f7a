/** Shortest paths and next hops, step by step against from nothing, and against the plainest algorithm there is. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Graph } from "../../../runtime/mesh/routing/graph.ts";
import { NextHops } from "../../../runtime/mesh/routing/next-hops.ts";
import { FAR, ShortestPaths } from "../../../runtime/mesh/routing/shortest-paths.ts";
import { COSTS } from "../../../runtime/mesh/routing/types.ts";
import { labelOf } from "./pair.ts";

const SIZE = 14;
const gateway = fc.nat(SIZE - 1);
const change = fc.record({ a: gateway, b: gateway, value: fc.integer({ min: 0, max: 4 }) });
/** Changes that come at once, one batch after the other. */
const history = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 25 });
type Batch = readonly { readonly a: number; readonly b: number; readonly value: number }[];

function graphOf(order: readonly number[]): Graph {
  const graph = new Graph();
  for (const n of order) graph.add(labelOf(`${n}`));
  return graph;
}

const IN_ORDER = Array.from({ length: SIZE }, (_, n) => n);

function apply(graph: Graph, batch: Batch): void {
  for (const { a, b, value } of batch) {
    if (a === b) continue;
    const [x, y] = [graph.numberOf(labelOf(`${a}`)), graph.numberOf(labelOf(`${b}`))];
    graph.set(x as number, y as number, COSTS[value] as number);
  }
}

/** Bellman and Ford's. */
function distancesOf(graph: Graph, root: number): number[] {
  const out = new Array<number>(graph.size).fill(FAR);
  out[root] = 0;
  for (let round = 0; round < graph.size; round++)
    for (let n = 0; n < graph.size; n++)
      for (const m of graph.neighboursOf(n))
        out[m] = Math.min(out[m] as number, Math.min(FAR, (out[n] as number) + graph.cost(n, m)));
  return out;
}

const hopsOf = (graph: Graph, hops: NextHops): string[] =>
  IN_ORDER.map((n) => {
    const d = graph.numberOf(labelOf(`${n}`)) as number;
    return `${n}: ${graph.labelOf(hops.primary(d))} or ${graph.labelOf(hops.backup(d))}`;
  });

describe("shortest paths", () => {
  test("step by step equal those from nothing, whatever changes at once", () => {
    fc.assert(
      fc.property(history, (batches) => {
        const graph = graphOf(IN_ORDER);
        const paths = new ShortestPaths(graph, 0);
        for (const batch of batches) {
          apply(graph, batch);
          paths.update(graph.takeChanges());
          expect([...paths.distances]).toEqual(distancesOf(graph, 0));
        }
        paths.compute();
        expect([...paths.distances]).toEqual(distancesOf(graph, 0));
      }),
      { numRuns: 300 },
    );
  });

  test("follow gateways that come and go, whose numbers are used again", () => {
    const graph = graphOf([0, 1, 2]);
    const number = (n: number): number => graph.numberOf(labelOf(`${n}`)) as number;
    apply(graph, [
      { a: 0, b: 1, value: 1 },
      { a: 1, b: 2, value: 1 },
    ]);
    const paths = new ShortestPaths(graph, number(0));
    graph.takeChanges();
    const freed = number(1);
    graph.remove(labelOf("1"));
    paths.update(graph.takeChanges());
    expect(paths.to(number(2))).toBe(FAR);
    graph.add(labelOf("3"));
    expect(number(3)).toBe(freed);
    apply(graph, [{ a: 0, b: 3, value: 2 }]);
    paths.update(graph.takeChanges());
    expect(paths.to(freed)).toBe(3);
    expect(paths.to(99)).toBe(FAR);
  });
});

describe("next hops", () => {
  test("do not depend on what the graph was before, nor on the order in which gateways came", () => {
    fc.assert(
      fc.property(history, fc.shuffledSubarray(IN_ORDER, { minLength: SIZE }), (batches, order) => {
        const [graph, other] = [graphOf(IN_ORDER), graphOf(order)];
        const hops = new NextHops(graph, 0);
        for (const batch of batches) {
          apply(graph, batch);
          apply(other, batch);
          hops.update(graph.takeChanges(), new Map(), 0);
        }
        const fresh = new NextHops(other, other.numberOf(labelOf("0")) as number);
        fresh.update([], new Map(), 0);
        expect(hopsOf(graph, hops)).toEqual(hopsOf(other, fresh));
      }),
      { numRuns: 200 },
    );
  });

  test("lead the shortest way; a backup never leads back, and the best kind there is is chosen", () => {
    fc.assert(
      fc.property(history, (batches) => {
        const graph = graphOf(IN_ORDER);
        for (const batch of batches) apply(graph, batch);
        const own = 0;
        const hops = new NextHops(graph, own);
        hops.update(graph.takeChanges(), new Map(), 0);
        const d = IN_ORDER.map((n) => distancesOf(graph, n));
        const far = (n: number, m: number): number => d[n]?.[m] as number;
        for (const to of IN_ORDER.slice(1)) {
          const primary = hops.primary(to);
          if (far(own, to) === FAR) {
            expect(primary).toBe(-1);
            continue;
          }
          expect(graph.cost(own, primary) + far(primary, to)).toBe(far(own, to));
          const kind = (n: number): number =>
            (to === primary || far(n, to) < far(n, primary) + far(primary, to) ? 0 : 2) +
            (far(n, to) < far(own, to) ? 0 : 1);
          const allowed = graph
            .neighboursOf(own)
            .filter((n) => n !== primary && far(n, to) < far(n, own) + far(own, to))
            .map(kind);
          const backup = hops.backup(to);
          if (allowed.length === 0) expect(backup).toBe(-1);
          else {
            expect(far(backup, to)).toBeLessThan(far(backup, own) + far(own, to));
            expect(kind(backup)).toBe(Math.min(...allowed));
            expect(hops.protects(to)).toBe(to !== primary && kind(backup) < 2 ? "node" : "link");
          }
          const way = hops.wayTo(to);
          expect(way.cost).toBe(far(own, to));
          expect(way.hops.at(-1)).toBe(to);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("that avoid a distrusted member are loop-free, do avoid it, and exist where one can", () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: SIZE - 1 }), (batches, x) => {
        const graph = graphOf(IN_ORDER);
        for (const batch of batches) apply(graph, batch);
        const hops = new NextHops(graph, 0);
        hops.update(graph.takeChanges(), new Map(), 0);
        const plain = IN_ORDER.map((n) => hops.primary(n));
        hops.distrust(x, 100);
        hops.update([], new Map(), 0);
        const d = IN_ORDER.map((n) => distancesOf(graph, n));
        const far = (n: number, m: number): number => d[n]?.[m] as number;
        for (const to of IN_ORDER.slice(1)) {
          const primary = hops.primary(to);
          const avoids = (n: number): boolean => x === to || (n !== x && far(n, to) < far(n, x) + far(x, to));
          const others = graph.neighboursOf(0).filter((n) => avoids(n) && far(n, to) < far(n, 0) + far(0, to));
          if (primary === plain[to]) {
            if (primary >= 0 && !avoids(primary)) expect(others).toEqual([]);
            continue;
          }
          expect(others).toContain(primary);
          expect(hops.why(to)).not.toBe("direct");
        }
        expect(hops.due).toBe(100);
        hops.update([], new Map(), 100);
        expect(IN_ORDER.map((n) => hops.primary(n))).toEqual(plain);
      }),
      { numRuns: 200 },
    );
  });

  test("trees are bounded however many neighbours and distrusted members there are", () => {
    const graph = new Graph();
    for (let n = 0; n < 100; n++) graph.add(labelOf(`${n}`));
    for (let n = 1; n < 100; n++) for (const m of [0, (n % 99) + 1]) if (m !== n) graph.set(n, m, 1);
    const hops = new NextHops(graph, 0);
    for (let n = 1; n < 50; n++) hops.distrust(n, 100);
    hops.distrust(0, 100);
    hops.update(graph.takeChanges(), new Map(), 0);
    expect(hops.trees).toBe(1 + 16 + 4);
  });
});
