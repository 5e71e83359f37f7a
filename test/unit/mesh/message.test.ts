import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeStreamMessage, encodeStreamMessage, HASHES_MAX } from "../../../runtime/mesh/gossip/message.ts";
import { decodeMessage, encodeMessage, encodeProbe } from "../../../runtime/mesh/session/message.ts";

const HASH = new Uint8Array(16).fill(3);
const ID = new Uint8Array(32).fill(4);

describe("a control message", () => {
  test.each([
    ["ping", { kind: "ping", token: 7 }],
    ["digest", { kind: "digest", digest: ID }],
    ["goodbye", { kind: "goodbye" }],
  ] as const)("%s survives its encoding", (_, message) => {
    expect(decodeMessage(encodeMessage(message))).toEqual(expect.objectContaining(message));
  });

  test.each([
    ["an unknown kind", { kind: "other" }],
    ["a short digest", { kind: "digest", digest: HASH }],
  ])("with %s is refused", (_, message) => {
    expect(() => encodeMessage(message as Parameters<typeof encodeMessage>[0])).toThrow(RangeError);
  });
});

describe("a probe", () => {
  test.each([1168, 1200, 1232, 1280, 1400, 1472, 1500])("can have any length: %d", (length) => {
    for (const size of [1280, 1500]) {
      const probe = encodeProbe(size, length);
      expect(probe?.length).toBe(length);
      expect(decodeMessage(probe as Uint8Array)).toMatchObject({ kind: "probe", token: size });
    }
  });

  test("of a length that no padding gives is none", () => {
    expect(encodeProbe(1280, 5)).toBeUndefined();
  });
});

describe("a stream message", () => {
  test.each([
    ["have", { kind: "have", hashes: [HASH, HASH] }],
    ["member", { kind: "member", data: ID, endpoint: "192.0.2.1:51820" }],
    ["neighbours", { kind: "neighbours", neighbours: [{ id: ID, endpoint: "[2001:db8::1]:51820" }] }],
    ["payload", { kind: "payload", protocol: "transfer", data: HASH }],
  ] as const)("%s survives its encoding", (_, message) => {
    expect(decodeStreamMessage(encodeStreamMessage(message))).toEqual(expect.objectContaining(message));
  });

  test.each([
    ["a hint that is no endpoint", { kind: "member", data: ID, endpoint: "nowhere" }],
    ["too many hashes", { kind: "offer", hashes: Array.from({ length: HASHES_MAX + 1 }, () => HASH) }],
    ["a protocol that is no name", { kind: "payload", protocol: "../x", data: HASH }],
  ])("with %s is refused", (_, message) => {
    expect(() => encodeStreamMessage(message as Parameters<typeof encodeStreamMessage>[0])).toThrow(RangeError);
  });
});

test("garbage never throws, and what is accepted is the one encoding of it", async () => {
  await fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(60), (data, at) => {
      const control = encodeMessage({ kind: "ping", token: 7 });
      const stream = encodeStreamMessage({ kind: "offer", hashes: [HASH] });
      control[at % control.length] = data[0] ?? 0;
      stream[at % stream.length] = data[0] ?? 0;
      for (const input of [data, control, stream]) {
        const message = decodeMessage(input);
        if (message) expect(encodeMessage(message)).toEqual(input);
        const other = decodeStreamMessage(input);
        if (other) expect(encodeStreamMessage(other)).toEqual(input);
      }
    }),
  );
});
