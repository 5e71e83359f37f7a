import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KIND_NAMES, KINDS } from "../../../runtime/sync/kinds.ts";
import { type Ranked, RecordSet } from "../../../runtime/sync/merge.ts";

/** Few authors, keys and versions, so that records meet; `health` keeps one record of an author, `round` four. */
const arbitrary: fc.Arbitrary<Ranked> = fc
  .record({
    kind: fc.constantFrom("round", "health", "name"),
    author: fc.integer({ min: 0, max: 1 }),
    key: fc.integer({ min: 0, max: 6 }),
    version: fc.integer({ min: 1, max: 12 }),
    fork: fc.integer({ min: 0, max: 2 }),
  })
  .map(({ fork, ...r }) => {
    const id = Bun.hash(JSON.stringify([r, fork]))
      .toString(16)
      .padStart(32, "0");
    return { ...r, id, author: new Uint8Array(32).fill(r.author), keyName: `0${r.key}` } as Ranked;
  });

const describeOf = (r: Ranked): string => `${r.kind} ${r.author[0]} ${r.keyName} v${r.version} ${r.id}`;
const setOf = (records: Iterable<Ranked>): RecordSet<Ranked> => {
  const set = new RecordSet<Ranked>();
  for (const r of records) set.add(r);
  return set;
};
const state = (set: Iterable<Ranked>): string[] => [...set].map(describeOf).sort();

/** The rule as it stands in words: newest of each slot, then the newest of each author and kind. */
function byTheRule(records: readonly Ranked[]): string[] {
  const newer = (a: Ranked, b: Ranked): number => b.version - a.version || (a.id < b.id ? 1 : -1);
  const slots = Map.groupBy(records, (r) => `${r.kind} ${r.author[0]} ${r.keyName}`);
  const newest = [...slots.values()].map((slot) => slot.toSorted(newer)[0] as Ranked);
  const groups = Map.groupBy(newest, (r) => `${r.kind} ${r.author[0]}`);
  return [...groups.values()]
    .flatMap((g) => g.toSorted(newer).slice(0, KINDS[g[0]?.kind ?? "name"].perAuthor))
    .map(describeOf)
    .sort();
}

describe("merging", () => {
  test("gives what the rule says, in whatever order and however often records come", () => {
    fc.assert(
      fc.property(fc.array(arbitrary, { maxLength: 60 }), fc.infiniteStream(fc.nat()), (records, stream) => {
        const shuffled = records.map((r) => [stream.next().value ?? 0, r] as const).sort(([a], [b]) => a - b);
        const again = [...shuffled.map(([, r]) => r), ...records];
        const want = byTheRule(records);
        expect(state(setOf(records))).toEqual(want);
        expect(state(setOf(again))).toEqual(want);
        expect(setOf(again).size).toBe(want.length);
      }),
      { numRuns: 400, seed: 7 },
    );
  });

  test("of states is commutative, associative and idempotent", () => {
    const some = fc.array(arbitrary, { maxLength: 30 });
    const join = (a: Iterable<Ranked>, b: Iterable<Ranked>): RecordSet<Ranked> => setOf([...a, ...b]);
    fc.assert(
      fc.property(some, some, some, (x, y, z) => {
        const [a, b, c] = [setOf(x), setOf(y), setOf(z)];
        expect(state(join(a, b))).toEqual(state(join(b, a)));
        expect(state(join(join(a, b), c))).toEqual(state(join(a, join(b, c))));
        expect(state(join(a, a))).toEqual(state(a));
        // What a replica dropped on its way changes nothing: the states alone decide.
        expect(state(join(join(a, b), c))).toEqual(byTheRule([...x, ...y, ...z]));
      }),
      { numRuns: 400, seed: 8 },
    );
  });

  test("says what went, and tells known from older", () => {
    const at = (key: number, version: number, id = "a"): Ranked => ({
      kind: "round",
      author: new Uint8Array(32),
      keyName: `0${key}`,
      version,
      id,
    });
    const set = setOf([at(1, 1), at(2, 2), at(3, 3), at(4, 4)]);
    expect(set.add(at(5, 5))).toEqual({ outcome: "added", dropped: [at(1, 1)] });
    expect(set.add(at(2, 6))).toEqual({ outcome: "added", dropped: [at(2, 2)] });
    expect(set.add(at(2, 6))).toEqual({ outcome: "known" });
    expect(set.add(at(2, 5))).toEqual({ outcome: "older" });
    expect(set.add(at(1, 1))).toEqual({ outcome: "older" });
    expect(set.add(at(2, 6, "b"))).toEqual({ outcome: "added", dropped: [at(2, 6)] });
    set.remove(at(2, 6));
    expect([set.size, set.count(new Uint8Array(32), "round")]).toEqual([3, 3]);
  });
});

describe("the table of kinds", () => {
  test("gives no number twice, and none that does not fit a byte", () => {
    const numbers = KIND_NAMES.map((name) => KINDS[name].number);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const n of numbers) expect(n > 0 && n < 256).toBe(true);
  });
});
