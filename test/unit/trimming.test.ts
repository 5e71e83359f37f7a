import { describe, expect, test } from "bun:test";
import { START, TRIM_ABOVE, Trimming } from "../../runtime/trimming.io.ts";

const MB = 1024 ** 2;

/** A process whose garbage goes when it is collected, and whose mapped pages go when they are given back; in MB and ms. */
function world(live: number, garbage: number, mapped: number, cost = 10) {
  const is = { live, garbage, mapped, now: -START.span, collected: 0, released: 0, watched: 0 };
  const trimming = new Trimming({
    resident: () => ({ all: (is.live + is.garbage + is.mapped) * MB, mapped: is.mapped * MB }),
    collect() {
      is.collected++;
      is.garbage = 0;
      is.now += cost;
    },
    release() {
      is.released++;
      is.mapped = 10;
    },
    watch(span) {
      is.watched = is.now + span;
    },
    now: () => is.now,
  });
  is.now = 0;
  return { is, trimming };
}

test("below its limit a process is left alone", () => {
  const { is, trimming } = world(20, 10, 40);
  expect(trimming.look()).toBe(250);
  expect(is).toMatchObject({ collected: 0, released: 0 });
});

describe("a start may take more", () => {
  const start = () => {
    const { is, trimming } = world(40, 20, 38);
    is.now = -1;
    expect(trimming.look()).toBe(250);
    expect(is).toMatchObject({ collected: 0, released: 0, watched: 0 });
    return { is, trimming };
  };

  test("until it is over", () => {
    const { is, trimming } = start();
    is.now = 0;
    trimming.look();
    expect(is.released).toBe(1);
  });

  test("until much is taken in", async () => {
    const { is, trimming } = start();
    await trimming.room(MB);
    expect(is.released).toBe(1);
  });

  test("and not all that there is", () => {
    const { is, trimming } = world(80, 20, 38);
    is.now = -1;
    trimming.look();
    expect(is).toMatchObject({ collected: 1, released: 1 });
  });
});

test("above it mapped pages go first, which cost least; garbage where that was not enough", () => {
  const { is, trimming } = world(20, 30, 60);
  trimming.look();
  expect(is).toMatchObject({ collected: 0, released: 1 });
  is.garbage = 90;
  expect(trimming.look()).toBe(10);
  expect(is).toMatchObject({ collected: 1, released: 1, garbage: 0 });
});

test("mapped pages are not given back over and over where they come at once again", () => {
  const { is, trimming } = world(TRIM_ABOVE / MB, 0, 12);
  for (let i = 0; i < 100; i++) trimming.look();
  expect(is.released).toBe(1);
});

test("a process that is large and does not grow is collected once", () => {
  const { is, trimming } = world(150, 0, 0);
  for (; is.now < 10_000; is.now += 10) trimming.look();
  expect(is.collected).toBe(1);
  is.live = 100; // and again when it has shrunk and grown
  trimming.look();
  is.garbage = 3;
  trimming.look();
  expect(is.collected).toBe(2);
});

test("one that grows and grows is collected for half of the time at most, and a quarter of it below", () => {
  for (const [live, share] of [
    [100, 0.5],
    [86, 0.25],
  ] as const) {
    const { is, trimming } = world(live, 0, 0, 20);
    for (; is.now < 10_000; is.now += 10) {
      is.garbage = live === 100 ? is.garbage + 8 : 8;
      trimming.look();
    }
    expect((is.collected * 20) / is.now).toBeLessThanOrEqual(share + 0.01);
    expect(is.collected).toBeGreaterThan(10);
  }
});

test("much that is taken in is a look of its own", async () => {
  const { is, trimming } = world(20, 0, 80);
  await trimming.room(100_000);
  await trimming.room(100_000);
  expect(is.released).toBe(0);
  await trimming.room(100_000);
  expect(is.released).toBe(1);
});

test("looks stay close for a while when it was near its limit, and tables are looked after as long", () => {
  const { is, trimming } = world(20, 0, 80);
  expect(trimming.look()).toBe(10); // 30 MB by now
  is.now += 1_999;
  expect(trimming.look()).toBe(10);
  is.now += 1;
  expect(trimming.look()).toBe(250);
  expect(is.watched).toBe(2_000);
});

test("who would take more in waits for the next collection where it is tight, and only there", async () => {
  const { is, trimming } = world(20, 10, 40);
  trimming.look();
  await trimming.room(0);
  is.live = 130;
  trimming.look(); // collects at once; the next one may not yet
  is.now += 1;
  is.garbage = 10;
  trimming.look();
  let waits = true;
  const waited = trimming.room(0).then(() => {
    waits = false;
  });
  await Promise.resolve();
  expect(waits).toBe(true);
  is.now += 1_000;
  trimming.look();
  await waited;
  is.now += 1;
  is.garbage = 10;
  trimming.look();
  const other = trimming.room(0);
  is.live = 20;
  trimming.look(); // it is tight no more
  await other;
});
