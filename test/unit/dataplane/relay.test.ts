import { beforeEach, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { concat } from "../../../runtime/base/bytes.ts";
import { sipHash24 } from "../../../runtime/crypto/siphash.ts";
import { Relay, type RelayVerdict } from "../../../runtime/dataplane/relay.ts";
import { HELLO, HelloFrame, RELAY_TTL, RelayHeader } from "../../../runtime/mesh/frame.ts";
import type { Datagram, DataSession } from "../../../runtime/mesh/types.ts";

const address = (last: string): string => `fd01:203:405:0:a:b:c:${last}`;
const [A, R, B, C] = ["1", "2", "3", "4"].map(address) as [string, string, string, string];
const at = (port: number): Datagram["endpoint"] => ({ address: "192.0.2.1", port });
const FRAME = Uint8Array.of(4, 9, 9, 9);
const TAG = RelayHeader.offsets.tag;

/** The two ends of one session: `mine` sends to index `theirs`. */
function sessions(first: number): [DataSession, DataSession] {
  const key = (n: number): Uint8Array => new Uint8Array(16).fill(n);
  const common = { aead: "aes-256-gcm", sendKey: key(0), receiveKey: key(0) } as const;
  const one = {
    ...common,
    localIndex: first,
    remoteIndex: first + 1,
    hopSendKey: key(first),
    hopReceiveKey: key(first + 1),
  };
  const two = {
    ...common,
    localIndex: first + 1,
    remoteIndex: first,
    hopSendKey: key(first + 1),
    hopReceiveKey: key(first),
  };
  return [one, two];
}

let a: Relay;
let r: Relay;
let b: Relay;

/** A session between two neighbours; `x` is at port 1, `y` at port 2 for the other. */
function link(x: Relay, xs: string, y: Relay, ys: string, first: number): void {
  const [one, two] = sessions(first);
  x.install(ys, one, at(first + 1));
  y.install(xs, two, at(first));
  x.use(ys, one.localIndex);
  y.use(xs, two.localIndex);
}

beforeEach(() => {
  [a, r, b] = [new Relay(A), new Relay(R), new Relay(B)];
  link(a, A, r, R, 10);
  link(r, R, b, B, 20);
  a.setRoute(B, R, undefined);
  r.setRoute(A, A, undefined);
  r.setRoute(B, B, undefined);
  b.setRoute(A, R, undefined);
});

const took = (relay: Relay, payload: Uint8Array, from = at(1)): RelayVerdict => relay.take({ endpoint: from, payload });
const forwarded = (verdict: RelayVerdict): Datagram => {
  if ("forward" in verdict) return verdict.forward;
  throw new Error(`not forwarded: ${JSON.stringify(verdict)}`);
};
const sent = (): Uint8Array => a.wrap(B, FRAME)?.payload as Uint8Array;

/** The same datagram with a byte changed and the right tag for it. */
function retagged(datagram: Uint8Array, offset: number, value: number): Uint8Array {
  const out = datagram.with(offset, value);
  out.set(sipHash24(new Uint8Array(16).fill(10), out.subarray(0, TAG)), TAG);
  return out;
}

describe("a relay", () => {
  test("carries a frame to its destination, which sees who sent it through the mesh", () => {
    const first = a.wrap(B, FRAME) as Datagram;
    expect(first.endpoint).toEqual(at(11));
    const second = forwarded(took(r, first.payload));
    expect(second.endpoint).toEqual(at(21));
    expect(RelayHeader.decode(second.payload)?.ttl).toBe(RELAY_TTL - 1);
    expect(took(b, second.payload)).toEqual({ deliver: { endpoint: { address: A, port: 0 }, payload: FRAME } });
  });

  test("and the answer goes back the same way", () => {
    const back = forwarded(took(r, b.wrap(A, FRAME)?.payload as Uint8Array));
    expect(took(a, back.payload)).toEqual({ deliver: { endpoint: { address: B, port: 0 }, payload: FRAME } });
  });

  test("takes a replayed frame again: it costs bandwidth, and the ends drop it", () => {
    const frame = sent();
    expect(took(r, frame)).toEqual(took(r, frame));
  });

  const cases: readonly (readonly [string, () => Uint8Array, string])[] = [
    ["a header cut short", () => sent().subarray(0, 31), "malformed"],
    ["nothing behind the header", () => sent().subarray(0, 32), "malformed"],
    ["a reserved byte", () => retagged(sent(), 2, 1), "malformed"],
    ["no hops left", () => retagged(sent(), 1, 0), "malformed"],
    ["more hops than there may be", () => retagged(sent(), 1, RELAY_TTL + 1), "malformed"],
    ["an unknown link", () => sent().with(4, 99), "link"],
    ["a flipped tag", () => sent().with(TAG, (sent()[TAG] as number) ^ 1), "tag"],
    ["another destination under an old tag", () => sent().with(15, 4), "tag"],
    ["a source that is not under the tag", () => sent().with(23, 77), "tag"],
    ["what it forwarded itself", () => forwarded(took(r, sent())).payload, "link"],
    ["its last hop used up", () => retagged(sent(), 1, 1), "ttl"],
    ["a destination that nobody knows", () => retagged(sent(), 15, 99), "route"],
    ["its own origin as the destination", () => retagged(sent(), 15, 1), "loop"],
  ];
  test.each(cases)("drops a frame with %s", (_, make, reason) => {
    expect(took(r, make())).toEqual({ drop: reason as "tag" });
  });

  test("takes the backup where the primary has no session, and says so when neither has", () => {
    const c = new Relay(C);
    link(r, R, c, C, 30);
    r.setRoute(B, B, C);
    r.remove(20);
    expect(forwarded(took(r, sent())).endpoint).toEqual(at(31));
    r.removePeer(C);
    expect(took(r, sent())).toEqual({ drop: "route" });
  });

  test("knows no session any more that was removed", () => {
    const frame = sent();
    r.remove(11);
    expect(took(r, frame)).toEqual({ drop: "link" });
  });

  test("has no way to send where no neighbour leads, nor through a peer that is itself behind the mesh", () => {
    expect(a.wrap(C, FRAME)).toBeUndefined();
    a.setEndpoint(R, { address: R, port: 0 });
    expect(a.wrap(B, FRAME)).toBeUndefined();
    a.setRoute(B, undefined, undefined);
    expect(a.wrap(B, FRAME)).toBeUndefined();
  });

  test("unwraps once: a relay header behind a relay header is malformed", () => {
    const nested = a.wrap(R, concat(sent())) ?? a.wrap(B, sent());
    expect(took(b, forwarded(took(r, nested?.payload as Uint8Array)).payload)).toEqual({ drop: "malformed" });
  });

  test("never throws, and forwards nothing whose tag does not fit", async () => {
    await fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.integer({ min: 1, max: 63 }),
        fc.integer({ min: 1, max: 255 }),
        (bytes, offset, flip) => {
          const garbage = Uint8Array.from([6, ...bytes]);
          expect("drop" in took(r, garbage)).toBe(true);
          const frame = sent();
          if (offset < 32) frame[offset] = (frame[offset] as number) ^ flip;
          expect("drop" in took(r, frame)).toBe(offset < 32);
        },
      ),
    );
  });

  test("needs an overlay address of its own", () => {
    expect(() => new Relay("192.0.2.1")).toThrow(RangeError);
  });

  describe("greeted by a neighbour", () => {
    const question = (fields: Partial<{ kind: number; patience: number; link: number }> = {}, key = 10): Uint8Array => {
      const hello = { kind: HELLO.ask, patience: 40, link: 11, asked: 77n, answered: 0n, ...fields };
      const frame = HelloFrame.encode({ type: 7, tag: new Uint8Array(8), ...hello });
      frame.set(sipHash24(new Uint8Array(16).fill(key), frame.subarray(0, TAG)), TAG);
      return frame;
    };
    const there = at(10); // where the relay reaches it

    test("answers with the question, to where the neighbour is", () => {
      const verdict = took(r, question(), there);
      if (!("reply" in verdict)) throw new Error(JSON.stringify(verdict));
      expect(verdict.reply.endpoint).toEqual(there);
      const answer = HelloFrame.decode(verdict.reply.payload);
      expect(answer).toMatchObject({ kind: HELLO.answer, patience: 40, link: 10, asked: 77n, answered: 0n });
      const tag = sipHash24(new Uint8Array(16).fill(11), verdict.reply.payload.subarray(0, TAG));
      expect(answer?.tag).toEqual(tag);
    });

    test.each<[string, () => Uint8Array, string]>([
      ["half a hello", () => question().subarray(0, 16), "malformed"],
      ["a hello and more", () => concat(question(), Uint8Array.of(0)), "malformed"],
      ["no kind", () => question({ kind: 0 }), "malformed"],
      ["a kind that is not known", () => question({ kind: 4 }), "malformed"],
      ["no patience", () => question({ patience: 0 }), "malformed"],
      ["an index of nobody", () => question({ link: 99 }), "link"],
      ["another key", () => question({}, 12), "tag"],
      ["a changed question", () => question().with(9, 1), "tag"],
    ])("does not answer %s", (_, make, reason) => {
      expect(took(r, make(), there)).toEqual({ drop: reason as "tag" });
    });

    test("answers nobody elsewhere, and nothing to who has heard its answer", () => {
      expect(took(r, question(), at(99))).toMatchObject({ endpoint: at(99) }); // the core is told that it may be there
      expect(took(r, question({ kind: HELLO.confirm }), at(99))).toEqual({ drop: "elsewhere" });
      expect(took(r, question({ kind: HELLO.confirm }), there)).toEqual({ heard: A });
    });
  });
});
