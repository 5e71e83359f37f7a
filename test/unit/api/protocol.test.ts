import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  fromWireError,
  LINE_MAX,
  LineReader,
  parseReply,
  parseRequest,
  toWireError,
} from "../../../runtime/api/protocol.ts";
import { TrellisError } from "../../../runtime/base/errors.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("lines", () => {
  test("are the same however the stream is cut", async () => {
    await fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), fc.integer({ min: 1, max: 7 }), (texts, step) => {
        const lines = texts.map((t) => t.replaceAll("\n", ""));
        const stream = bytes(lines.map((l) => `${l}\n`).join(""));
        const reader = new LineReader(LINE_MAX);
        const got: string[] = [];
        for (let at = 0; at < stream.length; at += step) got.push(...reader.push(stream.subarray(at, at + step)));
        // The decoder takes a byte order mark at the very beginning away.
        expect(got.map((l) => l.replace(/^\uFEFF/, ""))).toEqual(lines.map((l) => l.replace(/^\uFEFF/, "")));
      }),
    );
  });

  test("without an end are refused, so that a client cannot fill the memory", () => {
    const reader = new LineReader(LINE_MAX);
    reader.push(bytes("x".repeat(LINE_MAX)));
    expect(() => reader.push(bytes("x"))).toThrow(expect.objectContaining({ code: "api/line-too-long" }));
  });
});

describe("requests", () => {
  test.each([
    ["no JSON", "{"],
    ["an array", "[]"],
    ["null", "null"],
    ["no id", '{"method":"status"}'],
    ["an id that is text", '{"id":"1","method":"status"}'],
    ["no method", '{"id":1}'],
    ["params that are an array", '{"id":1,"method":"status","params":[]}'],
  ])("with %s are none", (_, line) => {
    expect(parseRequest(line)).toBeUndefined();
  });

  test("may leave the params out", () => {
    expect(parseRequest('{"id":1,"method":"status"}')).toEqual({ id: 1, method: "status", params: {} });
  });

  test("survive their encoding", async () => {
    const params = fc.dictionary(
      fc.string().filter((k) => k !== "__proto__"),
      fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
    );
    await fc.assert(
      fc.property(fc.nat(), fc.string(), params, (id, method, given) => {
        const sent = { id, method, params: given };
        expect(parseRequest(JSON.stringify(sent))).toEqual(JSON.parse(JSON.stringify(sent)));
      }),
    );
  });

  test("and replies: no text makes the parsers throw", async () => {
    await fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        parseRequest(text);
        parseReply(text);
      }),
    );
  });
});

describe("replies", () => {
  test.each([
    ["neither result nor error", '{"id":1}'],
    ["an error without a code", '{"id":1,"error":{"message":"m"}}'],
    ["no id", '{"result":1}'],
  ])("with %s are none", (_, line) => {
    expect(parseReply(line)).toBeUndefined();
  });

  test("with the result null are replies", () => {
    expect(parseReply('{"id":1,"result":null}')).toEqual({ id: 1, result: null });
  });

  test.each([
    ["a hint", { hint: "do that" }],
    ["no hint", {}],
  ])("carry an error with %s across", (_, extra) => {
    const error = toWireError(new TrellisError("a/b", "message", extra));
    const reply = parseReply(JSON.stringify({ id: 1, error }));
    const back = reply && "error" in reply ? fromWireError(reply.error) : undefined;
    expect(back).toMatchObject({ code: "a/b", message: "message" });
    expect(back?.hint).toBe("hint" in extra ? extra.hint : undefined);
  });

  test("name what no code was given for an internal error", () => {
    expect(toWireError(new Error("x"))).toEqual({ code: "api/internal", message: "x", hint: null });
  });
});
