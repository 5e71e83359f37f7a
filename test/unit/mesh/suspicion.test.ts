import { expect, test } from "bun:test";
import { Suspicion } from "../../../runtime/mesh/suspicion.ts";

test("those on the way are avoided one after the other, each instead of the one before", () => {
  const suspicion = new Suspicion();
  expect(suspicion.silent("p", ["a", "b"], 3, 1000)).toEqual([{ relay: "a", until: 21_000 }]);
  expect(suspicion.silent("p", ["a", "b"], 6, 4000)).toEqual([]);
  expect(suspicion.silent("p", ["a", "b"], 7, 5000)).toEqual([
    { relay: "a", until: 5000 },
    { relay: "b", until: 25_000 },
  ]);
  expect(suspicion.silent("p", ["a", "b"], 11, 9000)).toEqual([{ relay: "b", until: 9000 }]);
  expect(suspicion.heard("p", 9500)).toEqual([]);
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
