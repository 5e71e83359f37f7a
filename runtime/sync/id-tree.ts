/**
 * A set of what has ids (32 hex digits, 16 bytes of a hash), with a fingerprint for every range of ids that begin alike. Two sets agree on a
 * range when its fingerprints agree; where they do not, the range's sixteen parts tell where to look further.
 *
 * A fingerprint is a hash over hashes, not a sum of them: whoever writes many records could find sets of them whose sums are equal
 * (Wagner's generalized birthday: with 2^16 records to choose from, 2^31 steps for a sum of 256 bits). It depends on the set alone:
 * with at most `BUCKET` ids SHA-256(label ‖ 0 ‖ ids in order), else SHA-256(label ‖ 1 ‖ fingerprints of the parts), an empty part being zeros; 16 bytes of it.
 *
 * In memory a range is divided later than its fingerprint is, and keeps its parts' fingerprints in one piece: a node for two ids would take more than they do.
 */
import { concat } from "../base/bytes.ts";
import { insertAt, placeOf } from "../base/sorted.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";

export const PARTS = 16;
export const FINGERPRINT = 16;
const ID_DIGITS = 32;
/** Ids of a range whose fingerprint is over them. */
const BUCKET = 16;
/** Ids that a range holds in memory before it has parts there; it has none any more with `BUCKET`. */
const PAGE = 64;
const ALL = 2 ** PARTS - 1;
const EMPTY = new Uint8Array(FINGERPRINT);

interface Identified {
  readonly id: string;
}

interface Range<T> {
  count: number;
  /** In order. Exactly one of the two is there. */
  items: T[] | undefined;
  parts: (Range<T> | undefined)[] | undefined;
  /** The parts' fingerprints one after the other, once one was wanted with more than `BUCKET` ids. */
  prints: Uint8Array | undefined;
  /** A bit for each that is up to date. */
  fresh: number;
}

const page = <T>(items: T[] = []): Range<T> => ({
  count: items.length,
  items,
  parts: undefined,
  prints: undefined,
  fresh: 0,
});

export class IdTree<T extends Identified = Identified> {
  readonly #crypto: Pick<CryptoProvider, "sha256">;
  readonly #root: Range<T> = page();
  /** Undefined after a change. */
  #whole: Uint8Array | undefined;

  constructor(crypto: Pick<CryptoProvider, "sha256">) {
    this.#crypto = crypto;
  }

  get size(): number {
    return this.#root.count;
  }

  /** False when its id was there. */
  add(item: T): boolean {
    const added = insert(this.#root, item, 0);
    if (added) this.#whole = undefined;
    return added;
  }

  /** False when it was not there. */
  delete(id: string): boolean {
    const removed = remove(this.#root, id, 0);
    if (removed) this.#whole = undefined;
    return removed;
  }

  get(id: string): T | undefined {
    const found = this.#at(id);
    const items = found?.range.items;
    const item = items?.[placeIn(items, id, found?.depth ?? 0)];
    return item?.id === id ? item : undefined;
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** How many ids begin with `prefix` (hex digits). */
  count(prefix: string): number {
    const found = this.#at(prefix);
    return found?.depth === prefix.length ? found.range.count : this.#items(prefix).length;
  }

  /** Those that begin with `prefix`, in order. */
  ids(prefix: string): string[] {
    return this.#items(prefix).map(idOf);
  }

  /** 16 bytes; zeros for an empty range. */
  fingerprint(prefix: string): Uint8Array {
    if (prefix === "") {
      this.#whole ??= this.#ofRange(this.#root, 0);
      return this.#whole;
    }
    const above = this.#at(prefix.slice(0, -1));
    if (above?.depth !== prefix.length - 1 || above.range.count <= BUCKET)
      return this.#ofItems(this.#items(prefix), prefix.length);
    const at = digit(prefix, above.depth);
    return this.#prints(above.range, above.depth, 1 << at).slice(FINGERPRINT * at, FINGERPRINT * (at + 1));
  }

  /** The fingerprints of the sixteen parts of a range, one after the other. */
  parts(prefix: string): Uint8Array {
    return concat(...Array.from({ length: PARTS }, (_, i) => this.fingerprint(prefix + i.toString(PARTS))));
  }

  *[Symbol.iterator](): Generator<T> {
    yield* itemsOf(this.#root);
  }

  /** The range of a prefix, or the page on the way to it, which its ids are in; undefined where there is none of either. */
  #at(prefix: string): { readonly range: Range<T>; readonly depth: number } | undefined {
    let range = this.#root;
    let depth = 0;
    for (; range.parts && depth < prefix.length; depth++) {
      const next = range.parts[digit(prefix, depth)];
      if (!next) return undefined;
      range = next;
    }
    return { range, depth };
  }

  #items(prefix: string): T[] {
    const found = this.#at(prefix);
    const { items } = found?.range ?? {};
    if (!items) return found ? [...itemsOf(found.range)] : [];
    const from = placeOf(items, prefix, idOf);
    let to = from;
    while (items[to]?.id.startsWith(prefix)) to++;
    return items.slice(from, to);
  }

  #ofRange(range: Range<T>, depth: number): Uint8Array {
    if (range.count > BUCKET) return this.#hash(1, this.#prints(range, depth, ALL));
    return this.#ofItems(range.items ?? [...itemsOf(range)], depth);
  }

  /** The parts' fingerprints, of which those of `wanted` (a bit each) are up to date. */
  #prints(range: Range<T>, depth: number, wanted: number): Uint8Array {
    range.prints ??= new Uint8Array(PARTS * FINGERPRINT);
    const stale = wanted & ~range.fresh;
    if (stale === 0) return range.prints;
    for (let i = 0; i < PARTS; i++) {
      if ((stale & (1 << i)) === 0) continue;
      const part = range.parts?.[i];
      const print = part
        ? this.#ofRange(part, depth + 1)
        : this.#ofItems(partOf(range.items ?? [], depth, i), depth + 1);
      range.prints.set(print, FINGERPRINT * i);
    }
    range.fresh |= stale;
    return range.prints;
  }

  /** Of all in a range that begins with `depth` digits. */
  #ofItems(items: readonly T[], depth: number): Uint8Array {
    if (items.length === 0) return EMPTY;
    if (items.length <= BUCKET) return this.#hash(0, Uint8Array.fromHex(items.map(idOf).join("")));
    return this.#hash(1, ...partsOf(items, depth).map((part) => this.#ofItems(part, depth + 1)));
  }

  #hash(form: number, ...inputs: readonly Uint8Array[]): Uint8Array {
    return this.#crypto.sha256(LABEL.syncRange, Uint8Array.of(form), ...inputs).slice(0, FINGERPRINT);
  }
}

const idOf = ({ id }: Identified): string => id;

function digit(id: string, depth: number): number {
  const code = id.charCodeAt(depth);
  return code < 58 ? code - 48 : code - 87; // 0 to 9, a to f
}

/** Those in the part of digit `at`; which is nearly where it would be if all had as many. */
function partOf<T extends Identified>(items: readonly T[], depth: number, at: number): T[] {
  const digitOf = (i: number): number => digit((items[i] as T).id, depth);
  let from = Math.floor((items.length * at) / PARTS);
  while (from > 0 && digitOf(from - 1) >= at) from--;
  while (from < items.length && digitOf(from) < at) from++;
  let to = from;
  while (to < items.length && digitOf(to) === at) to++;
  return items.slice(from, to);
}

const partsOf = <T extends Identified>(items: readonly T[], depth: number): T[][] =>
  Array.from({ length: PARTS }, (_, i) => partOf(items, depth, i));

function* itemsOf<T>({ items, parts }: Range<T>): Generator<T> {
  if (items) yield* items;
  else for (const part of parts ?? []) if (part) yield* itemsOf(part);
}

function insert<T extends Identified>(range: Range<T>, item: T, depth: number): boolean {
  const at = digit(item.id, depth);
  const added = range.items ? intoPage(range.items, item, depth) : insert(partFor(range, at), item, depth + 1);
  if (!added) return false;
  range.count++;
  range.fresh &= ~(1 << at);
  if (range.items && range.count > PAGE && depth < ID_DIGITS) divide(range, range.items, depth);
  return true;
}

/** As `placeOf`, of ids that have `depth` digits in common. Ids are hashes, so the next digits tell nearly where: what is compared is seldom near in memory. */
function placeIn(items: readonly Identified[], id: string, depth: number): number {
  const next = PARTS * digit(id, depth) + (depth + 1 < ID_DIGITS ? digit(id, depth + 1) : 0);
  let place = Math.floor((items.length * next) / PARTS ** 2);
  while (place > 0 && (items[place - 1] as Identified).id >= id) place--;
  while (place < items.length && (items[place] as Identified).id < id) place++;
  return place;
}

function intoPage<T extends Identified>(items: T[], item: T, depth: number): boolean {
  const place = placeIn(items, item.id, depth);
  if (items[place]?.id === item.id) return false;
  insertAt(items, place, item);
  return true;
}

function partFor<T>(range: Range<T>, at: number): Range<T> {
  const parts = range.parts as (Range<T> | undefined)[];
  parts[at] ??= page();
  return parts[at];
}

function divide<T extends Identified>(range: Range<T>, items: readonly T[], depth: number): void {
  range.items = undefined;
  range.parts = partsOf(items, depth).map((part) => (part.length > 0 ? page(part) : undefined));
}

function remove<T extends Identified>(range: Range<T>, id: string, depth: number): boolean {
  const at = digit(id, depth);
  const part = range.parts?.[at];
  const removed = range.items ? outOfPage(range.items, id, depth) : part !== undefined && remove(part, id, depth + 1);
  if (!removed) return false;
  range.count--;
  range.fresh &= ~(1 << at);
  if (range.parts && part?.count === 0) range.parts[at] = undefined;
  if (range.parts && range.count <= BUCKET) {
    range.items = [...itemsOf(range)];
    range.parts = undefined;
  }
  return true;
}

function outOfPage<T extends Identified>(items: T[], id: string, depth: number): boolean {
  const place = placeIn(items, id, depth);
  if (items[place]?.id !== id) return false;
  items.splice(place, 1);
  return true;
}
