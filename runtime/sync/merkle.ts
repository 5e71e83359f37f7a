/**
 * The tree of a batch, in the shape of RFC 9162 §2.1: a tree of n > 1 leaves is a left one of the largest power of two below n
 * and a right one of the rest. Leaves come hashed (record.ts), with a label of their own, so no inner node passes for a leaf.
 *
 * Ranges of leaves are [from, to). A proof for several leaves is the hashes of the largest subtrees that hold none of them, from left to right.
 */
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";

export const BATCH_MAX = 256;
/** Hashes in the path of one leaf: log2 of the largest batch. */
export const PATH_MAX = 8;

type Sha256 = Pick<CryptoProvider, "sha256">;

/** Where a tree of more than one leaf is cut: the largest power of two below the number of its leaves. */
const split = (leaves: number): number => 2 ** Math.ceil(Math.log2(leaves) - 1);

const nodeOf = ({ sha256 }: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array =>
  sha256(LABEL.recordNode, left, right);

/** A leaf with its place and its path. */
export interface Proven {
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** The tree over all leaves, at least one: its root, and every leaf's path. Each subtree is hashed once. */
export function treeOf(
  crypto: Sha256,
  leaves: readonly Uint8Array[],
): { readonly root: Uint8Array; readonly proven: readonly Proven[] } {
  const tree = checkProof(
    crypto,
    leaves.length,
    leaves.map((leaf, index) => ({ index, leaf })),
    [],
  );
  if (!tree) throw new RangeError("a tree has at least one leaf");
  return tree;
}

/** The proof for all of `known` together, in a tree of `count` leaves. Each must have its right path. */
export function proofOf(count: number, known: readonly Proven[]): readonly Uint8Array[] {
  const siblings = new Map<number, Uint8Array>();
  for (const { index, path } of known) {
    const ranges = siblingRanges(count, index);
    for (const [i, range] of ranges.entries()) siblings.set(range, path[i] as Uint8Array);
  }
  const shown = new Set(known.map((k) => k.index));
  return holes(0, count, shown).map((range) => siblings.get(range) as Uint8Array);
}

/**
 * The root, and every leaf's path, from leaves (by their index, ascending) and a proof; undefined when their numbers do not
 * fit. Whether the root is the signed one is the caller's question.
 */
export function checkProof(
  crypto: Sha256,
  count: number,
  leaves: readonly { readonly index: number; readonly leaf: Uint8Array }[],
  proof: readonly Uint8Array[],
): { readonly root: Uint8Array; readonly proven: readonly Proven[] } | undefined {
  const ascending = leaves.every((l, i) => l.index > (leaves[i - 1]?.index ?? -1) && l.index < count);
  const shown = new Map(leaves.map((l) => [l.index, l.leaf]));
  if (!ascending || leaves.length === 0 || holes(0, count, shown).length !== proof.length) return undefined;
  const hashes = new Map<number, Uint8Array>();
  let used = 0;
  const hash = (from: number, to: number): Uint8Array => {
    let value: Uint8Array;
    if (!anyIn(shown, from, to)) value = proof[used++] as Uint8Array;
    else if (to - from === 1) value = shown.get(from) as Uint8Array;
    else {
      const at = from + split(to - from);
      value = nodeOf(crypto, hash(from, at), hash(at, to));
    }
    hashes.set(name(from, to), value);
    return value;
  };
  const root = hash(0, count);
  const proven = leaves.map(({ index, leaf }) => ({
    index,
    leaf,
    path: siblingRanges(count, index).map((range) => hashes.get(range) as Uint8Array),
  }));
  return { root, proven };
}

const name = (from: number, to: number): number => from * (BATCH_MAX + 1) + to;

/** Names of the subtrees beside the way from a leaf up to the root. */
function siblingRanges(count: number, index: number): readonly number[] {
  const out: number[] = [];
  let [from, to] = [0, count];
  while (to - from > 1) {
    const at = from + split(to - from);
    out.unshift(index < at ? name(at, to) : name(from, at));
    [from, to] = index < at ? [from, at] : [at, to];
  }
  return out;
}

interface Shown {
  has(index: number): boolean;
}

function anyIn(shown: Shown, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (shown.has(i)) return true;
  return false;
}

/** Names of the largest subtrees without any of `shown`, from left to right. */
function holes(from: number, to: number, shown: Shown): readonly number[] {
  if (!anyIn(shown, from, to)) return [name(from, to)];
  if (to - from === 1) return [];
  const at = from + split(to - from);
  return [...holes(from, at, shown), ...holes(at, to, shown)];
}
