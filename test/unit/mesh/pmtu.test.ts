import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  BASE_PLPMTU,
  CAUTION,
  CLOSE_ENOUGH,
  CONFIRM_TIMER,
  ERROR_PAUSE,
  MAX_CONFIRMATIONS,
  PathMtu,
  PROBE_TIMER,
  RAISE_TIMER,
} from "../../../runtime/mesh/pmtu.ts";

const MOST = 1500;
const ROUND_TRIP = 40;
const NOTICED = CONFIRM_TIMER + (MAX_CONFIRMATIONS + 1) * PROBE_TIMER;

/** Runs the machine over a path that carries data until `end`; `mtu` may change with time, `lost` says whether a probe is lost for no reason. */
function drive(
  path: PathMtu,
  from: number,
  end: number,
  mtu: (at: number) => number,
  lost: (size: number) => boolean = () => false,
): readonly number[] {
  const probes: number[] = [];
  let now = from;
  for (;;) {
    path.carried(now);
    now = Math.max(now, path.due);
    if (now > end) return probes;
    const sizes = path.next(now);
    probes.push(...sizes);
    const arrived = sizes.filter((size) => size <= mtu(now) && !lost(size));
    if (arrived.length > 0) now += ROUND_TRIP;
    for (const size of arrived) path.passed(size, now);
  }
}

describe("path MTU discovery", () => {
  test("finds in two round trips that nothing is in the way", () => {
    const path = new PathMtu(MOST, 0);
    expect(path.limit(0)).toBe(BASE_PLPMTU);
    expect(drive(path, 0, 2 * ROUND_TRIP, () => 9000)).toEqual([BASE_PLPMTU, MOST, BASE_PLPMTU]);
    expect([path.state, path.size, path.limit(100)]).toEqual(["complete", MOST, undefined]);
  });

  test("finds what a path carries, whatever that is, and lets nothing through that it does not carry", () => {
    const sizes = fc.integer({ min: BASE_PLPMTU, max: 2000 });
    fc.assert(
      fc.property(sizes, sizes, (mtu, most) => {
        const path = new PathMtu(most, 0);
        for (let at = 0; at < 60_000; at += 100) {
          const probes = drive(path, at, at + 100, () => mtu);
          for (const probe of probes) expect(probe).toBeLessThanOrEqual(most);
          expect(path.limit(at + 100) ?? most).toBeLessThanOrEqual(Math.min(mtu, most));
        }
        expect(Math.min(mtu, most) - path.size).toBeLessThan(CLOSE_ENOUGH);
      }),
      { numRuns: 50 },
    );
  });

  test("under loss never claims what has not passed, and finds it in the end", () => {
    fc.assert(
      fc.property(fc.integer({ min: BASE_PLPMTU, max: 1600 }), fc.infiniteStream(fc.nat(99)), (mtu, dice) => {
        const path = new PathMtu(MOST, 0);
        const lost = (): boolean => (dice.next().value as number) < 30;
        for (let minute = 0; minute < 60; minute++) {
          drive(path, minute * 60_000, (minute + 1) * 60_000, () => mtu, lost);
          expect(path.size).toBeLessThanOrEqual(mtu);
        }
        drive(path, 60 * 60_000, 60 * 60_000 + 2 * RAISE_TIMER, () => mtu);
        expect(Math.min(mtu, MOST) - path.size).toBeLessThan(CLOSE_ENOUGH);
      }),
      { numRuns: 30 },
    );
  });

  test("notices a path that becomes smaller, and at once sends no more than is sure", () => {
    fc.assert(
      fc.property(fc.integer({ min: BASE_PLPMTU, max: 1450 }), fc.integer({ min: 1000, max: 300_000 }), (mtu, when) => {
        const path = new PathMtu(MOST, 0);
        drive(path, 0, when + NOTICED, (at) => (at < when ? 9000 : mtu));
        expect(path.limit(when + NOTICED)).toBeLessThanOrEqual(mtu);
        drive(path, when + NOTICED, when + 90_000, () => mtu);
        expect(mtu - path.size).toBeLessThan(CLOSE_ENOUGH);
      }),
    );
  });

  test("notices that a path has become larger within ten minutes", () => {
    const path = new PathMtu(MOST, 0);
    drive(path, 0, 60_000, () => 1400);
    drive(path, 60_000, 90_000 + RAISE_TIMER, () => 9000);
    expect(path.size).toBe(MOST);
  });

  test("where use alone counts, asks nothing while nothing flows, and at once when something does", () => {
    const path = new PathMtu(MOST, 0, true);
    const later = 10_000_000;
    const pass = (sizes: readonly number[], now: number): void => {
      for (const size of sizes) if (size <= 1400) path.passed(size, now);
    };
    drive(path, 0, 60_000, () => 1400);
    for (let now = path.due; now < later; now = path.due) pass(path.next(now), now);
    expect([path.state, path.due]).toEqual(["complete", Number.POSITIVE_INFINITY]);
    const found = path.size;
    path.carried(later);
    expect(path.due).toBe(later);
    expect(drive(path, later, later + NOTICED, () => 1300)[0]).toBe(found);
    expect(path.limit(later + NOTICED)).toBeLessThanOrEqual(1300);
    expect(drive(path, later + NOTICED, later + NOTICED + 2 * RAISE_TIMER, () => 9000)).toContain(MOST);
    expect(path.limit(later + NOTICED + 2 * RAISE_TIMER)).toBeUndefined();
  });

  test("does not take a full queue, in which large packets find no room, for a small path", () => {
    const path = new PathMtu(MOST, 0);
    drive(path, 0, 100, () => 9000);
    let small = 0;
    const everySecond = (size: number): boolean => size > BASE_PLPMTU || small++ % 2 === 0;
    const probes = drive(path, 100, 600_000, () => 9000, everySecond);
    expect(probes.length).toBeGreaterThan(100);
    expect([path.size, path.limit(600_000)]).toEqual([MOST, undefined]);
  });

  test("of a path on which nobody answers asks three times and pauses; that is no reason to send less", () => {
    const path = new PathMtu(MOST, 0);
    const probes = drive(path, 0, 3 * PROBE_TIMER + ERROR_PAUSE - 1, () => 0);
    expect(probes).toEqual([BASE_PLPMTU, BASE_PLPMTU, BASE_PLPMTU]);
    expect([path.state, path.limit(CAUTION)]).toEqual(["error", undefined]);
    drive(path, 20_000, 60_000, () => 1400);
    expect(path.limit(60_000)).toBeLessThanOrEqual(1400);
  });

  test("takes no answer to what it has not asked", () => {
    const path = new PathMtu(MOST, 0);
    path.passed(MOST, 0);
    expect(path.size).toBe(BASE_PLPMTU);
    path.next(0);
    for (const size of [MOST, 0, -1, 1e9, Number.NaN]) path.passed(size, 1);
    expect([path.state, path.size]).toEqual(["base", BASE_PLPMTU]);
  });
});
