/** What must hold of a simulated mesh's routes, judged by following them hop by hop; and the distances that are right. */
import { COSTS } from "../../../runtime/mesh/routing/types.ts";
import type { RoutingWorld, SimNode } from "./world.ts";

export interface Judgement {
  /** Pairs that links connect, and of these those whose packets turn in a circle or end nowhere. */
  readonly pairs: number;
  readonly loops: number;
  readonly holes: number;
  /** Pairs whose way is longer than the shortest there is. */
  readonly detours: number;
  /** Pairs with a backup; of these those that it loses when the primary's link dies alone. */
  readonly backups: number;
  readonly badBackups: number;
  /** The first few of all that is wrong, in words. */
  readonly examples: readonly string[];
}

/** `from`: looks at these gateways' routes only. */
export function judge(world: RoutingWorld, from: readonly SimNode[] = world.nodes): Judgement {
  const out = { pairs: 0, loops: 0, holes: 0, detours: 0, backups: 0, badBackups: 0 };
  const examples: string[] = [];
  const note = (what: string): void => {
    if (examples.length < 5) examples.push(what);
  };
  for (const source of from) {
    if (!source.alive) continue;
    const distances = distancesFrom(world, source.index);
    for (const destination of world.nodes) {
      if (destination === source || (distances[destination.index] as number) === Number.POSITIVE_INFINITY) continue;
      out.pairs++;
      const way = follow(world, source.index, destination.index);
      const name = `${source.index} to ${destination.index}`;
      if (way === "loop") out.loops++;
      else if (way === "hole") out.holes++;
      else if (way !== distances[destination.index]) out.detours++;
      if (way !== distances[destination.index]) note(`${name}: ${way} instead of ${distances[destination.index]}`);
      const backup = source.backup[destination.index] as number;
      if (backup < 0) continue;
      out.backups++;
      const around = follow(world, backup, destination.index, [
        source.index,
        source.primary[destination.index] as number,
      ]);
      if (typeof around === "number") continue;
      out.badBackups++;
      note(`${name}: backup ${backup} gives a ${around}`);
    }
  }
  return { ...out, examples };
}

export const isSound = (j: Judgement): boolean => j.loops + j.holes + j.detours + j.badBackups === 0;

/** What the way costs that a packet takes; it does not come through when it meets the dead link. */
export function follow(
  world: RoutingWorld,
  source: number,
  destination: number,
  dead?: readonly [number, number],
): number | "loop" | "hole" {
  let cost = 0;
  let at = source;
  for (let hops = 0; hops <= world.nodes.length; hops++) {
    if (at === destination) return cost;
    const next = world.node(at).primary[destination] as number;
    const link = next < 0 ? undefined : world.node(at).links.get(next);
    if (!link?.up || (dead && at === dead[0] && next === dead[1])) return "hole";
    cost += COSTS[link.value] as number;
    at = next;
  }
  return "loop";
}

/** Over the links that are up, by the plainest of algorithms: an independent judge. */
export function distancesFrom(world: RoutingWorld, source: number): Float64Array {
  const out = new Float64Array(world.nodes.length).fill(Number.POSITIVE_INFINITY);
  out[source] = 0;
  const queue = [source];
  const queued = new Uint8Array(world.nodes.length);
  while (queue.length > 0) {
    const n = queue.shift() as number;
    queued[n] = 0;
    for (const [other, link] of world.node(n).links) {
      const reached = (out[n] as number) + (COSTS[link.value] as number);
      if (!link.up || reached >= (out[other] as number)) continue;
      out[other] = reached;
      if (queued[other] === 0) queue.push(other);
      queued[other] = 1;
    }
  }
  return out;
}
