import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Endpoint, endpointKey } from "../../../runtime/base/endpoint.ts";
import { ANSWER_WITHIN, ASK_AT, GRACE, Seek } from "../../../runtime/mesh/discovery/seek.ts";
import { PLACES_MAX } from "../../../runtime/mesh/places.ts";
import { seededRandom } from "../../help/seeded.ts";

const OLD: Endpoint = { address: "10.0.0.1", port: 1 };
const NEW: Endpoint = { address: "10.0.0.2", port: 2 };
const OTHER: Endpoint = { address: "10.0.0.3", port: 3 };
const random = seededRandom("seek");

/** Runs until nothing is asked any more; `answers` gives how long an answer takes, or undefined when there is none. */
function drive(seek: Seek, from: number, answers: (place: Endpoint) => number | undefined) {
  const asked: string[] = [];
  const coming: { at: number; token: number; from: Endpoint }[] = [];
  let moved: { to: Endpoint; at: number } | undefined;
  for (let now = from; now < from + 2 * ANSWER_WITHIN; now++) {
    for (const { place, token } of seek.take(now)) {
      asked.push(`${now - from} ${endpointKey(place)}`);
      const after = answers(place);
      if (after !== undefined) coming.push({ at: now + after, token, from: place });
    }
    for (const a of coming) if (a.at === now) seek.answered(a.token, a.from, now);
    const to = seek.settle(now);
    if (to) moved = { to, at: now - from };
  }
  expect(seek.due).toBe(Number.POSITIVE_INFINITY);
  return { asked, moved };
}

describe("a peer that may be elsewhere", () => {
  test("is asked there several times, and given up when nobody answers", () => {
    const seek = new Seek();
    seek.begin(NEW, undefined, random, 0);
    expect(drive(seek, 0, () => undefined)).toEqual({
      asked: ASK_AT.map((at) => `${at} 10.0.0.2:2`),
      moved: undefined,
    });
  });

  test("is there from its first answer on, when nothing else is in use", () => {
    const seek = new Seek();
    seek.begin(NEW, undefined, random, 0);
    const { asked, moved } = drive(seek, 0, () => 30);
    expect(moved).toEqual({ to: NEW, at: 30 });
    expect(asked).toHaveLength(1);
  });

  test("stays where it is spoken to as long as it answers there, whichever answer comes first", () => {
    for (const [old, other] of [
      [10, 20],
      [20, 10],
      [10 + GRACE / 2, 10],
    ] as const) {
      const seek = new Seek();
      seek.begin(NEW, OLD, random, 0);
      expect(drive(seek, 0, (p) => (p === OLD ? old : other)).moved).toBeUndefined();
    }
  });

  test("moves when it does not answer there any more, a moment after the other answer", () => {
    const seek = new Seek();
    seek.begin(NEW, OLD, random, 0);
    expect(drive(seek, 0, (p) => (p === NEW ? 10 : undefined)).moved).toEqual({ to: NEW, at: 10 + GRACE });
  });

  test("moves to the first that answers of several", () => {
    const seek = new Seek();
    for (const place of [NEW, OTHER]) seek.begin(place, undefined, random, 0);
    expect(drive(seek, 0, (p) => (p === OTHER ? 10 : 60)).moved).toEqual({ to: OTHER, at: 10 });
  });

  test("is where its answer came from, not where it was asked", () => {
    const seek = new Seek();
    seek.begin(NEW, undefined, random, 0);
    const [question] = seek.take(0);
    expect(seek.answered(question?.token ?? 0, OTHER, 5)).toBe(true);
    expect(seek.settle(5)).toEqual(OTHER);
  });

  test("is not asked twice at a place at once, nor at more places than are remembered", () => {
    const seek = new Seek();
    for (let i = 0; i < 3; i++) seek.begin(NEW, undefined, random, 0);
    for (let i = 0; i < 40; i++) seek.begin({ address: `10.1.0.${i}`, port: 1 }, undefined, random, 0);
    expect(seek.take(0)).toHaveLength(PLACES_MAX);
  });
});

test("an answer that nobody asked for, or that is late, moves nothing", () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.nat(10_000), (token, late) => {
      const seek = new Seek();
      expect(seek.answered(token, NEW, 0)).toBe(false);
      seek.begin(NEW, OLD, random, 0);
      const [, question] = seek.take(0);
      const now = ANSWER_WITHIN + late;
      expect(seek.answered(question?.token ?? 0, NEW, now)).toBe(false);
      expect(seek.settle(now + GRACE)).toBeUndefined();
      expect(seek.take(now)).toEqual([]);
    }),
  );
});
