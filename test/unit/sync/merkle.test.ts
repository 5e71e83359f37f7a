import { describe, expect, test } from "bun:test";
import { concat, toHex, utf8 } from "../../../runtime/base/bytes.ts";
import { LABEL } from "../../../runtime/crypto/labels.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { BATCH_MAX, checkProof, PATH_MAX, proofOf, treeOf } from "../../../runtime/sync/merkle.ts";
import { seededNumber } from "../../help/seeded.ts";

const leavesOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => native.sha256(utf8(`leaf ${i}`)));
const node = (l: Uint8Array, r: Uint8Array): Uint8Array => native.sha256(concat(LABEL.recordNode, l, r));
const rootOf = (leaves: readonly Uint8Array[]): Uint8Array => treeOf(native, leaves).root;

/** As RFC 9162 §2.1 and §2.1.3.1 define them. */
const split = (count: number): number => 2 ** Math.ceil(Math.log2(count) - 1);
const headOf = (leaves: readonly Uint8Array[]): Uint8Array =>
  leaves.length === 1
    ? (leaves[0] as Uint8Array)
    : node(headOf(leaves.slice(0, split(leaves.length))), headOf(leaves.slice(split(leaves.length))));
function pathOf(leaves: readonly Uint8Array[], index: number): readonly Uint8Array[] {
  if (leaves.length === 1) return [];
  const at = split(leaves.length);
  const [left, right] = [leaves.slice(0, at), leaves.slice(at)];
  return index < at ? [...pathOf(left, index), headOf(right)] : [...pathOf(right, index - at), headOf(left)];
}

test("the tree has the shape of RFC 9162", () => {
  const [a, b, c, d, e, f, g] = leavesOf(7) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const want = node(node(node(a, b), node(c, d)), node(node(e, f), g));
  expect(rootOf([a, b, c, d, e, f, g])).toEqual(want);
  expect(rootOf([a])).toEqual(a);
  expect(rootOf([a, b, c])).toEqual(node(node(a, b), c));
});

describe("a proof", () => {
  test("shows any leaves of any tree, and gives each its own path", () => {
    const random = seededNumber("merkle");
    for (let count = 1; count <= BATCH_MAX; count += 1 + Math.floor(random() * 9)) {
      const leaves = leavesOf(count);
      const root = rootOf(leaves);
      expect(root).toEqual(headOf(leaves));
      expect(treeOf(native, leaves).proven.map((p) => p.path)).toEqual(leaves.map((_, i) => pathOf(leaves, i)));
      const chosen = leaves.flatMap((leaf, index) => (random() < 0.3 || count === 1 ? [{ leaf, index }] : []));
      if (chosen.length === 0) continue;
      const known = chosen.map((c) => ({ ...c, path: pathOf(leaves, c.index) }));
      for (const { path } of known) expect(path.length).toBeLessThanOrEqual(PATH_MAX);
      const proof = proofOf(count, known);
      const checked = checkProof(native, count, chosen, proof);
      expect(checked?.root).toEqual(root);
      expect(checked?.proven).toEqual(known);
    }
  });

  test("of all leaves is empty", () => {
    const leaves = leavesOf(100);
    const known = leaves.map((leaf, index) => ({ leaf, index, path: pathOf(leaves, index) }));
    expect(proofOf(100, known)).toEqual([]);
  });

  test("leads to another root when anything of it is changed", () => {
    const leaves = leavesOf(13);
    const root = toHex(rootOf(leaves));
    const chosen = [2, 3, 12].map((index) => ({ index, leaf: leaves[index] as Uint8Array }));
    const proof = proofOf(
      13,
      chosen.map((c) => ({ ...c, path: pathOf(leaves, c.index) })),
    );
    const rootWith = (count: number, shown: typeof chosen, hashes: readonly Uint8Array[]): string | undefined => {
      const checked = checkProof(native, count, shown, hashes);
      return checked && toHex(checked.root);
    };
    expect(rootWith(13, chosen, proof)).toBe(root);
    for (let i = 0; i < proof.length; i++)
      expect(rootWith(13, chosen, proof.with(i, leaves[0] as Uint8Array))).not.toBe(root);
    for (let i = 0; i < chosen.length; i++)
      expect(
        rootWith(13, chosen.with(i, { index: chosen[i]?.index ?? 0, leaf: leaves[0] as Uint8Array }), proof),
      ).not.toBe(root);
    expect(rootWith(13, chosen.with(0, { index: 1, leaf: leaves[2] as Uint8Array }), proof)).not.toBe(root);
    expect(rootWith(14, chosen, proof)).not.toBe(root);
  });

  test("with numbers that do not fit is refused", () => {
    const [a, b] = leavesOf(2) as [Uint8Array, Uint8Array];
    for (const shown of [
      [],
      [{ index: 2, leaf: a }],
      [
        { index: 1, leaf: a },
        { index: 0, leaf: b },
      ],
      [
        { index: 0, leaf: a },
        { index: 0, leaf: a },
      ],
    ])
      expect(checkProof(native, 2, shown, [b])).toBeUndefined();
    expect(checkProof(native, 2, [{ index: 0, leaf: a }], [])).toBeUndefined();
    expect(checkProof(native, 2, [{ index: 0, leaf: a }], [a, b])).toBeUndefined();
  });

  test("an inner node passes for no leaf", () => {
    const leaves = leavesOf(4);
    const inner = rootOf(leaves.slice(0, 2));
    const right = rootOf(leaves.slice(2));
    // A tree of two whose leaves are inner nodes has the same root, but its count is signed beside it.
    expect(checkProof(native, 4, [{ index: 0, leaf: inner }], [right])).toBeUndefined();
  });
});
