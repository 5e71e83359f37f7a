import { describe, expect, test } from "bun:test";
import { toHex } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { IdTree } from "../../../runtime/sync/id-tree.ts";
import { type Answer, decodeMessage, encodeMessage } from "../../../runtime/sync/message.ts";
import { answer, Walk } from "../../../runtime/sync/walk.ts";
import { seededNumber, seededRandom } from "../../help/seeded.ts";

const random = seededRandom("walk");
const newId = (): string => toHex(random(16));
const treeOf = (ids: Iterable<string>): IdTree => {
  const tree = new IdTree(native);
  for (const id of ids) tree.add({ id });
  return tree;
};

/** Walks over the wire's encoding; counts bytes of both ways. */
function reconcile(
  mine: IdTree,
  theirs: IdTree,
): { lacking: string[]; surplus: string[]; bytes: number; rounds: number } {
  const walk = new Walk(mine);
  const [lacking, surplus]: [string[], string[]] = [[], []];
  let [bytes, rounds] = [0, 0];
  for (let ranges = walk.next(); ranges.length > 0; ranges = walk.next()) {
    const ask = encodeMessage("ask", { number: rounds, ranges });
    const asked = decodeMessage(ask);
    const tell = encodeMessage("tell", {
      number: rounds,
      answers: asked?.type === "ask" ? answer(theirs, asked.ranges) : [],
    });
    const told = decodeMessage(tell);
    const found = walk.told(told?.type === "tell" ? told.answers : []);
    if (!found) throw new Error("an honest answer was refused");
    lacking.push(...found.lacking);
    surplus.push(...found.surplus);
    bytes += ask.length + tell.length;
    rounds++;
  }
  return { lacking: lacking.sort(), surplus: surplus.sort(), bytes, rounds };
}

describe("a walk", () => {
  test("finds exactly what two sets differ by", () => {
    const number = seededNumber("walks");
    for (let i = 0; i < 60; i++) {
      const size = Math.floor(number() ** 3 * 4000);
      const [p, q] = [number(), number()];
      const all = Array.from({ length: size }, () => (number() < 0.2 ? "abcdef" : "") + newId()).map((id) =>
        id.slice(0, 32),
      );
      const mine = new Set(all.filter(() => number() < p));
      const theirs = new Set(all.filter(() => number() < q));
      const found = reconcile(treeOf(mine), treeOf(theirs));
      expect(found.lacking).toEqual([...theirs.difference(mine)].sort());
      expect(found.surplus).toEqual([...mine.difference(theirs)].sort());
    }
  });

  test("over equal sets of any size asks once", () => {
    for (const size of [0, 1, 5000]) {
      const ids = Array.from({ length: size }, newId);
      expect(reconcile(treeOf(ids), treeOf(ids))).toMatchObject({ lacking: [], surplus: [], rounds: 1 });
    }
  });

  test("costs some kilobytes for one difference in 100,000", () => {
    const ids = Array.from({ length: 100_000 }, newId);
    const mine = treeOf(ids);
    const theirs = treeOf(ids);
    theirs.add({ id: newId() });
    const { lacking, bytes, rounds } = reconcile(mine, theirs);
    expect(lacking).toHaveLength(1);
    expect(bytes).toBeLessThan(4_000);
    expect(rounds).toBeLessThan(6);
  });

  test("costs 130 bytes a difference with 1,000 on each side of 10,000", () => {
    const common = Array.from({ length: 10_000 }, newId);
    const [a, b] = [Array.from({ length: 1000 }, newId), Array.from({ length: 1000 }, newId)];
    const { lacking, surplus, bytes } = reconcile(treeOf([...common, ...a]), treeOf([...common, ...b]));
    expect([lacking.length, surplus.length]).toEqual([1000, 1000]);
    expect(bytes).toBeLessThan(2000 * 130);
  });

  test("goes on where it was when no answer came", () => {
    const walk = new Walk(treeOf(Array.from({ length: 50 }, newId)));
    expect(walk.next()).toEqual(walk.next());
  });

  const NONE: Answer = { parts: undefined, ids: new Uint8Array(0) };
  const liars: readonly (readonly [string, (prefix: string) => Answer])[] = [
    [
      "that all parts differ, for ever",
      (prefix) => (prefix.length < 12 ? { parts: random(256), ids: undefined } : NONE),
    ],
    ["invented ids, for ever", (prefix) => ({ parts: undefined, ids: Uint8Array.fromHex(prefix.padEnd(32, "0")) })],
    ["that it has nothing", () => ({ parts: new Uint8Array(256), ids: undefined })],
  ];
  test.each(liars)("of a liar who tells %s ends", (_, lie) => {
    const walk = new Walk(treeOf(Array.from({ length: 500 }, newId)));
    let ranges = 0;
    for (let asked = walk.next(); asked.length > 0; asked = walk.next()) {
      ranges += asked.length;
      if (!walk.told(asked.map(({ prefix }) => lie(prefix)))) break; // caught
    }
    expect(ranges).toBeLessThanOrEqual(1_000 + 500 + 64);
  });

  test.each([
    ["too few answers", []],
    ["ids of another range", [{ parts: undefined, ids: Uint8Array.fromHex("ff".repeat(16)) }]],
    ["ids out of order", [{ parts: undefined, ids: Uint8Array.fromHex("00".repeat(15) + "0200".padEnd(34, "0")) }]],
    ["an id twice", [{ parts: undefined, ids: new Uint8Array(32) }]],
  ] as const)("refuses %s", (_, answers) => {
    const tree = treeOf(Array.from({ length: 200 }, () => `0${newId().slice(1)}`));
    const walk = new Walk(tree);
    walk.next();
    const parts = tree.parts("");
    parts[0] = (parts[0] as number) ^ 1;
    expect(walk.told([{ parts, ids: undefined }])).toBeDefined();
    expect(walk.next().map((r) => r.prefix)).toEqual(["0"]);
    expect(walk.told(answers)).toBeUndefined();
  });
});
