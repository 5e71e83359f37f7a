/**
 * A mesh's routing through a long and bad day: links cut, flapping and changing, gateways crashing with and without their disk, whole
 * regions failing, partitions and merges. After everything that happens the routes are judged. One seed gives one day.
 */
import { type Ms, seconds } from "../../../runtime/base/time.ts";
import { isSound, type Judgement, judge } from "./invariants.ts";
import { Overload, type RoutingWorld, type SimLink, type SimNode } from "./world.ts";

/** Routes are right so soon after links died or changed, and after what needs signatures and comparisons. */
const AFTER_DOWN: Ms = seconds(1);
const AFTER_UP: Ms = seconds(10);
/** Sources whose routes to everybody are followed at each judgement. */
const SAMPLE = 12;
/** Control bytes that a gateway may send on average, a second, for each of its links. */
const TRAFFIC_MAX = 400;

export interface Happening {
  readonly kind: string;
  readonly at: Ms;
  /** From the first change until the last gateway's routes were final; up is what undoes it. */
  readonly down: Ms;
  readonly up: Ms;
  /** Sent per gateway. */
  readonly bytes: number;
}

export interface Day {
  readonly happenings: readonly Happening[];
  readonly violations: readonly string[];
  readonly judgements: number;
  readonly pairs: number;
  /** Per gateway and second. */
  readonly bytesPerNodeSecond: number;
}

/** Makes it happen; gives what undoes it. */
type Change = (day: Churn) => Promise<() => Promise<void>>;

export class Churn {
  readonly world: RoutingWorld;
  readonly #kinds: readonly ChangeName[];
  readonly #violations: string[] = [];
  readonly #happenings: Happening[] = [];
  #judgements = 0;
  #pairs = 0;

  constructor(world: RoutingWorld, kinds: readonly ChangeName[] = CHANGE_NAMES) {
    this.world = world;
    this.#kinds = kinds;
  }

  /** Of a settled world. Stops at the first violation: what comes after one means little. */
  async run(length: Ms): Promise<Day> {
    const { world } = this;
    const [start, end] = [world.now, world.now + length];
    const before = this.#sent();
    this.#judge("at the start", world.nodes);
    while (world.now < end && this.#violations.length === 0) {
      const kind = this.pick(this.#kinds);
      try {
        await this.#live(kind, CHANGES[kind]);
        await world.run(seconds(5) + this.below(25_000));
      } catch (thrown) {
        if (!(thrown instanceof Overload)) throw thrown;
        this.#violations.push(`${kind}: ${thrown.message}`);
      }
    }
    const bytesPerNodeSecond = (this.#sent() - before) / ((world.now - start) / 1000);
    if (bytesPerNodeSecond > TRAFFIC_MAX)
      this.#violations.push(`${bytesPerNodeSecond} control bytes a node and second`);
    const { nodes } = world;
    for (const node of nodes) {
      const { wanted, held, lists, trees } = node.routing.load as Record<"wanted" | "held" | "lists" | "trees", number>;
      if (wanted + held > 0 || lists > 2 * nodes.length || trees > 17)
        this.#violations.push(`${node.index} holds ${JSON.stringify(node.routing.load)}`);
    }
    return {
      happenings: this.#happenings,
      violations: this.#violations,
      judgements: this.#judgements,
      pairs: this.#pairs,
      bytesPerNodeSecond,
    };
  }

  async #live(kind: string, change: Change): Promise<void> {
    const { world } = this;
    const [at, before] = [world.now, this.#sent()];
    const undo = await change(this);
    const began = world.now;
    await world.run(AFTER_DOWN);
    const down = Math.max(0, world.lastRoute - began);
    this.#judge(`${kind} at ${at}`, this.#some());
    await world.run(this.below(20_000));
    const undone = world.now;
    await undo();
    await world.run(AFTER_UP);
    const up = Math.max(0, world.lastRoute - undone);
    this.#judge(`after ${kind} at ${at}`, this.#some());
    this.#agree(`after ${kind} at ${at}`);
    this.#happenings.push({ kind, at, down, up, bytes: this.#sent() - before });
  }

  #judge(when: string, sources: readonly SimNode[]): void {
    const judgement: Judgement = judge(this.world, sources);
    this.#judgements++;
    this.#pairs += judgement.pairs;
    if (isSound(judgement)) return;
    const { loops, holes, detours, badBackups, examples } = judgement;
    this.#violations.push(
      `${when}: ${loops} loops, ${holes} holes, ${detours} detours, ${badBackups} bad backups: ${examples.join("; ")}`,
    );
  }

  /** Whoever is connected knows the same. */
  #agree(when: string): void {
    for (const link of this.world.links) {
      if (!link.up) continue;
      const [a, b] = [this.world.node(link.a), this.world.node(link.b)];
      if (Buffer.compare(a.routing.digest, b.routing.digest) === 0) continue;
      this.#violations.push(`${when}: ${a.index} and ${b.index} know different things`);
      return;
    }
  }

  #some(): SimNode[] {
    return Array.from({ length: SAMPLE }, () => this.pick(this.world.nodes));
  }

  /** Per gateway. */
  #sent(): number {
    return this.world.nodes.reduce((sum, n) => sum + n.sent.bytes, 0) / this.world.nodes.length;
  }

  below(n: number): number {
    return Math.floor(this.world.draw() * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** The `count` gateways nearest to one, by hops. */
  region(count: number): SimNode[] {
    const found = [this.pick(this.world.nodes)];
    for (let i = 0; i < found.length && found.length < count; i++)
      for (const n of (found[i] as SimNode).links.keys()) {
        const node = this.world.node(n);
        if (found.length < count && !found.includes(node)) found.push(node);
      }
    return found;
  }

  async raise(links: readonly SimLink[]): Promise<void> {
    for (const link of links) await this.world.raise(link);
  }
}

const cut = async (day: Churn, links: readonly SimLink[]): Promise<() => Promise<void>> => {
  for (const link of links) day.world.cut(link);
  return () => day.raise(links);
};

const crash = (day: Churn, nodes: readonly SimNode[], epochOf: (n: SimNode) => number): (() => Promise<void>) => {
  for (const node of nodes) day.world.crash(node);
  return async () => {
    for (const node of nodes) await day.world.restart(node, epochOf(node));
  };
};

/** A crash after which the gateway's first life is forgotten, and its surroundings are not what they were. */
const forget = async (day: Churn, epochOf: (n: SimNode) => number): Promise<() => Promise<void>> => {
  const node = day.pick(day.world.nodes);
  await crash(day, [node], (n) => n.epoch)();
  await day.world.run(seconds(3)); // a second life, so that what is forgotten is more than the first
  const undo = crash(day, [node], epochOf);
  for (const link of node.links.values()) await day.world.setValue(link, 1 + day.below(4));
  return undo;
};

const CHANGES = {
  link: async (day) => await cut(day, [day.pick(day.world.links)]),
  links: async (day) =>
    await cut(
      day,
      Array.from({ length: 5 }, () => day.pick(day.world.links)),
    ),
  cost: async (day) => {
    const link = day.pick(day.world.links);
    const before = link.value;
    await day.world.setValue(link, 1 + ((before + 1 + day.below(4)) % 7));
    return () => day.world.setValue(link, before);
  },
  flap: async (day) => {
    const link = day.pick(day.world.links);
    for (let i = 0; i < 12; i++) {
      if (link.up) day.world.cut(link);
      else await day.world.raise(link);
      await day.world.run(40 + day.below(100));
    }
    day.world.cut(link);
    return () => day.raise([link]);
  },
  crash: async (day) => crash(day, [day.pick(day.world.nodes)], (n) => n.epoch),
  "lost disk": async (day) => await forget(day, () => 0),
  "restored backup": async (day) => await forget(day, (n) => Math.max(0, n.epoch - 1)),
  region: async (day) => crash(day, day.region(2 + day.below(6)), (n) => n.epoch),
  partition: async (day) => {
    const inside = new Set(day.region(Math.ceil(day.world.nodes.length / 3)).map((n) => n.index));
    const between = day.world.links.filter((l) => inside.has(l.a) !== inside.has(l.b));
    const undo = await cut(day, between);
    await day.world.run(AFTER_DOWN);
    const there = day.world.links.filter((l) => inside.has(l.a) && inside.has(l.b) && l.up);
    if (there.length > 0) day.world.cut(day.pick(there)); // what the other part hears at the merge only
    await crash(day, [day.world.node(day.pick([...inside]))], (n) => n.epoch)();
    return async () => {
      await undo();
      await day.raise(there);
    };
  },
} as const satisfies Record<string, Change>;

export type ChangeName = keyof typeof CHANGES;
const CHANGE_NAMES = Object.keys(CHANGES) as ChangeName[];
