import { expect, test } from "bun:test";
import { toHex } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { IdTree } from "../../../runtime/sync/id-tree.ts";
import { seededNumber, seededRandom } from "../../help/seeded.ts";

const random = seededRandom("ids");
const newId = (): string => toHex(random(16));
const treeOf = (ids: Iterable<string>): IdTree => {
  const tree = new IdTree(native);
  for (const id of ids) tree.add({ id });
  return tree;
};

test("a tree agrees with a set, for every range", () => {
  const number = seededNumber("tree");
  const tree = new IdTree(native);
  const model = new Set<string>();
  // Few first digits, so that ranges are deep in places.
  const pool = Array.from({ length: 600 }, () => "ab0".charAt(number() * 3).repeat(number() * 6) + newId()).map((id) =>
    id.slice(0, 32),
  );
  for (let i = 0; i < 4000; i++) {
    const id = pool[Math.floor(number() * pool.length)] as string;
    if (number() < 0.5 + 0.4 * Math.sin(i / 500)) expect(tree.add({ id })).toBe(!model.has(id));
    else expect(tree.delete(id)).toBe(model.delete(id));
    if (tree.has(id)) model.add(id);
    expect(tree.size).toBe(model.size);
    const prefix = id.slice(0, number() * 9);
    const want = [...model].filter((m) => m.startsWith(prefix)).sort();
    expect(tree.ids(prefix)).toEqual(want);
    expect(tree.count(prefix)).toBe(want.length);
    expect(tree.has(id)).toBe(model.has(id));
    if (i % 40 === 0) {
      const same = treeOf(want);
      expect(tree.fingerprint(prefix)).toEqual(same.fingerprint(prefix));
    }
  }
});

test("a fingerprint depends on the set alone, not on how it came about", () => {
  const ids = Array.from({ length: 500 }, newId);
  const [kept, gone] = [ids.slice(0, 300), ids.slice(300)];
  const long = treeOf(ids);
  for (const id of gone) long.delete(id);
  const short = treeOf(kept.toReversed());
  expect(long.fingerprint("")).toEqual(short.fingerprint(""));
  expect(long.parts("")).toEqual(short.parts(""));
});

test("a fingerprint differs when one id is more, less or another, in each range that has it", () => {
  for (const size of [1, 2, 16, 17, 18, 300]) {
    const ids = Array.from({ length: size }, newId);
    const tree = treeOf(ids);
    const [id, other] = [ids[0] as string, newId()];
    for (const depth of [0, 1, 2, 5, 32]) {
      const prefix = id.slice(0, depth);
      const before = tree.fingerprint(prefix);
      tree.delete(id);
      const without = tree.fingerprint(prefix);
      expect(without).not.toEqual(before);
      tree.add({ id: other });
      expect(tree.fingerprint("")).not.toEqual(treeOf(ids).fingerprint(""));
      tree.delete(other);
      tree.add({ id });
      expect(tree.fingerprint(prefix)).toEqual(before);
    }
  }
});

test("an empty range has a fingerprint of zeros, as deep as one asks", () => {
  const tree = treeOf(Array.from({ length: 100 }, () => `a${newId().slice(1)}`));
  expect(tree.fingerprint("b")).toEqual(new Uint8Array(16));
  expect(tree.fingerprint("b0123")).toEqual(new Uint8Array(16));
  expect(tree.ids("b0123")).toEqual([]);
  expect(new IdTree(native).fingerprint("")).toEqual(new Uint8Array(16));
});
