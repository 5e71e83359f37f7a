import { beforeEach, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { concat, fromHex } from "../../../runtime/base/bytes.ts";
import { CHUNK_MAX, decodeTransfer, encodeTransfer, isFileName } from "../../../runtime/transfer/message.ts";
import { ROOM, Transfers } from "../../../runtime/transfer/transfers.ts";
import { seededRandom } from "../../help/seeded.ts";

const HASH = new Uint8Array(32).fill(8);
let now = 0;
let wire: { to: "a" | "b"; data: Uint8Array }[] = [];
let a: Transfers;
let b: Transfers;

/** Carries everything that was posted, as the sessions would. */
function deliver(): void {
  for (let next = wire.shift(); next; next = wire.shift()) {
    const { to, data } = next;
    (to === "a" ? a : b).hear(to === "a" ? "b" : "a", data, now);
  }
}

beforeEach(() => {
  now = 0;
  wire = [];
  a = new Transfers(seededRandom("a"), (_, data) => wire.push({ to: "b", data }));
  b = new Transfers(seededRandom("b"), (_, data) => wire.push({ to: "a", data }));
});

/** An offer of a that b has taken. */
function opened(size: number): string {
  const id = a.offer("b", "file", size, now) as string;
  deliver();
  expect(b.take("a", now)).toMatchObject({ id, peer: "a", name: "file", size });
  deliver();
  expect(a.sending(id, now)).toEqual({ phase: "open", room: ROOM });
  return id;
}

describe("a transfer", () => {
  test("carries a file of any size in order, never more than the room at a time, and ends when the receiver says so", () => {
    for (const size of [0, 1, CHUNK_MAX, CHUNK_MAX + 1, 3 * ROOM + 17]) {
      const id = opened(size);
      const file = seededRandom(`${size}`)(size);
      const got: Uint8Array[] = [];
      for (let at = 0; at < size; ) {
        const piece = file.subarray(at, at + 200_000);
        if (a.write(id, piece, now)) at += piece.length;
        deliver();
        for (let read = b.read(id, now); read?.kind === "data"; read = b.read(id, now)) got.push(read.data);
        deliver();
      }
      a.finish(id, HASH);
      deliver();
      expect(b.read(id, now)).toEqual({ kind: "end", sha256: HASH });
      expect(concat(...got)).toEqual(file);
      expect(a.sending(id, now)).toMatchObject({ phase: "open" });
      b.close(id, undefined);
      deliver();
      expect(a.sending(id, now)).toEqual({ phase: "done" });
      a.forget(id);
    }
  });

  test("has no room for more until the receiver has read", () => {
    const id = opened(2 * ROOM);
    expect(a.write(id, new Uint8Array(ROOM), now)).toBe(true);
    expect(a.write(id, new Uint8Array(1), now)).toBe(false);
    deliver();
    b.read(id, now);
    deliver();
    expect(a.sending(id, now)).toEqual({ phase: "open", room: CHUNK_MAX });
  });

  test("that nobody asks for is refused after a while, and nothing of it stays", () => {
    const id = a.offer("b", "file", 1, now) as string;
    deliver();
    expect(b.due).toBe(8000);
    b.expire(8000);
    expect([b.due, b.take(undefined, 8000)]).toEqual([undefined, undefined]);
    deliver();
    expect(a.sending(id, now)).toEqual({ phase: "failed", reason: "nobody there is receiving" });
  });

  test("of somebody else than asked for stays where it is", () => {
    a.offer("b", "file", 1, now);
    deliver();
    expect(b.take("c", now)).toBeUndefined();
    expect(b.take("a", now)).toBeDefined();
  });

  test.each([
    ["more than was offered", (id: Uint8Array) => ({ kind: "data", id, data: new Uint8Array(20) }) as const],
    ["an end before all came", (id: Uint8Array) => ({ kind: "end", id, sha256: HASH }) as const],
  ])("whose sender sends %s fails at both ends", (_, message) => {
    const id = opened(10);
    b.hear("a", encodeTransfer(message(fromHex(id) as Uint8Array)), now);
    deliver();
    expect(b.read(id, now)).toMatchObject({ kind: "failed" });
    expect(b.read(id, now)).toBeUndefined();
    expect(a.sending(id, now)).toMatchObject({ phase: "failed" });
  });

  test("cannot be touched by a third gateway", () => {
    const id = opened(10);
    const bytes = fromHex(id) as Uint8Array;
    for (const kind of ["fail", "done", "accept"] as const) {
      a.hear("c", encodeTransfer({ kind, id: bytes }), now);
      b.hear("c", encodeTransfer({ kind, id: bytes }), now);
    }
    b.hear("c", encodeTransfer({ kind: "data", id: bytes, data: new Uint8Array(10) }), now);
    expect(a.sending(id, now)).toEqual({ phase: "open", room: ROOM });
    expect(b.read(id, now)).toEqual({ kind: "nothing" });
  });

  test("whose peer goes away fails at once, at either end", () => {
    const id = opened(10);
    a.lost("b");
    b.lost("a");
    expect(a.sending(id, now)).toEqual({ phase: "failed", reason: "the other gateway went away" });
    expect(b.read(id, now)).toEqual({ kind: "failed", reason: "the other gateway went away" });
  });

  test("that stands still for a minute is given up", () => {
    const id = opened(10);
    now = 60_000;
    expect(a.sending(id, now)).toBeUndefined();
    expect(b.read(id, now)).toEqual({ kind: "nothing" }); // reading is a sign of life of its own
    now = 120_000;
    expect(b.take(undefined, now)).toBeUndefined();
    expect(b.read(id, now)).toBeUndefined();
  });

  test("is refused when the receiver fails to write, with its reason", () => {
    const id = opened(10);
    b.close(id, "no space left on device");
    deliver();
    expect(a.sending(id, now)).toEqual({ phase: "failed", reason: "no space left on device" });
  });
});

test("one peer cannot fill the table of offers", () => {
  for (let i = 0; i < 16; i++) a.offer("b", "file", 1, now);
  expect(a.offer("b", "file", 1, now)).toBeUndefined();
  deliver();
  const taken = Array.from({ length: 16 }, () => b.take("a", now)).filter((o) => o !== undefined);
  expect(taken).toHaveLength(4);
});

test.each(["", "../x", "a/b", "a\\b", ".bashrc", "a\nb", "\x1b[2J", "x".repeat(201)])(
  "%j is no name for a file",
  (name) => {
    expect(isFileName(name)).toBe(false);
  },
);

test("garbage never throws, and what is accepted is the one encoding of it", async () => {
  const near = encodeTransfer({ kind: "credit", id: new Uint8Array(8), taken: 9 });
  await fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(60), (data, at) => {
      const mutated = near.with(at % near.length, data[0] ?? 0);
      for (const input of [data, mutated]) {
        a.hear("b", input, now);
        const message = decodeTransfer(input);
        if (message) expect(encodeTransfer(message)).toEqual(input);
      }
    }),
  );
});
