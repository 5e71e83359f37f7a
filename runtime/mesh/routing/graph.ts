/** Gateways and the edges that both their ends attest, by small numbers so that shortest paths run over plain arrays. */
import type { Label } from "./types.ts";

export interface EdgeChange {
  readonly a: number;
  readonly b: number;
  /** 0: there was none. */
  readonly before: number;
}

export class Graph {
  readonly #numbers = new Map<Label, number>();
  readonly #labels: (Label | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #to: number[][] = [];
  readonly #costs: number[][] = [];
  #marks = new Uint32Array(16);
  #changes = new Map<number, EdgeChange>();

  /** Numbers of gateways are below this. */
  get size(): number {
    return this.#labels.length;
  }

  numberOf(label: Label): number | undefined {
    return this.#numbers.get(label);
  }

  labelOf(n: number): Label | undefined {
    return this.#labels[n];
  }

  /** The gateways at the other ends of a gateway's edges, and what these cost, in the same order. */
  neighboursOf(n: number): readonly number[] {
    return this.#to[n] as number[];
  }

  costsOf(n: number): readonly number[] {
    return this.#costs[n] as number[];
  }

  /** 0: no edge. */
  cost(a: number, b: number): number {
    const at = this.#to[a]?.indexOf(b) ?? -1;
    return at < 0 ? 0 : (this.#costs[a]?.[at] as number);
  }

  /** Orders gateways where all else is equal: the same on every gateway, another for every destination. */
  preference(of: number, towards: number): number {
    const mixed = Math.imul(
      (this.#marks[of] as number) ^ Math.imul(this.#marks[towards] as number, 0x9e3779b1),
      0x85ebca6b,
    );
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  add(label: Label): number {
    const known = this.#numbers.get(label);
    if (known !== undefined) return known;
    const n = this.#free.pop() ?? this.#labels.length;
    this.#labels[n] = label;
    this.#to[n] = [];
    this.#costs[n] = [];
    if (n >= this.#marks.length) {
      const grown = new Uint32Array(2 * this.#marks.length);
      grown.set(this.#marks);
      this.#marks = grown;
    }
    this.#marks[n] = Number.parseInt(label.slice(-8), 16);
    this.#numbers.set(label, n);
    return n;
  }

  /** Its number may belong to another gateway after the next `takeChanges`. */
  remove(label: Label): void {
    const n = this.#numbers.get(label);
    if (n === undefined) return;
    for (const other of [...this.neighboursOf(n)]) this.set(n, other, 0);
    this.#numbers.delete(label);
    this.#labels[n] = undefined;
    this.#gone.push(n);
  }
  #gone: number[] = [];

  /** 0 takes the edge away. */
  set(a: number, b: number, cost: number): void {
    const before = this.cost(a, b);
    if (before === cost) return;
    this.#put(a, b, cost);
    this.#put(b, a, cost);
    const key = Math.min(a, b) * 0x100_0000 + Math.max(a, b);
    if (!this.#changes.has(key)) this.#changes.set(key, { a, b, before });
  }

  /** What has become of edges since the last time, each once. */
  takeChanges(): EdgeChange[] {
    const changes = [...this.#changes.values()].filter((c) => this.cost(c.a, c.b) !== c.before);
    this.#changes = new Map();
    this.#free.push(...this.#gone);
    this.#gone = [];
    return changes;
  }

  get hasChanges(): boolean {
    return this.#changes.size > 0;
  }

  #put(a: number, b: number, cost: number): void {
    const to = this.#to[a] as number[];
    const costs = this.#costs[a] as number[];
    const at = to.indexOf(b);
    if (cost > 0 && at >= 0) costs[at] = cost;
    else if (cost > 0) {
      to.push(b);
      costs.push(cost);
    } else if (at >= 0) {
      to[at] = to[to.length - 1] as number;
      costs[at] = costs[costs.length - 1] as number;
      to.pop();
      costs.pop();
    }
  }
}
