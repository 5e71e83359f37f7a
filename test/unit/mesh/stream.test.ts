import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { randomBelow } from "../../../runtime/base/random.ts";
import {
  decodeAcknowledgement,
  decodeReset,
  decodeSegment,
  encodeAcknowledgement,
  encodeReset,
  encodeSegment,
  SEGMENT_PAYLOAD,
  WINDOW,
} from "../../../runtime/mesh/stream/frame.ts";
import { BACKLOG_MAX, isStreamFrame, MESSAGE_MAX, Stream } from "../../../runtime/mesh/stream/stream.ts";
import { seededRandom } from "../../help/seeded.ts";

/** Two streams and a network between them that loses, doubles and reorders. */
class Pair {
  now = 0;
  readonly random;
  loss: number;
  readonly got: { readonly a: Uint8Array[]; readonly b: Uint8Array[] } = { a: [], b: [] };
  readonly events: string[] = [];
  a: Stream;
  b: Stream;
  frames = 0;
  #flying: { at: number; to: "a" | "b"; frame: Uint8Array }[] = [];
  #ids = 1;

  constructor(seed: string, loss: number) {
    this.random = seededRandom(seed);
    this.loss = loss;
    this.a = this.fresh();
    this.b = this.fresh();
  }

  fresh(): Stream {
    return new Stream(() => this.#ids++);
  }

  run(span: number): void {
    const end = this.now + span;
    this.#emit();
    for (;;) {
      this.#flying.sort((x, y) => x.at - y.at);
      const due = Math.min(this.#flying[0]?.at ?? Infinity, this.a.due ?? Infinity, this.b.due ?? Infinity);
      if (due > end) break;
      this.now = Math.max(this.now, due);
      while (this.#flying[0] && this.#flying[0].at <= this.now) {
        const { to, frame } = this.#flying.shift() as { to: "a" | "b"; frame: Uint8Array; at: number };
        const event = this[to].receive(frame, this.now);
        if (event.kind === "messages") this.got[to].push(...event.messages);
        else this.events.push(event.kind === "drop" ? event.reason : event.kind);
      }
      this.#emit();
    }
    this.now = end;
  }

  #emit(): void {
    for (const [from, to] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      for (const frame of this[from].frames(this.now)) {
        this.frames++;
        if (randomBelow(this.random, 100) < this.loss) continue;
        const copies = randomBelow(this.random, 20) === 0 ? 2 : 1;
        for (let i = 0; i < copies; i++)
          this.#flying.push({ at: this.now + 5 + randomBelow(this.random, 20), to, frame: frame.slice() });
      }
    }
  }
}

const message = (random: (n: number) => Uint8Array, length: number): Uint8Array => random(length);

describe("a stream", () => {
  test.each([0, 20, 40, 60])("brings every message, in order, each once, at %d % loss", (loss) => {
    for (const seed of ["one", "two", "three"]) {
      const pair = new Pair(`${seed}/${loss}`, loss);
      const random = seededRandom(`${seed}/messages`);
      const lengths = [1, SEGMENT_PAYLOAD, SEGMENT_PAYLOAD + 1, 14_000, 100_000, 3];
      const sent = lengths.map((n) => message(random, n));
      for (const m of sent) expect(pair.a.push(m)).toBe(true);
      expect(pair.b.push(sent[3] as Uint8Array)).toBe(true);
      pair.run(400_000);
      expect(pair.got.b).toEqual(sent);
      expect(pair.got.a).toEqual([sent[3] as Uint8Array]);
      expect([pair.a.due, pair.b.due]).toEqual([undefined, undefined]);
    }
  });

  test("sends little more than it must: at 0 % loss each segment once, at 20 % at most twice as many frames", () => {
    const bytes = new Uint8Array(200 * SEGMENT_PAYLOAD);
    const frames = (loss: number): number => {
      const pair = new Pair("economy", loss);
      pair.a.push(bytes);
      pair.run(60_000);
      expect(pair.got.b).toHaveLength(1);
      return pair.frames;
    };
    expect(frames(0)).toBeLessThanOrEqual(2 * 200 + 20); // a segment and its acknowledgement; some reordering counts as loss
    expect(frames(20)).toBeLessThanOrEqual(2 * 2 * 200);
  });

  test("asks once a second, by one segment, whether a silent peer is there again, and goes on as soon as it is heard", () => {
    const pair = new Pair("silence", 0);
    const bytes = new Uint8Array(60 * SEGMENT_PAYLOAD);
    for (const end of [pair.a, pair.b]) end.push(bytes.slice(0, 10));
    pair.run(1_000);
    pair.loss = 100;
    for (const end of [pair.a, pair.b]) end.push(bytes);
    pair.run(600_000);
    pair.frames = 0;
    pair.run(60_000);
    expect(pair.frames).toBeLessThanOrEqual(2 * 61);
    pair.loss = 0;
    const [due, later] = [pair.a.due as number, pair.b.due as number].sort((x, y) => x - y) as [number, number];
    expect(due - pair.now).toBeLessThanOrEqual(1_000);
    pair.run(due - pair.now + 60); // there and back
    for (const got of [pair.got.a, pair.got.b]) expect(got.length).toBe(1);
    for (const end of [pair.a, pair.b]) expect(end.due).not.toBe(later); // neither waits for its own
    pair.run(1_000);
    for (const got of [pair.got.a, pair.got.b]) expect(got.map((m) => m.length)).toEqual([10, bytes.length]);
  });

  test("of a peer that restarted begins anew, says so, and carries what is posted then", () => {
    const pair = new Pair("restart", 0);
    pair.a.push(new Uint8Array(50_000));
    pair.run(1000);
    pair.b = pair.fresh();
    pair.a.push(new Uint8Array([1]));
    pair.run(1000);
    expect(pair.events).toContain("unknown");
    expect(pair.events).toContain("reset");
    pair.a.push(new Uint8Array([2]));
    pair.run(1000);
    expect(pair.got.b.at(-1)).toEqual(new Uint8Array([2]));
  });

  test("of a sender that restarted is taken up by the other side without a word", () => {
    const pair = new Pair("sender", 0);
    pair.a.push(new Uint8Array(50_000));
    pair.run(1000);
    pair.a = pair.fresh();
    pair.a.push(new Uint8Array([7]));
    pair.run(1000);
    expect(pair.got.b.at(-1)).toEqual(new Uint8Array([7]));
    expect(pair.events).toEqual([]);
  });

  test("refuses more than its backlog, and messages that are empty or too long", () => {
    const { a } = new Pair("full", 0);
    for (let i = 0; i < BACKLOG_MAX / MESSAGE_MAX; i++) expect(a.push(new Uint8Array(MESSAGE_MAX))).toBe(true);
    expect(a.push(new Uint8Array(1))).toBe(false);
    for (const bad of [0, MESSAGE_MAX + 1]) expect(() => a.push(new Uint8Array(bad))).toThrow(RangeError);
  });

  test("gives up a peer that never ends a message, and asks it to begin anew", () => {
    const { a } = new Pair("endless", 0);
    const payload = new Uint8Array(SEGMENT_PAYLOAD);
    let refused = 0;
    for (let number = 0; number < 300; number++) {
      const event = a.receive(encodeSegment({ stream: 9, number, last: false, open: true, payload }), 0);
      if (event.kind === "drop" && event.reason === "size") refused++;
    }
    expect(refused).toBe(1);
    expect(a.frames(0).map(decodeReset)).toContain(9);
  });

  test("buffers no segment beyond its window", () => {
    const { a } = new Pair("window", 0);
    const segment = { stream: 9, last: true, open: true, payload: new Uint8Array(1) };
    expect(a.receive(encodeSegment({ ...segment, number: WINDOW - 1 }), 0)).toEqual({ kind: "messages", messages: [] });
    expect(a.receive(encodeSegment({ ...segment, number: WINDOW }), 0)).toEqual({ kind: "drop", reason: "window" });
  });

  test("takes no acknowledgement of what it never sent, and none of another stream", () => {
    const pair = new Pair("forged", 0);
    pair.a.push(new Uint8Array(10));
    pair.a.frames(0);
    const bitmap = new Uint8Array(WINDOW / 8).fill(0xff);
    expect(pair.a.receive(encodeAcknowledgement({ stream: 77, next: 1, bitmap }), 1)).toMatchObject({ kind: "drop" });
    pair.a.receive(encodeAcknowledgement({ stream: 1, next: 5, bitmap }), 1);
    expect(pair.a.due).toBeDefined(); // the segment still waits
    pair.a.receive(encodeAcknowledgement({ stream: 1, next: 1, bitmap }), 1);
    expect(pair.a.due).toBeUndefined();
  });

  test("never throws on garbage, and frames have one encoding", async () => {
    await fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.nat(3), (bytes, type) => {
        const { a } = new Pair("garbage", 0);
        const frame = Uint8Array.from(bytes);
        frame[0] = type;
        const s = decodeSegment(frame);
        if (s) expect(encodeSegment(s)).toEqual(frame);
        const k = decodeAcknowledgement(frame);
        if (k) expect(encodeAcknowledgement(k)).toEqual(frame);
        const r = decodeReset(frame);
        if (r !== undefined) expect(encodeReset(r)).toEqual(frame);
        expect(isStreamFrame(frame)).toBe(type > 0);
        if (type > 0) a.receive(frame, 0);
        a.frames(0);
      }),
    );
  });
});
