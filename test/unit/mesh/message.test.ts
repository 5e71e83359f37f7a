import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeMessage, encodeMessage } from "../../../runtime/mesh/session/message.ts";

test("a control message survives its encoding", () => {
  const message = { kind: "member", hash: new Uint8Array(32), part: 0, parts: 2, data: new Uint8Array(9) } as const;
  expect(decodeMessage(encodeMessage(message))).toEqual(expect.objectContaining(message));
});

test.each([
  ["an unknown kind", { kind: "other" }],
  ["a hint that is no endpoint", { kind: "member", endpoint: "nowhere" }],
  ["too many hashes", { kind: "offer", hashes: Array.from({ length: 33 }, () => new Uint8Array(32)) }],
])("a control message with %s is refused", (_, message) => {
  expect(() => encodeMessage(message as Parameters<typeof encodeMessage>[0])).toThrow(RangeError);
});

test("garbage never throws, and what is accepted is the one encoding of it", async () => {
  await fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(40), (data, at) => {
      const near = encodeMessage({ kind: "ping", token: 7 });
      near[at % near.length] = data[0] ?? 0;
      for (const input of [data, near]) {
        const message = decodeMessage(input);
        if (message) expect(encodeMessage(message)).toEqual(input);
      }
    }),
  );
});
