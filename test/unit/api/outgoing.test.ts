import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { Outgoing, WAITING_MAX } from "../../../runtime/api/outgoing.ts";

/** A socket that takes at most `room` bytes a call; -1 plays a closed one. */
function socketOf(rooms: readonly number[]): { out: Outgoing; sent: () => string; calls: () => number } {
  const taken: Uint8Array[] = [];
  let calls = 0;
  const out = new Outgoing((chunk) => {
    const room = rooms[calls++] ?? Number.POSITIVE_INFINITY;
    if (room > 0) taken.push(chunk.slice(0, room));
    return Math.min(chunk.length, room);
  });
  return { out, sent: () => Buffer.concat(taken).toString(), calls: () => calls };
}

describe("what a socket takes in pieces", () => {
  test("arrives whole and in order, however it takes it", async () => {
    await fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme" })),
        fc.array(fc.integer({ min: -1, max: 5 }), { maxLength: 20 }),
        (texts, rooms) => {
          const { out, sent } = socketOf(rooms);
          for (const text of texts) out.send(text);
          for (const _ of rooms) out.drain();
          out.drain();
          expect(sent()).toBe(texts.join(""));
        },
      ),
    );
  });

  test("is not offered again before the socket has room", () => {
    const { out, calls } = socketOf([2]);
    out.send("abcdef");
    expect(calls()).toBe(1);
  });

  test("may wait only up to a bound", () => {
    const { out } = socketOf(new Array(10).fill(0));
    expect(out.send("x".repeat(WAITING_MAX))).toBe(true);
    expect(out.send("x")).toBe(false);
  });
});
