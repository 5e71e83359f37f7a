import { expect, test } from "bun:test";
import { Suspicion } from "../../../runtime/mesh/suspicion.ts";

test("those on the way are avoided one after the other, each instead of the one before", () => {
  const suspicion = new Suspicion();
  expect(suspicion.silent("p", ["a", "b"], 4, 1000)).toEqual([{ relay: "a", until: 21_000 }]);
  expect(suspicion.silent("p", ["a", "b"], 7, 4000)).toEqual([]);
  expect(suspicion.silent("p", ["a", "b"], 8, 5000)).toEqual([
    { relay: "a", until: 5000 },
    { relay: "b", until: 25_000 },
  ]);
  expect(suspicion.silent("p", ["a", "b"], 12, 9000)).toEqual([{ relay: "b", until: 9000 }]);
  expect(suspicion.heard("p", 9500)).toEqual([]);
});

test("the more relay, the more may be lost by accident", () => {
  for (const [between, first] of [
    [["a"], 3],
    [["a", "b", "c", "d"], 6],
  ] as const) {
    const suspicion = new Suspicion();
    for (let n = 1; n < first; n++) expect(suspicion.silent("p", between, n, n)).toEqual([]);
    expect(suspicion.silent("p", between, first, 0)).toEqual([{ relay: "a", until: 20_000 }]);
  }
});

test("who was rightly avoided is avoided for longer each time, an hour at most", () => {
  const suspicion = new Suspicion();
  const pauses = Array.from({ length: 7 }, () => {
    suspicion.silent("p", ["a"], 3, 0);
    return suspicion.heard("p", 0)[0]?.until;
  });
  expect(pauses).toEqual([2, 4, 8, 16, 32, 60, 60].map((m) => m * 60_000));
});

test("of somebody who is forgotten nothing follows", () => {
  const suspicion = new Suspicion();
  suspicion.silent("p", ["a"], 3, 0);
  suspicion.forget("p");
  expect(suspicion.heard("p", 100)).toEqual([]);
});
