import { expect, test } from "bun:test";
import { EventLog } from "../../../runtime/api/event-log.ts";

test("who asks again hears each event once, and who begins hears what comes from then on", () => {
  const log = new EventLog(() => 7);
  log.add("a", { x: 1 });
  expect(log.after(undefined)).toEqual({ next: 1, skipped: 0, events: [] });
  log.add("b", { x: 2 });
  log.add("c", {});
  expect(log.after(1)).toEqual({
    next: 3,
    skipped: 0,
    events: [
      { number: 2, at: 7, kind: "b", x: 2 },
      { number: 3, at: 7, kind: "c" },
    ],
  });
  expect(log.after(3)).toEqual({ next: 3, skipped: 0, events: [] });
});

test("what was too much to keep is counted", () => {
  const log = new EventLog(() => 0);
  for (let i = 0; i < 1000; i++) log.add("x", {});
  expect(log.after(0)).toMatchObject({ next: 1000, skipped: 1000 - 512 });
});
