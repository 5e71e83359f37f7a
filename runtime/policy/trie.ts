/**
 * First match over (protocol, destination port) as a radix-16 trie over the 24 bits `protocol ‖ port`: whatever the number
 * of rules, a lookup reads at most six nodes. A node is a row of sixteen references, to a node or to a leaf.
 */
import { TrellisError } from "../base/errors.ts";
import type { Rule } from "./policy.ts";

/** A reference with this bit is a leaf: a rule's number, from 1, and whether it allows; number 0 means that no rule matches. */
export const LEAF = 0x8000_0000;
export const LEAF_ALLOWS = 0x4000_0000;
export const LEAF_NUMBER = 0x3fff_ffff;
export const NO_RULE = LEAF;

export const ROW_WORDS = 16;
const LEVELS = 6;

/** Rows of a table: 64 bytes each, 4 MB. The kernel's table always has as many: of one size, it is read without a call. */
export const ROWS_MAX = 1 << 16;

export const tooLarge = (): TrellisError =>
  new TrellisError("policy/too-large", "the compiled policy would take more than 4 MB", {
    hint: "fewer rules about ranges of ports, or roles instead of names",
  });

/** A table in the making. */
export class Rows {
  #words: Uint32Array;
  #rows: number;

  /** The first ones are the caller's. */
  constructor(reserved: number) {
    this.#words = new Uint32Array(ROW_WORDS * 64);
    this.#rows = reserved;
  }

  get length(): number {
    return this.#rows;
  }

  /** Number of a new row. Throws `policy/too-large`. */
  add(words: ArrayLike<number>): number {
    if (this.#rows >= ROWS_MAX) throw tooLarge();
    if (ROW_WORDS * (this.#rows + 1) > this.#words.length) {
      const wider = new Uint32Array(2 * this.#words.length);
      wider.set(this.#words);
      this.#words = wider;
    }
    this.#words.set(words, ROW_WORDS * this.#rows);
    return this.#rows++;
  }

  /** Of all rows so far. */
  get words(): Uint32Array {
    return this.#words.subarray(0, ROW_WORDS * this.#rows);
  }
}

export interface Numbered {
  readonly rule: Rule;
  /** From 1. */
  readonly number: number;
}

interface Span {
  readonly first: number;
  readonly last: number;
  readonly leaf: number;
}

const KEYS_LAST = 0xff_ffff;

/** Reference to the trie of these rules, in order. */
export function buildTrie(rows: Rows, rules: readonly Numbered[]): number {
  return build(rows, rules.flatMap(spansOf), 0, LEVELS);
}

function spansOf({ rule, number }: Numbered): Span[] {
  const leaf = (LEAF | (rule.action === "allow" ? LEAF_ALLOWS : 0) | number) >>> 0;
  if (!rule.protocols) return [{ first: 0, last: KEYS_LAST, leaf }];
  const ports = rule.ports ?? [{ first: 0, last: 0xffff }];
  return rule.protocols.flatMap((p) =>
    ports.map(({ first, last }) => ({ first: (p << 16) | first, last: (p << 16) | last, leaf })),
  );
}

/** Of the keys from `base` on that have `level` digits still to come. All `spans` meet them; the first in the list wins. */
function build(rows: Rows, spans: readonly Span[], base: number, level: number): number {
  const [winner] = spans;
  if (!winner) return NO_RULE;
  const size = 16 ** level;
  if (winner.first <= base && winner.last >= base + size - 1) return winner.leaf;
  const step = size / 16;
  const children: (Span[] | undefined)[] = new Array(16);
  const full = new Array<boolean>(16).fill(false); // by a span that covers the child: what comes later cannot win there
  for (const span of spans) {
    const from = Math.max(0, Math.floor((span.first - base) / step));
    const to = Math.min(15, Math.floor((span.last - base) / step));
    for (let i = from; i <= to; i++) {
      if (full[i]) continue;
      const child = children[i];
      if (child) child.push(span);
      else children[i] = [span];
      full[i] = span.first <= base + i * step && span.last >= base + (i + 1) * step - 1;
    }
  }
  const references = Array.from(children, (some, i) =>
    some ? build(rows, some, base + i * step, level - 1) : NO_RULE,
  );
  const [same] = references as [number];
  const uniform = same >= LEAF && references.every((r) => r === same);
  return uniform ? same : rows.add(references);
}

/**
 * Reference to one that says what all of these say together: a packet passes when it passes each. What denies comes before what allows, and
 * the earliest rule before others; where one has no rule neither has the whole, unless another denies.
 */
export function joinTries(rows: Rows, roots: readonly number[]): number {
  if (roots.every((root) => root >= LEAF)) return joinLeaves(roots);
  const references = Array.from({ length: 16 }, (_, i) =>
    joinTries(
      rows,
      roots.map((root) => (root >= LEAF ? root : (rows.words[ROW_WORDS * root + i] as number))),
    ),
  );
  return references.every((r) => r >= LEAF && r === references[0]) ? (references[0] as number) : rows.add(references);
}

function joinLeaves(leaves: readonly number[]): number {
  const ruled = leaves.filter((leaf) => (leaf & LEAF_NUMBER) !== 0);
  const denied = ruled.filter((leaf) => (leaf & LEAF_ALLOWS) === 0);
  const told = denied.length > 0 ? denied : ruled.length === leaves.length ? ruled : [];
  return told.length === 0 ? NO_RULE : told.reduce((a, b) => ((a & LEAF_NUMBER) <= (b & LEAF_NUMBER) ? a : b));
}

/** The leaf of a key. */
export function lookUp(words: Uint32Array, root: number, protocol: number, port: number): number {
  const key = (protocol << 16) | port;
  let reference = root;
  for (let shift = 20; reference < LEAF; shift -= 4)
    reference = words[ROW_WORDS * reference + ((key >> shift) & 15)] as number;
  return reference;
}
