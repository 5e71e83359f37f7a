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

describe("nasty lines", () => {
  const deep = (open: string, close: string): string => open.repeat(100_000) + close.repeat(100_000);
  test.each([
    ["nothing", ""],
    ["white space", " \t\r "],
    ["lists in each other", deep("[", "]")],
    ["objects in each other", `{"id":1,"method":"x","params":${deep('{"a":', "1}").replaceAll("1}1}", "}}")}`],
    ["an unfinished object", '{"id":1,"method":"status"'],
    ["two objects", '{"id":1,"method":"a"}{"id":2,"method":"b"}'],
    ["an id that is a list", '{"id":[1],"method":"a"}'],
    ["an id that is not a number", '{"id":null,"method":"a"}'],
    ["a method that is an object", '{"id":1,"method":{}}'],
    ["params that are null twice", '{"id":1,"method":"a","params":"x"}'],
    ["not-a-number", '{"id":NaN,"method":"a"}'],
    ["a byte order mark inside", '{"id":1,\uFEFF"method":"a"}'],
    ["a control character in a string", '{"id":1,"method":"a\u0000'],
  ])("are no requests and do not throw: %s", (_, line) => {
    expect(parseRequest(line)).toBeUndefined();
    expect(parseReply(line)).toBeUndefined();
  });

  test("that set prototypes set none", () => {
    const request = parseRequest(
      '{"id":1,"method":"a","params":{"__proto__":{"admin":true}},"__proto__":{"params":{}}}',
    );
    expect(request?.params).not.toHaveProperty("admin", true);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test("of bytes that are no UTF-8 are read as such, cut anywhere", () => {
    for (let cut = 1; cut < 6; cut++) {
      const reader = new LineReader(LINE_MAX);
      const stream = Uint8Array.of(0x7b, 0xff, 0xe2, 0x82, 0x7d, 0x0a);
      const lines = [...reader.push(stream.subarray(0, cut)), ...reader.push(stream.subarray(cut))];
      expect(lines).toEqual(["{\uFFFD\uFFFD}"]);
    }
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
