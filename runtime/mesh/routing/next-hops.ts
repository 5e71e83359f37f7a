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
export const DISTRUSTED_MAX = 4;

export type Why = "shortest" | "direct" | "around-distrusted";

export class NextHops {
  readonly #graph: Graph;
  readonly #own: number;
  readonly #paths: ShortestPaths;
  readonly #alternates = new Map<number, ShortestPaths>();
  readonly #distrusted = new Map<number, { readonly paths: ShortestPaths; readonly until: Ms }>();
  #primary = new Int32Array(0);
  #backup = new Int32Array(0);

  constructor(graph: Graph, own: number) {
    this.#graph = graph;
    this.#own = own;
    this.#paths = new ShortestPaths(graph, own);
  }

  /** -1: no way. */
  primary(destination: number): number {
    return this.#primary[destination] ?? -1;
  }

  backup(destination: number): number {
    return this.#backup[destination] ?? -1;
  }

  /** Over the graph; FAR where no way leads. */
  distanceTo(destination: number): number {
    return this.#paths.to(destination);
  }

  why(destination: number): Why {
    const primary = this.primary(destination);
    if (primary === destination && this.#cost(primary) === 0) return "direct";
    const isShortest = this.#distance(primary, destination) + this.#cost(primary) === this.#paths.to(destination);
    return isShortest ? "shortest" : "around-distrusted";
  }

  /** What the backup is good for. */
  protects(destination: number): "node" | "link" | undefined {
    const backup = this.backup(destination);
    if (backup < 0) return undefined;
    const primary = this.primary(destination);
    return primary !== destination && this.#avoids(backup, destination, primary) ? "node" : "link";
  }

  /** A shortest way from the primary on, and what it costs from here. Ways of one length are as good; each gateway takes its own. */
  wayTo(destination: number): { readonly hops: readonly number[]; readonly cost: number } {
    const { distances } = new ShortestPaths(this.#graph, destination);
    const first = this.primary(destination);
    const hops = [first];
    for (let n = first; n !== destination && distances[n] !== FAR; hops.push(n)) n = this.#lastHop(n, distances);
    return { hops, cost: this.#cost(first) + (distances[first] as number) };
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

  /**
   * After changes of the graph or of the neighbours that we reach, or when a distrust ended. `direct`: neighbours that are up for
   * us whatever the graph says; true: they say themselves that they are not. Gives the destinations whose hops changed.
   */
  update(changes: readonly EdgeChange[], direct: ReadonlyMap<number, boolean>, now: Ms): number[] {
    for (const [n, { until }] of this.#distrusted) if (until <= now) this.#distrusted.delete(n);
    this.#paths.update(changes);
    for (const paths of this.#alternates.values()) paths.update(changes);
    for (const { paths } of this.#distrusted.values()) paths.update(changes);
    this.#chooseAlternates();
    const before = { primary: this.#primary, backup: this.#backup };
    this.#primary = this.#firstHops();
    if (this.#distrusted.size > 0) this.#avoidDistrusted();
    this.#backup = this.#backups();
    for (const [n, denied] of direct)
      if (this.#cost(n) === 0 && !(denied && this.#primary[n] !== -1)) this.#goDirectly(n);
    const changed: number[] = [];
    for (let n = 0; n < this.#graph.size; n++)
      if (this.#primary[n] !== (before.primary[n] ?? -1) || this.#backup[n] !== (before.backup[n] ?? -1))
        changed.push(n);
    return changed;
  }

  #goDirectly(n: number): void {
    this.#backup[n] = this.#primary[n] as number;
    this.#primary[n] = n;
  }

  /** To a neighbour. */
  #cost(n: number): number {
    return this.#graph.cost(this.#own, n);
  }

  /** Of several shortest ways the one over the preferred last hop, and so on back: from the graph alone, not from its history. */
  #firstHops(): Int32Array<ArrayBuffer> {
    const distances = this.#paths.distances;
    const hops = new Int32Array(this.#graph.size).fill(-1);
    const trail: number[] = [];
    for (let start = 0; start < hops.length; start++) {
      if ((distances[start] ?? FAR) === FAR || start === this.#own) continue;
      let n = start;
      while (hops[n] === -1) {
        trail.push(n);
        const before = this.#lastHop(n, distances);
        if (before === this.#own) hops[n] = n;
        else n = before;
      }
      const hop = hops[n] as number;
      for (let back = trail.pop(); back !== undefined; back = trail.pop()) hops[back] = hop;
    }
    return hops;
  }

  #lastHop(n: number, distances: Int32Array): number {
    const graph = this.#graph;
    const neighbours = graph.neighboursOf(n);
    const costs = graph.costsOf(n);
    const distance = distances[n] as number;
    let best = -1;
    for (let i = 0; i < neighbours.length; i++) {
      const u = neighbours[i] as number;
      if ((distances[u] as number) + (costs[i] as number) !== distance) continue;
      if (best < 0 || this.#prefers(u, best, n)) best = u;
    }
    return best;
  }

  /** Where all else is equal. */
  #prefers(a: number, b: number, towards: number): boolean {
    const graph = this.#graph;
    const order = graph.preference(a, towards) - graph.preference(b, towards);
    return order < 0 || (order === 0 && byLabel(graph, a, b) < 0);
  }

  /**
   * Loop-free alternates (RFC 5286 §3.1 inequality 1): those that avoid the primary (§3.3) before others, then those further
   * down (inequality 3), which never loop, then the nearest.
   */
  #backups(): Int32Array<ArrayBuffer> {
    const backups = new Int32Array(this.#graph.size).fill(-1);
    const alternates = [...this.#alternates].map(([n, { distances }]) => ({ n, distances, cost: this.#cost(n) }));
    for (let d = 0; d < backups.length; d++) {
      const primary = this.#primary[d] as number;
      const own = this.#paths.to(d);
      if (primary < 0) continue;
      const beyond = this.#distance(primary, d);
      let bestRank = 4;
      let bestTotal = FAR;
      for (const { n, distances, cost } of alternates) {
        const distance = distances[d] as number;
        if (n === primary || distance >= (distances[this.#own] as number) + own) continue;
        const avoids = d === primary || distance < (distances[primary] as number) + beyond;
        const rank = (avoids ? 0 : 2) + (distance < own ? 0 : 1);
        const total = cost + distance;
        if (rank > bestRank || (rank === bestRank && total > bestTotal)) continue;
        if (rank === bestRank && total === bestTotal && !this.#prefers(n, backups[d] as number, d)) continue;
        backups[d] = n;
        bestRank = rank;
        bestTotal = total;
      }
    }
    return backups;
  }

  /** Whether no shortest way from the neighbour to the destination leads over the primary. */
  #avoids(n: number, destination: number, primary: number): boolean {
    return this.#distance(n, destination) < this.#distance(n, primary) + this.#distance(primary, destination);
  }

  /**
   * Where the shortest way may lead over a distrusted member, the nearest alternate whose way does not, those further down
   * first. What that means for loops: SPEC.md, Distrust.
   */
  #avoidDistrusted(): void {
    for (let d = 0; d < this.#primary.length; d++) {
      const shortest = this.#primary[d] as number;
      const own = this.#paths.to(d);
      if (shortest < 0 || this.#isTrusted(shortest, d)) continue;
      let best = shortest;
      let bestRank = 2;
      let bestTotal = FAR;
      for (const [n, paths] of this.#alternates) {
        const distance = paths.to(d);
        if (n === shortest || distance >= paths.to(this.#own) + own || !this.#isTrusted(n, d)) continue;
        const rank = distance < own ? 0 : 1;
        const total = this.#cost(n) + distance;
        if (rank > bestRank || (rank === bestRank && total > bestTotal)) continue;
        if (rank === bestRank && total === bestTotal && !this.#prefers(n, best, d)) continue;
        best = n;
        bestRank = rank;
        bestTotal = total;
      }
      this.#primary[d] = best;
    }
  }

  /** Whether no shortest way from the neighbour to the destination leads over a distrusted member. */
  #isTrusted(n: number, destination: number): boolean {
    for (const [x, { paths }] of this.#distrusted) {
      if (x === destination) continue;
      if (n === x || this.#distance(n, destination) >= paths.to(n) + paths.to(destination)) return false;
    }
    return true;
  }

  /** Between a neighbour and anybody. One that is no alternate is the primary, on whose way the destination lies. */
  #distance(n: number, to: number): number {
    if (n === to) return 0;
    const tree = this.#alternates.get(n) ?? this.#alternates.get(to) ?? this.#distrusted.get(n)?.paths;
    if (tree) return tree.to(tree.root === n ? to : n);
    return this.#paths.to(to) - this.#cost(n);
  }

  /** A neighbour that has no other edge leads nowhere. Of too many the nearest are kept, of these the best connected. */
  #chooseAlternates(): void {
    const graph = this.#graph;
    const degree = (n: number): number => graph.neighboursOf(n).length;
    const useful = graph.neighboursOf(this.#own).filter((n) => degree(n) > 1);
    if (useful.length > ALTERNATES_MAX) {
      useful.sort((a, b) => this.#cost(a) - this.#cost(b) || degree(b) - degree(a) || byLabel(graph, a, b));
      useful.length = ALTERNATES_MAX;
    }
    const chosen = new Set(useful);
    for (const n of this.#alternates.keys()) if (!chosen.has(n)) this.#alternates.delete(n);
    for (const n of chosen) if (!this.#alternates.has(n)) this.#alternates.set(n, new ShortestPaths(graph, n));
  }
}

const byLabel = (graph: Graph, a: number, b: number): number =>
  (graph.labelOf(a) as string) < (graph.labelOf(b) as string) ? -1 : 1;
