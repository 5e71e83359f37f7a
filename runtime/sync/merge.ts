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
import { RecentHex } from "../base/recent-hex.ts";
import { insertAt, placeOf } from "../base/sorted.ts";
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
  /** By author and kind, in the order of their keys. */
  readonly #groups = new Map<string, T[]>();
  readonly #hex = new RecentHex();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(author: Uint8Array, kind: KindName, keyName: string): T | undefined {
    return find(this.#groups.get(this.#name(author, kind)), keyName);
  }

  /** Of one author and kind, until the next change. */
  group(author: Uint8Array, kind: KindName): readonly T[] {
    return this.#groups.get(this.#name(author, kind)) ?? [];
  }

  /** How many of one author and kind. */
  count(author: Uint8Array, kind: KindName): number {
    return this.#groups.get(this.#name(author, kind))?.length ?? 0;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const group of this.#groups.values()) yield* group;
  }

  /** What `add` would say, without doing it. */
  would(record: Ranked): Merged<T>["outcome"] {
    const group = this.#groups.get(this.#name(record.author, record.kind)) ?? [];
    return outcomeIn(group, placeOf(group, record.keyName, keyNameOf), record);
  }

  add(record: T): Merged<T> {
    const name = this.#name(record.author, record.kind);
    const group = this.#groups.get(name) ?? [];
    const place = placeOf(group, record.keyName, keyNameOf);
    const outcome = outcomeIn(group, place, record);
    if (outcome !== "added") return { outcome };
    this.#groups.set(name, group);
    const dropped: T[] = [];
    const same = group[place];
    if (same?.keyName === record.keyName) {
      dropped.push(same);
      group[place] = record;
    } else {
      insertAt(group, place, record);
      this.#size++;
    }
    while (group.length > KINDS[record.kind].perAuthor) {
      const last = lowest(group) as T;
      this.remove(last);
      dropped.push(last);
    }
    return { outcome, dropped };
  }

  remove(record: Ranked): void {
    const name = this.#name(record.author, record.kind);
    const group = this.#groups.get(name);
    if (!group || !find(group, record.keyName)) return;
    group.splice(placeOf(group, record.keyName, keyNameOf), 1);
    this.#size--;
    if (group.length === 0) this.#groups.delete(name);
  }

  #name(author: Uint8Array, kind: KindName): string {
    return `${this.#hex.of(author)}/${kind}`;
  }
}

function judge(record: Ranked, against: Ranked): "added" | "known" | "older" {
  const difference = order(record, against);
  if (difference > 0) return "added";
  return difference === 0 ? "known" : "older";
}

const keyNameOf = ({ keyName }: Ranked): string => keyName;

/** `place`: where its key stands, or would. */
function outcomeIn(group: readonly Ranked[], place: number, record: Ranked): "added" | "known" | "older" {
  const same = group[place];
  if (same?.keyName === record.keyName) return judge(record, same);
  if (group.length < KINDS[record.kind].perAuthor) return "added";
  return judge(record, lowest(group) as Ranked);
}

function find<T extends Ranked>(group: readonly T[] | undefined, keyName: string): T | undefined {
  const found = group?.[placeOf(group, keyName, keyNameOf)];
  return found?.keyName === keyName ? found : undefined;
}

function lowest<T extends Ranked>(group: readonly T[]): T | undefined {
  let low: T | undefined;
  for (const record of group) if (!low || order(record, low) < 0) low = record;
  return low;
}
