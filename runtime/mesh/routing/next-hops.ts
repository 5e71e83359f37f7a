/**
 * For each destination the neighbour that a packet goes to first, and the one that takes over when that is silent: a
 * loop-free alternate (RFC 5286). Every edge costs the same both ways, so a distance from a neighbour is one to it as well.
 */
import type { Ms } from "../../base/time.ts";
import type { EdgeChange, Graph } from "./graph.ts";
import { FAR, ShortestPaths } from "./shortest-paths.ts";

/** So many neighbours are looked at as alternates: each costs a shortest-path tree of its own. */
export const ALTERNATES_MAX = 16;
/** Members that are avoided at a time; more drive out the oldest. */
const DISTRUSTED_MAX = 4;

export interface NextHop {
  readonly primary: number;
  /** -1: none. */
  readonly backup: number;
  readonly why: "shortest" | "direct" | "around-distrusted";
  readonly protects: "node" | "link" | undefined;
}

/** A neighbour that may lead to a destination, the better the lower `rank`, then `total`, then `preference`. */
interface Candidate {
  readonly n: number;
  readonly rank: number;
  readonly total: number;
  readonly preference: number;
}

export class NextHops {
  readonly #graph: Graph;
  readonly #own: number;
  readonly #paths: ShortestPaths;
  readonly #alternates = new Map<number, ShortestPaths>();
  readonly #distrusted = new Map<number, { readonly paths: ShortestPaths; readonly until: Ms }>();
  #firstHops = new Int32Array(0);

  constructor(graph: Graph, own: number) {
    this.#graph = graph;
    this.#own = own;
    this.#paths = new ShortestPaths(graph, own);
  }

  distanceTo(n: number): number {
    return this.#paths.to(n);
  }

  /** Trees that are kept up to date, for tests of the bounds. */
  get trees(): number {
    return 1 + this.#alternates.size + this.#distrusted.size;
  }

  /** When a distrust ends. */
  get due(): Ms {
    let due = Number.POSITIVE_INFINITY;
    for (const { until } of this.#distrusted.values()) due = Math.min(due, until);
    return due;
  }

  distrust(n: number, until: Ms): void {
    this.#distrusted.delete(n);
    if (n === this.#own) return;
    this.#distrusted.set(n, { paths: new ShortestPaths(this.#graph, n), until });
    for (const first of this.#distrusted.keys())
      if (this.#distrusted.size > DISTRUSTED_MAX) this.#distrusted.delete(first);
  }

  forget(n: number): void {
    this.#distrusted.delete(n);
    this.#alternates.delete(n);
  }

  isDistrusted(n: number): boolean {
    return this.#distrusted.has(n);
  }

  /** After changes of the graph, or when a distrust ended. */
  update(changes: readonly EdgeChange[], now: Ms): void {
    for (const [n, { until }] of this.#distrusted) if (until <= now) this.#distrusted.delete(n);
    this.#paths.update(changes);
    for (const paths of this.#alternates.values()) paths.update(changes);
    for (const { paths } of this.#distrusted.values()) paths.update(changes);
    this.#chooseAlternates();
    this.#followFirstHops();
  }

  /** `direct`: whether it is a neighbour that we reach, whatever the graph says. Undefined: no way. */
  to(destination: number, direct: boolean): NextHop | undefined {
    const distance = this.#paths.to(destination);
    if (distance === FAR || destination === this.#own)
      return direct ? { primary: destination, backup: -1, why: "direct", protects: undefined } : undefined;
    const shortest = this.#firstHops[destination] as number;
    if (direct && this.#graph.cost(this.#own, destination) === 0) {
      const protects = shortest === destination ? undefined : "link";
      return { primary: destination, backup: protects ? shortest : -1, why: "direct", protects };
    }
    const around = this.#around(destination, shortest);
    const primary = around ?? shortest;
    const backup = this.#best(destination, primary, (c) => this.#rank(c, destination, primary));
    return {
      primary,
      backup: backup?.n ?? -1,
      why: around === undefined ? "shortest" : "around-distrusted",
      protects: backup && (backup.rank < 2 ? "node" : "link"),
    };
  }

  /** A shortest way from a neighbour on, and what it costs from here. Ways of one length are as good; which is taken is for each to say. */
  wayOver(neighbour: number, destination: number): { readonly hops: readonly number[]; readonly cost: number } {
    const { distances } = new ShortestPaths(this.#graph, destination);
    const hops = [neighbour];
    for (let n = neighbour; n !== destination && distances[n] !== FAR; hops.push(n)) n = this.#lastHop(n, distances);
    return { hops, cost: this.#graph.cost(this.#own, neighbour) + (distances[neighbour] as number) };
  }

  /**
   * Who leads there past all that are distrusted, when the shortest way may not. A packet never comes back from it: not
   * at all as long as others distrust nobody, and else no longer than somebody distrusts (SPEC.md, Distrust).
   */
  #around(destination: number, shortest: number): number | undefined {
    if (this.#distrusted.size === 0 || this.#avoids(shortest, destination)) return undefined;
    const down = (n: number): number => (this.#distance(n, destination) < this.#paths.to(destination) ? 0 : 1);
    return this.#best(destination, shortest, (n) => (this.#avoids(n, destination) ? down(n) : undefined))?.n;
  }

  /** Whether no shortest way from the neighbour to the destination leads over a distrusted member. */
  #avoids(n: number, destination: number): boolean {
    for (const [x, { paths }] of this.#distrusted) {
      if (x === destination) continue;
      if (n === x || this.#distance(n, destination) >= paths.to(n) + paths.to(destination)) return false;
    }
    return true;
  }

  /** Node-protecting before link-protecting (RFC 5286 §3.3), and downstream (§3.1 inequality 3) before others: these never loop. */
  #rank(n: number, destination: number, primary: number): number {
    const distance = this.#distance(n, destination);
    const around =
      destination === primary || distance < this.#distance(n, primary) + this.#distance(primary, destination);
    return (around ? 0 : 2) + (distance < this.#paths.to(destination) ? 0 : 1);
  }

  /** Of the loop-free alternates (§3.1 inequality 1) the one of the lowest rank, by `rankOf`, that is not `except`. */
  #best(destination: number, except: number, rankOf: (n: number) => number | undefined): Candidate | undefined {
    let best: Candidate | undefined;
    const own = this.#paths.to(destination);
    for (const [n, paths] of this.#alternates) {
      if (n === except) continue;
      const distance = paths.to(destination);
      if (distance >= paths.to(this.#own) + own) continue;
      const rank = rankOf(n);
      if (rank === undefined) continue;
      const total = this.#graph.cost(this.#own, n) + distance;
      const candidate = { n, rank, total, preference: this.#graph.preference(n, destination) };
      if (!best || this.#isBetter(candidate, best)) best = candidate;
    }
    return best;
  }

  #isBetter(a: Candidate, b: Candidate): boolean {
    return (a.rank - b.rank || a.total - b.total || a.preference - b.preference || byLabel(this.#graph, a.n, b.n)) < 0;
  }

  /** Between a neighbour and anybody. One that is no alternate is the primary, on whose way the destination lies. */
  #distance(n: number, to: number): number {
    const tree = this.#alternates.get(n) ?? this.#alternates.get(to) ?? this.#distrusted.get(n)?.paths;
    if (tree) return tree.to(tree.root === n ? to : n);
    return this.#paths.to(to) - this.#graph.cost(this.#own, n);
  }

  /** A neighbour that has no other edge leads nowhere. Of too many the best connected are kept, the nearest first. */
  #chooseAlternates(): void {
    const graph = this.#graph;
    const degree = (n: number): number => graph.neighboursOf(n).length;
    const useful = graph.neighboursOf(this.#own).filter((n) => degree(n) > 1);
    if (useful.length > ALTERNATES_MAX) {
      const cost = (n: number): number => graph.cost(this.#own, n);
      useful.sort((a, b) => cost(a) - cost(b) || degree(b) - degree(a) || byLabel(graph, a, b));
      useful.length = ALTERNATES_MAX;
    }
    const chosen = new Set(useful);
    for (const n of this.#alternates.keys()) if (!chosen.has(n)) this.#alternates.delete(n);
    for (const n of chosen) if (!this.#alternates.has(n)) this.#alternates.set(n, new ShortestPaths(graph, n));
  }

  /** Of several shortest ways the one over the preferred last hop, and so on back: from the graph alone, not from its history. */
  #followFirstHops(): void {
    const graph = this.#graph;
    const distances = this.#paths.distances;
    const size = graph.size;
    const hops = this.#firstHops.length === size ? this.#firstHops.fill(-1) : new Int32Array(size).fill(-1);
    const trail: number[] = [];
    for (let start = 0; start < size; start++) {
      let n = start;
      if ((distances[n] ?? FAR) === FAR || n === this.#own) continue;
      while (hops[n] === -1) {
        trail.push(n);
        const before = this.#lastHop(n, distances);
        if (before === this.#own) {
          hops[n] = n;
          break;
        }
        n = before;
      }
      const hop = hops[n] as number;
      for (let back = trail.pop(); back !== undefined; back = trail.pop()) hops[back] = hop;
    }
    this.#firstHops = hops;
  }

  #lastHop(n: number, distances: Int32Array): number {
    const graph = this.#graph;
    const neighbours = graph.neighboursOf(n);
    const costs = graph.costsOf(n);
    let best = -1;
    let preference = 0;
    for (let i = 0; i < neighbours.length; i++) {
      const u = neighbours[i] as number;
      if ((distances[u] as number) + (costs[i] as number) !== distances[n]) continue;
      const p = graph.preference(u, n);
      if (best >= 0 && (p > preference || (p === preference && byLabel(graph, u, best) > 0))) continue;
      best = u;
      preference = p;
    }
    return best;
  }
}

const byLabel = (graph: Graph, a: number, b: number): number =>
  (graph.labelOf(a) as string) < (graph.labelOf(b) as string) ? -1 : 1;
