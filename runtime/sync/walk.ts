/**
 * Range-based set reconciliation: one side walks down the ranges in which the two differ, the other answers and remembers
 * nothing. An answer costs at most `RANGES_PER_ASK` ranges of work; a walk costs at most in proportion to what this side has and the other
 * gave, whatever the other says.
 */
import { equal } from "../base/bytes.ts";
import { FINGERPRINT, type IdTree, PARTS } from "./id-tree.ts";
import { type Answer, IDS_PER_RANGE, joinIds, RANGES_PER_ASK, type Range, splitIds } from "./message.ts";
import { ID_BYTES } from "./record.ts";

export const answer = (tree: IdTree, ranges: readonly Range[]): readonly Answer[] =>
  ranges.map(({ prefix, fingerprint }) => {
    if (equal(tree.fingerprint(prefix), fingerprint)) return { parts: undefined, ids: undefined };
    const few = tree.count(prefix) <= IDS_PER_RANGE || prefix.length === 2 * ID_BYTES;
    return few ? { parts: undefined, ids: joinIds(tree.ids(prefix)) } : { parts: tree.parts(prefix), ids: undefined };
  });

export interface Differences {
  /** Ids that the other has. */
  readonly lacking: readonly string[];
  /** Ids that the other has not. */
  readonly surplus: readonly string[];
}

/** Ranges that a walk may ask about, beside one for each record that this side has or the other gave. */
const RANGES_FREE = 1_000;
export class Walk {
  readonly #tree: IdTree;
  #open: string[] = [""];
  #asked: readonly string[] = [];
  #spent = 0;
  /** Records that the other gave since the walk began. */
  given = 0;

  constructor(tree: IdTree) {
    this.#tree = tree;
  }

  /** What to ask next; empty when the walk is over. Asking again before an answer came asks the same. */
  next(): readonly Range[] {
    const allowed = RANGES_FREE + this.#tree.size + this.given;
    if (this.#spent > allowed) return [];
    if (this.#asked.length === 0) {
      this.#asked = this.#open.splice(-RANGES_PER_ASK);
      this.#spent += this.#asked.length;
    }
    return this.#asked.map((prefix) => ({ prefix, fingerprint: this.#tree.fingerprint(prefix) }));
  }

  /** Takes the answers to what was asked; undefined when they cannot be right. */
  told(answers: readonly Answer[]): Differences | undefined {
    if (answers.length !== this.#asked.length) return undefined;
    const [lacking, surplus]: [string[], string[]] = [[], []];
    for (const [i, { parts, ids }] of answers.entries()) {
      const prefix = this.#asked[i] as string;
      if (ids && !this.#compare(prefix, splitIds(ids), lacking, surplus)) return undefined;
      if (parts && !this.#descend(prefix, parts, surplus)) return undefined;
    }
    this.#asked = [];
    return { lacking, surplus };
  }

  #compare(prefix: string, theirs: readonly string[], lacking: string[], surplus: string[]): boolean {
    const sound = theirs.every((id, i) => id.startsWith(prefix) && (i === 0 || (theirs[i - 1] as string) < id));
    if (!sound) return false;
    for (const id of theirs) if (!this.#tree.has(id)) lacking.push(id);
    const known = new Set(theirs);
    for (const id of this.#tree.ids(prefix)) if (!known.has(id)) surplus.push(id);
    return true;
  }

  #descend(prefix: string, parts: Uint8Array, surplus: string[]): boolean {
    if (prefix.length === 2 * ID_BYTES) return false;
    for (let i = 0; i < PARTS; i++) {
      const theirs = parts.subarray(FINGERPRINT * i, FINGERPRINT * (i + 1));
      const part = prefix + i.toString(PARTS);
      if (equal(theirs, this.#tree.fingerprint(part))) continue;
      if (theirs.every((b) => b === 0)) surplus.push(...this.#tree.ids(part));
      else this.#open.push(part);
    }
    return true;
  }
}
