/**
 * Distances from one gateway to all, kept up to date: after a change only what it reaches is computed anew (Ramalingam and
 * Reps 1996, for several changes at once). Distances depend on the graph alone and not on its history.
 */
import type { EdgeChange, Graph } from "./graph.ts";
import { PathHeap } from "./path-heap.ts";

/** No way. */
export const FAR = 0x3fff_ffff;

export class ShortestPaths {
  readonly root: number;
  readonly #graph: Graph;
  #distances = new Int32Array(0);
  /** Which neighbour's distance a gateway's own came from; which of several depends on history, so it stays in here. */
  #parents = new Int32Array(0);
  readonly #heap = new PathHeap();

  constructor(graph: Graph, root: number) {
    this.#graph = graph;
    this.root = root;
    this.compute();
  }

  /** By number; FAR where no way leads. Valid until the next call of `compute` or `update`. */
  get distances(): Int32Array {
    return this.#distances;
  }

  to(n: number): number {
    return this.#distances[n] ?? FAR;
  }

  /** From nothing. */
  compute(): void {
    this.#distances = new Int32Array(this.#graph.size).fill(FAR);
    this.#parents = new Int32Array(this.#graph.size).fill(-1);
    this.#distances[this.root] = 0;
    this.#heap.push(0, this.root);
    this.#settle();
  }

  /** After these changes, which the graph shows already. */
  update(changes: readonly EdgeChange[]): void {
    this.#grow();
    const lost = this.#lostBy(changes);
    for (const n of lost) {
      this.#distances[n] = FAR;
      this.#parents[n] = -1;
    }
    for (const n of lost) this.#reattach(n);
    for (const { a, b } of changes) {
      const cost = this.#graph.cost(a, b);
      if (cost === 0) continue;
      this.#relax(a, b, cost);
      this.#relax(b, a, cost);
    }
    this.#settle();
  }

  /** Gateways whose way led over an edge that is gone or dearer now. */
  #lostBy(changes: readonly EdgeChange[]): number[] {
    const lost: number[] = [];
    const seen = new Set<number>();
    const lose = (n: number): void => {
      if (seen.has(n)) return;
      seen.add(n);
      lost.push(n);
    };
    for (const { a, b, before } of changes) {
      const now = this.#graph.cost(a, b);
      if (now !== 0 && now <= before) continue;
      if (this.#parents[b] === a) lose(b);
      if (this.#parents[a] === b) lose(a);
    }
    for (let i = 0; i < lost.length; i++) {
      const n = lost[i] as number;
      for (const child of this.#graph.neighboursOf(n)) if (this.#parents[child] === n) lose(child);
    }
    return lost;
  }

  #reattach(n: number): void {
    const neighbours = this.#graph.neighboursOf(n);
    const costs = this.#graph.costsOf(n);
    for (let i = 0; i < neighbours.length; i++) this.#relax(neighbours[i] as number, n, costs[i] as number);
  }

  #relax(from: number, to: number, cost: number): void {
    const reached = (this.#distances[from] as number) + cost;
    if (reached >= (this.#distances[to] as number)) return;
    this.#distances[to] = reached;
    this.#parents[to] = from;
    this.#heap.push(reached, to);
  }

  #settle(): void {
    const heap = this.#heap;
    while (heap.size > 0) {
      const n = heap.pop();
      const distance = this.#distances[n] as number;
      if (heap.popped !== distance) continue; // a nearer one has been settled
      const neighbours = this.#graph.neighboursOf(n);
      const costs = this.#graph.costsOf(n);
      for (let i = 0; i < neighbours.length; i++) {
        const to = neighbours[i] as number;
        const reached = distance + (costs[i] as number);
        if (reached >= (this.#distances[to] as number)) continue;
        this.#distances[to] = reached;
        this.#parents[to] = n;
        heap.push(reached, to);
      }
    }
  }

  #grow(): void {
    const before = this.#distances.length;
    if (this.#graph.size <= before) return;
    const size = Math.max(this.#graph.size, 2 * before);
    const distances = new Int32Array(size).fill(FAR);
    const parents = new Int32Array(size).fill(-1);
    distances.set(this.#distances);
    parents.set(this.#parents);
    this.#distances = distances;
    this.#parents = parents;
  }
}
