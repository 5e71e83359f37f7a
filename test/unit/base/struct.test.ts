import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { bytes, type Field, reserved, type Struct, struct } from "../../../runtime/base/struct.ts";
import { FragmentHeader, SealedHeader } from "../../../runtime/mesh/frame.ts";
import * as messages from "../../../runtime/mesh/handshake/message.ts";

type AnyStruct = Struct<Record<string, Field>>;
const isStruct = (x: unknown): x is AnyStruct => typeof x === "object" && x !== null && "offsets" in x;
const all: readonly unknown[] = [...Object.values(messages), FragmentHeader, SealedHeader];
const LAYOUTS = all.filter(isStruct).map((s) => [s.name, s] as const);

const LIMIT = { u8: 8, u16le: 16, u32le: 32, u64le: 64, u16be: 16, u32be: 32 } as const;
const valueFor = (f: Field): fc.Arbitrary<number | bigint | Uint8Array> => {
  if (typeof f !== "string")
    return fc.uint8Array("bytes" in f ? { minLength: f.bytes, maxLength: f.bytes } : { maxLength: 0 });
  const any = fc.bigInt({ min: 0n, max: 2n ** BigInt(LIMIT[f]) - 1n });
  return f === "u64le" ? any : any.map(Number);
};
const valuesOf = (s: AnyStruct): fc.Arbitrary<Record<string, number | bigint | Uint8Array>> =>
  fc.record(
    Object.fromEntries(
      Object.entries(s.fields)
        .filter(([, f]) => typeof f === "string" || "bytes" in f)
        .map(([name, f]) => [name, valueFor(f)]),
    ),
  );

test("there are layouts for every message and header", () => {
  expect(LAYOUTS.map(([name]) => name).sort()).toEqual([
    "acknowledge",
    "biscuit_secret",
    "cookie_reply",
    "first_answer",
    "first_hello",
    "first_identity",
    "first_reply",
    "fragment_header",
    "hello_secret",
    "init_conf",
    "init_hello",
    "purpose",
    "reply_secret",
    "resp_hello",
    "sealed_header",
    "unknown",
  ]);
});

describe.each(LAYOUTS)("the layout %s", (_, layout) => {
  test("gives back what it took, wherever the bytes stand and whatever follows them", async () => {
    await fc.assert(
      fc.property(valuesOf(layout), fc.nat(9), fc.uint8Array({ maxLength: 9 }), (values, before, after) => {
        const buffer = new Uint8Array(before + layout.size + after.length);
        buffer.set(layout.encode(values), before);
        buffer.set(after, before + layout.size);
        expect(layout.decode(buffer.subarray(before))).toEqual(values);
      }),
      { numRuns: 30 },
    );
  });

  test("refuses what is too short, and any reserved byte that is set, and never throws", async () => {
    const zero = new Uint8Array(layout.size);
    for (let n = 0; n < Math.min(layout.size, 200); n++) expect(layout.decode(zero.subarray(0, n))).toBeUndefined();
    for (const [name, f] of Object.entries(layout.fields)) {
      if (typeof f === "string" || "bytes" in f) continue;
      for (let i = 0; i < f.reserved; i++)
        expect(layout.decode(zero.with((layout.offsets[name] as number) + i, 1))).toBeUndefined();
    }
    await fc.assert(
      fc.property(fc.uint8Array({ maxLength: layout.size + 3 }), (data) => {
        const values = layout.decode(data);
        if (values) expect(layout.encode(values)).toEqual(data.subarray(0, layout.size));
      }),
      { numRuns: 50 },
    );
  });
});

describe("a layout", () => {
  const Mixed = struct("mixed", {
    a: "u16be",
    b: "u32be",
    c: "u16le",
    d: "u32le",
    e: "u64le",
    f: "u8",
    g: reserved(1),
  });

  test("writes each number in its own order", () => {
    const encoded = Mixed.encode({ a: 0x0102, b: 0x03040506, c: 0x0807, d: 0x0c0b0a09, e: 0x14131211100f0e0dn, f: 21 });
    expect([...encoded]).toEqual([...Array.from({ length: 21 }, (_, i) => i + 1), 0]);
    expect(Mixed.decode(encoded)).toEqual({
      a: 0x0102,
      b: 0x03040506,
      c: 0x0807,
      d: 0x0c0b0a09,
      e: 0x14131211100f0e0dn,
      f: 21,
    });
    expect(Mixed.offsets).toEqual({ a: 0, b: 2, c: 6, d: 8, e: 12, f: 20, g: 21 });
  });

  test.each([
    ["a number that is too large", { n: 256 }],
    ["a negative number", { n: -1 }],
    ["no number", { n: undefined }],
    ["bytes of another length", { s: new Uint8Array(3) }],
    ["no bytes", { s: undefined }],
  ])("does not take %s: a bug of the caller", (_, over) => {
    const Small = struct("small", { n: "u8", s: bytes(2) });
    const values = { n: 255, s: new Uint8Array(2), ...over } as Parameters<typeof Small.encode>[0];
    expect(() => Small.encode(values)).toThrow(RangeError);
  });
});
