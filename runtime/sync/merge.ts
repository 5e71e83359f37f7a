/**
 * What a replica holds of records, and the rule by which two replicas become one. The state is a function of the set of records ever
 * seen, whatever their order and however often they came:
 *
 * 1. of each slot (author, kind, key) the record with the highest version, of two with one version the one with the
 *    higher id (an author forks only when it was restored from a backup or cloned, author.ts);
 * 2. of each author and kind, of those, the `perAuthor` highest by the same order.
 *
 * Rule 2 bounds what an author can make others keep, and lets deleted records go for good: one falls out only when `perAuthor`
 * others of its author are newer, and then what it deleted is out as well.
 */
import { toHex } from "../base/bytes.ts";
import { KINDS, type KindName } from "./kinds.ts";
import type { Rec } from "./record.ts";

/** What the merge needs to know of a record. */
export type Ranked = Pick<Rec, "kind" | "author" | "id" | "keyName" | "version">;

export type Merged<T> =
  /** It is in; `dropped` went because of it. */
  | { readonly outcome: "added"; readonly dropped: readonly T[] }
  /** It is in already. */
  | { readonly outcome: "known" }
  /** Something newer stands in its place. */
  | { readonly outcome: "older" };

/** Positive when `a` is newer. */
export const order = (a: Ranked, b: Ranked): number =>
  a.version - b.version || (a.id < b.id ? -1 : Number(a.id > b.id));

export class RecordSet<T extends Ranked> {
  /** By author and kind, then by key. */
  readonly #groups = new Map<string, Map<string, T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(author: Uint8Array, kind: KindName, keyName: string): T | undefined {
    return this.#groups.get(groupOf(author, kind))?.get(keyName);
  }

  /** Of one author and kind, in no order. */
  group(author: Uint8Array, kind: KindName): Iterable<T> {
    return this.#groups.get(groupOf(author, kind))?.values() ?? [];
  }

  /** How many of one author and kind. */
  count(author: Uint8Array, kind: KindName): number {
    return this.#groups.get(groupOf(author, kind))?.size ?? 0;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const group of this.#groups.values()) yield* group.values();
  }

  /** What `add` would say, without doing it. */
  would(record: Ranked): Merged<T>["outcome"] {
    const group = this.#groups.get(groupOf(record.author, record.kind));
    const same = group?.get(record.keyName);
    if (same) return judge(record, same);
    if (!group || group.size < KINDS[record.kind].perAuthor) return "added";
    return judge(record, lowest(group) as T);
  }

  add(record: T): Merged<T> {
    const outcome = this.would(record);
    if (outcome !== "added") return { outcome };
    const name = groupOf(record.author, record.kind);
    const group = this.#groups.get(name) ?? new Map<string, T>();
    this.#groups.set(name, group);
    const dropped: T[] = [];
    const same = group.get(record.keyName);
    if (same) dropped.push(same);
    group.set(record.keyName, record);
    if (!same) this.#size++;
    while (group.size > KINDS[record.kind].perAuthor) {
      const last = lowest(group) as T;
      this.remove(last);
      dropped.push(last);
    }
    return { outcome, dropped };
  }

  remove(record: Ranked): void {
    const name = groupOf(record.author, record.kind);
    const group = this.#groups.get(name);
    if (!group?.delete(record.keyName)) return;
    this.#size--;
    if (group.size === 0) this.#groups.delete(name);
  }
}

const groupOf = (author: Uint8Array, kind: KindName): string => `${toHex(author)}/${kind}`;

function judge(record: Ranked, against: Ranked): "added" | "known" | "older" {
  const difference = order(record, against);
  if (difference > 0) return "added";
  return difference === 0 ? "known" : "older";
}

function lowest<T extends Ranked>(group: ReadonlyMap<string, T>): T | undefined {
  let low: T | undefined;
  for (const record of group.values()) if (!low || order(record, low) < 0) low = record;
  return low;
}
