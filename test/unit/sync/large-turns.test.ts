import { describe, expect, test } from "bun:test";
import { LARGE, LargeTurns, PacketBounds, STALLED } from "../../../runtime/sync/large-turns.ts";

const CONNECT = 0x10;

/** A packet of MQTT whose body has so many bytes; 0x32: a publish with QoS 1. */
function packet(bytes: number, type = 0x32): Uint8Array {
  const length: number[] = [];
  for (let left = bytes; ; left = Math.floor(left / 128)) {
    length.push(left > 127 ? (left % 128) | 128 : left);
    if (left <= 127) break;
  }
  return Uint8Array.from([type, ...length, ...new Uint8Array(bytes).fill(0x32)]);
}

describe("where packets end", () => {
  test.each([1, 3, 1_000, LARGE, 1_000_000])("is known in pieces of %d bytes", (piece) => {
    const sizes = [0, 2, 127, 128, 16_383, 16_384, LARGE, LARGE + 1, 300_000, 5];
    const all = Buffer.concat(sizes.map(packet));
    const bounds = new PacketBounds();
    let [ended, whole] = [0, 0];
    for (let at = 0; at < all.length; at += piece) {
      whole += bounds.take(all.subarray(at, at + piece));
      if (bounds.hasEnded) ended++;
    }
    expect(whole).toBe(sizes.length);
    expect(ended).toBe(piece < 300_000 ? 2 : 1); // the larger pieces bring both ends at once
    expect(bounds.isAmidLarge).toBe(false);
  });

  test("a large one is seen as soon as its length is", () => {
    const bounds = new PacketBounds();
    const large = packet(LARGE + 1);
    bounds.take(large.subarray(0, 3));
    expect(bounds.isAmidLarge).toBe(false);
    bounds.take(large.subarray(3, 5));
    expect(bounds.isAmidLarge).toBe(true);
    bounds.take(large.subarray(5, -1));
    expect([bounds.isAmidLarge, bounds.hasEnded]).toEqual([true, false]);
    bounds.take(large.subarray(-1));
    expect([bounds.isAmidLarge, bounds.hasEnded, bounds.hasEnded]).toEqual([false, true, false]);
  });
});

test("a message is told from other large packets", () => {
  const bounds = new PacketBounds();
  for (const type of [CONNECT, 0x32]) {
    const large = packet(LARGE + 1, type);
    bounds.take(large.subarray(0, 5));
    expect([bounds.isAmidLarge, bounds.isAmidLargeMessage]).toEqual([true, type !== CONNECT]);
    bounds.take(large.subarray(5));
    expect([bounds.isAmidLarge, bounds.isAmidLargeMessage]).toEqual([false, false]);
  }
});

describe("turns", () => {
  function turns() {
    const called: string[] = [];
    return { called, turns: new LargeTurns<string>((who) => called.push(who)) };
  }

  test("one goes at a time, the others in their order", () => {
    const { called, turns: t } = turns();
    expect(["a", "b", "c", "a"].map((who) => t.may(who, 0))).toEqual([true, false, false, true]);
    t.leave("a", 0);
    expect(called).toEqual(["b"]);
    expect(["a", "b"].map((who) => t.may(who, 1))).toEqual([false, true]); // also when who had it asks first
    t.leave("b", 1);
    expect(called).toEqual(["b", "c"]);
  });

  test("who is gone is not waited for", () => {
    const { called, turns: t } = turns();
    for (const who of ["a", "b", "c"]) t.may(who, 0);
    t.leave("a", 0);
    t.leave("b", 0); // was called, and did not come
    expect(called).toEqual(["b", "c"]);
    expect(t.may("c", 0)).toBe(true);
  });

  test("who brings nothing loses its turn to one who waits, and to nobody else", () => {
    const { called, turns: t } = turns();
    t.may("a", 0);
    t.look(2 * STALLED);
    expect(called).toEqual([]);
    t.may("a", 2 * STALLED);
    t.may("b", 2 * STALLED);
    expect(t.look(3 * STALLED - 1)).toBe(true); // and is to be looked at again
    expect(called).toEqual([]);
    expect(t.look(3 * STALLED)).toBe(false);
    expect(called).toEqual(["b"]);
    expect(["b", "a"].map((who) => t.may(who, 3 * STALLED))).toEqual([true, false]);
  });
});
