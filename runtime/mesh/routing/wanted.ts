/**
 * Which lists to ask whom for: each of one neighbour at a time, of the next one when the first says no, says nothing or is
 * gone. So each 3.4 kB signature comes over one of the links of a gateway and not over all.
 */
import { type Ms, seconds } from "../../base/time.ts";
import { DueQueue } from "../due-queue.ts";
import { originOf } from "./link-list.ts";
import type { RoutingNeighbour } from "./neighbour.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { Label } from "./types.ts";

/** Lists that one neighbour is asked for at a time. */
const WINDOW = 32;
/** A neighbour that was asked and has delivered nothing for so long is not waited for. */
const PATIENCE: Ms = seconds(1);
/** New lists of one origin that are taken in quick succession (it may have 32), and in the long run; who signs more often is heard late. */
const LISTS = { burst: 40, refill: seconds(4) } as const;

interface Want {
  /** Who offers which version. */
  readonly sources: Map<Label, string>;
  asked: Label | undefined;
}

export class Wanted {
  readonly #neighbours: ReadonlyMap<Label, RoutingNeighbour>;
  readonly #wants = new Map<string, Want>();
  /** By origin. */
  readonly #pace = new Map<Label, TokenBucket>();
  readonly #later = new DueQueue<string>();

  constructor(neighbours: ReadonlyMap<Label, RoutingNeighbour>) {
    this.#neighbours = neighbours;
  }

  get size(): number {
    return this.#wants.size;
  }

  has(key: string): boolean {
    return this.#wants.has(key);
  }

  /** `from` has a version that is newer than ours. */
  offered(key: string, version: string, from: RoutingNeighbour): void {
    const want = this.#wants.get(key) ?? { sources: new Map<Label, string>(), asked: undefined };
    this.#wants.set(key, want);
    if (want.sources.get(from.label) === version) return;
    want.sources.set(from.label, version);
    if (want.asked === undefined) from.queue.add(key);
  }

  /** We have this version now; `replaced`: instead of another, so that it counts against its origin's pace. */
  arrived(key: string, version: string, replaced: boolean, now: Ms): void {
    if (replaced) {
      const pace = this.#pace.get(originOf(key)) ?? new TokenBucket(LISTS.burst, LISTS.refill, now);
      this.#pace.set(originOf(key), pace);
      pace.take(now);
    }
    const want = this.#wants.get(key);
    if (!want) return;
    this.#release(key, want);
    for (const [label, offered] of want.sources) if (offered <= version) want.sources.delete(label);
    this.#again(key, want);
  }

  /** The neighbour will not deliver it. */
  lacks(key: string, from: RoutingNeighbour): void {
    const want = this.#wants.get(key);
    if (!want?.sources.delete(from.label)) return;
    if (want.asked !== from.label) {
      if (want.sources.size === 0) this.#wants.delete(key);
      return;
    }
    this.#release(key, want);
    this.#again(key, want);
  }

  /** The neighbour is gone. */
  gone(from: RoutingNeighbour): void {
    for (const key of [...this.#wants.keys()]) this.lacks(key, from);
  }

  /** Nothing of this key is wanted any more. */
  forget(key: string): void {
    const want = this.#wants.get(key);
    if (want) this.#release(key, want);
    this.#wants.delete(key);
    this.#pace.delete(originOf(key));
    this.#later.delete(key);
  }

  get due(): Ms {
    let due = this.#later.next ?? Number.POSITIVE_INFINITY;
    for (const n of this.#neighbours.values()) if (n.asked.size > 0) due = Math.min(due, n.progress + PATIENCE);
    return due;
  }

  /** What to ask whom for now. */
  asks(now: Ms): { readonly neighbour: RoutingNeighbour; readonly keys: readonly string[] }[] {
    for (const key of this.#later.take(now)) {
      const want = this.#wants.get(key);
      if (want) this.#again(key, want);
    }
    for (const n of this.#neighbours.values())
      if (n.asked.size > 0 && now >= n.progress + PATIENCE) for (const key of [...n.asked]) this.lacks(key, n);
    const out: { readonly neighbour: RoutingNeighbour; readonly keys: readonly string[] }[] = [];
    for (const neighbour of this.#neighbours.values()) {
      if (neighbour.queue.size === 0 || neighbour.muting.isMuted(now)) continue;
      const keys = this.#takeFrom(neighbour, now);
      if (keys.length > 0) out.push({ neighbour, keys });
    }
    return out;
  }

  #takeFrom(neighbour: RoutingNeighbour, now: Ms): string[] {
    const keys: string[] = [];
    for (const key of neighbour.queue) {
      if (neighbour.asked.size >= WINDOW) break;
      neighbour.queue.delete(key);
      const want = this.#wants.get(key);
      if (!want || want.asked !== undefined || !want.sources.has(neighbour.label)) continue;
      const ready = this.#pace.get(originOf(key))?.next ?? now;
      if (ready > now) {
        this.#later.set(key, ready);
        continue;
      }
      want.asked = neighbour.label;
      if (neighbour.asked.size === 0) neighbour.progress = now;
      neighbour.asked.add(key);
      keys.push(key);
    }
    return keys;
  }

  #release(key: string, want: Want): void {
    if (want.asked !== undefined) this.#neighbours.get(want.asked)?.asked.delete(key);
    want.asked = undefined;
  }

  /** Whoever else offers it may be asked. */
  #again(key: string, want: Want): void {
    if (want.sources.size === 0) this.#wants.delete(key);
    else for (const label of want.sources.keys()) this.#neighbours.get(label)?.queue.add(key);
  }
}
