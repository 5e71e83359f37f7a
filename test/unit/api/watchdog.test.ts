import { afterEach, describe, expect, test } from "bun:test";
import { feedWatchdog, watchdogPeriod } from "../../../runtime/api/watchdog.io.ts";
import { EventQueue } from "../../../runtime/base/event-queue.ts";
import { createLog, type LogLine } from "../../../runtime/base/log.ts";
import { PATIENCE, until } from "../../help/shell.ts";

const PERIOD = 80; // milliseconds
let stop = (): void => {};
afterEach(() => stop());

describe("the period", () => {
  test.each([
    ["none without a watchdog", {}, undefined],
    ["none for zero", { WATCHDOG_USEC: "0" }, undefined],
    ["none for what is no number", { WATCHDOG_USEC: "x" }, undefined],
    ["in milliseconds", { WATCHDOG_USEC: "30000000" }, 30_000],
    ["for the process that is meant", { WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, 30_000],
    ["none for a child of it", { WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }, undefined],
  ])("is %s", (_, environment, want) => {
    expect(watchdogPeriod(environment, 7)).toBe(want);
  });
});

describe("the watchdog", () => {
  test("is fed while events are dealt with, not while one is stuck, and again when that one ends", async () => {
    const queue = new EventQueue(() => performance.now());
    const lines: LogLine[] = [];
    let fed = 0;
    const log = createLog((line) => lines.push(line), "debug");
    stop = feedWatchdog(
      PERIOD,
      () => queue.busyFor(),
      () => fed++,
      log,
    );
    await until("food", PATIENCE, async () => (fed > 2 ? true : undefined));

    const { promise, resolve } = Promise.withResolvers<void>();
    const stuck = queue.push(() => promise);
    await until("hunger", PATIENCE, async () => (lines.length > 0 ? true : undefined));
    const before = fed;
    await Bun.sleep(5 * PERIOD);
    expect(fed).toBe(before);
    expect(lines).toHaveLength(1); // said once
    expect(lines[0]).toMatchObject({ level: "error", fields: { period: PERIOD } });

    resolve();
    await stuck;
    await until("food again", PATIENCE, async () => (fed > before ? true : undefined));
  });
});
