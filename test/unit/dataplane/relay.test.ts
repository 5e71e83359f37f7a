import { beforeEach, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { concat } from "../../../runtime/base/bytes.ts";
import { sipHash24 } from "../../../runtime/crypto/siphash.ts";
import { Relay, type RelayVerdict } from "../../../runtime/dataplane/relay.ts";
import { RELAY_TTL, RelayHeader } from "../../../runtime/mesh/frame.ts";
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
    const second = forwarded(r.receive(first.payload));
    expect(second.endpoint).toEqual(at(21));
    expect(RelayHeader.decode(second.payload)?.ttl).toBe(RELAY_TTL - 1);
    expect(b.receive(second.payload)).toEqual({ deliver: { endpoint: { address: A, port: 0 }, payload: FRAME } });
  });

  test("and the answer goes back the same way", () => {
    const back = forwarded(r.receive(b.wrap(A, FRAME)?.payload as Uint8Array));
    expect(a.receive(back.payload)).toEqual({ deliver: { endpoint: { address: B, port: 0 }, payload: FRAME } });
  });

  test("takes a replayed frame again: it costs bandwidth, and the ends drop it", () => {
    const frame = sent();
    expect(r.receive(frame)).toEqual(r.receive(frame));
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
    ["what it forwarded itself", () => forwarded(r.receive(sent())).payload, "link"],
    ["its last hop used up", () => retagged(sent(), 1, 1), "ttl"],
    ["a destination that nobody knows", () => retagged(sent(), 15, 99), "route"],
    ["its own origin as the destination", () => retagged(sent(), 15, 1), "loop"],
  ];
  test.each(cases)("drops a frame with %s", (_, make, reason) => {
    expect(r.receive(make())).toEqual({ drop: reason as "tag" });
  });

  test("takes the backup where the primary has no session, and says so when neither has", () => {
    const c = new Relay(C);
    link(r, R, c, C, 30);
    r.setRoute(B, B, C);
    r.remove(20);
    expect(forwarded(r.receive(sent())).endpoint).toEqual(at(31));
    r.removePeer(C);
    expect(r.receive(sent())).toEqual({ drop: "route" });
  });

  test("knows no session any more that was removed", () => {
    const frame = sent();
    r.remove(11);
    expect(r.receive(frame)).toEqual({ drop: "link" });
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
    expect(b.receive(forwarded(r.receive(nested?.payload as Uint8Array)).payload)).toEqual({ drop: "malformed" });
  });

  test("never throws, and forwards nothing whose tag does not fit", async () => {
    await fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.nat(63),
        fc.integer({ min: 1, max: 255 }),
        (bytes, offset, flip) => {
          const garbage = Uint8Array.from([6, ...bytes]);
          expect("drop" in r.receive(garbage)).toBe(true);
          const frame = sent();
          if (offset < 32) frame[offset] = (frame[offset] as number) ^ flip;
          expect("drop" in r.receive(frame)).toBe(offset < 32);
        },
      ),
    );
  });

  test("needs an overlay address of its own", () => {
    expect(() => new Relay("192.0.2.1")).toThrow(RangeError);
  });
});
