import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { encode as encodeQr } from "uqr";
import { decodeBase45, encodeBase45 } from "../../../runtime/base/base45.ts";
import { concat, utf8 } from "../../../runtime/base/bytes.ts";
import { TrellisError } from "../../../runtime/base/errors.ts";
import { formatIp } from "../../../runtime/base/ip.ts";
import { native as crypto } from "../../../runtime/crypto/native.ts";
import { encodeToken, type InviteToken, parseToken } from "../../../runtime/provisioning/token.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const endpoint = fc.record({
  address: fc.oneof(bytes(4), bytes(16)).map(formatIp),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const token: fc.Arbitrary<InviteToken> = fc.record({
  meshId: bytes(32),
  issuerId: bytes(32),
  inviteId: bytes(8),
  secret: bytes(16),
  expires: fc.integer({ min: 0, max: 0xffff_ffff }).map((minutes) => minutes * 60),
  uses: fc.integer({ min: 1, max: 65_535 }),
  endpoints: fc.array(endpoint, { minLength: 1, maxLength: 4 }),
});
const SAMPLE: InviteToken = {
  meshId: new Uint8Array(32).fill(1),
  issuerId: new Uint8Array(32).fill(2),
  inviteId: new Uint8Array(8).fill(3),
  secret: new Uint8Array(16).fill(4),
  expires: 1_700_000_040,
  uses: 1,
  endpoints: [{ address: "192.0.2.1", port: 51820 }],
};
const codeOf = (text: string): string | undefined => {
  try {
    parseToken(crypto, text);
    return undefined;
  } catch (thrown) {
    return thrown instanceof TrellisError ? thrown.code : `threw ${thrown}`;
  }
};

describe("base45", () => {
  test.each([
    ["AB", "BB8"],
    ["Hello!!", "%69 VD92EX0"],
    ["base-45", "UJCLQE7W581"],
    ["ietf!", "QED8WEX0"],
  ])("encodes the example %p of RFC 9285", (plain, encoded) => {
    expect(encodeBase45(utf8(plain))).toBe(encoded);
    expect(decodeBase45(encoded)).toEqual(utf8(plain));
  });
  test("gives back every byte string", async () => {
    await fc.assert(fc.property(fc.uint8Array(), (b) => expect(decodeBase45(encodeBase45(b))).toEqual(b)));
  });
  test("has one text for what it decodes, and refuses all else", async () => {
    await fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."0A:Z %Ga~") }), (text) => {
        const decoded = decodeBase45(text);
        if (decoded) expect(encodeBase45(decoded)).toBe(text);
      }),
    );
    for (const text of ["A", "GGW", ":::", "::", "ab", "AAAA"]) expect(decodeBase45(text)).toBeUndefined();
    expect(decodeBase45("FGW")).toEqual(Uint8Array.of(255, 255));
  });
});

describe("an invite token", () => {
  test("carries everything", async () => {
    await fc.assert(fc.property(token, (t) => expect(parseToken(crypto, encodeToken(crypto, t))).toEqual(t)));
  });
  test("never ends with a space, so trimming is harmless, and may be typed in lower case", async () => {
    await fc.assert(
      fc.property(token, (t) => {
        const text = encodeToken(crypto, t);
        expect(text.trim()).toBe(text);
        expect(parseToken(crypto, ` ${text.toLowerCase()}\n`)).toEqual(t);
      }),
    );
  });
  test("with four IPv6 endpoints fits a QR code of version 10-M in alphanumeric mode", () => {
    const endpoints = Array.from({ length: 4 }, (_, i) => ({ address: `2001:db8::${i + 1}`, port: 51820 }));
    const text = encodeToken(crypto, { ...SAMPLE, endpoints });
    expect(text.length).toBeLessThanOrEqual(311); // ISO/IEC 18004, table 7: 10-M, alphanumeric
    expect(encodeQr(text, { ecc: "M", boostEcc: false }).version).toBeLessThanOrEqual(10);
  });
  test.each([
    ["an empty string", "", "invite/not-a-token"],
    ["some text", "hello", "invite/not-a-token"],
    ["a device label", "TR1:ABC", "invite/other-version"],
    ["a later token", "TR3:ABC", "invite/other-version"],
    ["a later version inside", `TR2:${encodeBase45(Uint8Array.of(2, 0, 0))}`, "invite/other-version"],
    ["the prefix alone", "TR2:", "invite/truncated"],
    ["foreign characters", "TR2:!!!!", "invite/damaged"],
  ])("is not %s", (_, text, code) => {
    expect(codeOf(text)).toBe(code);
  });
  test("cut off anywhere is called truncated", () => {
    const text = encodeToken(crypto, SAMPLE);
    for (let n = 4; n < text.length; n++) {
      // A cut before a space that is trimmed as well is a cut all the same.
      expect(codeOf(text.slice(0, n))).toBe("invite/truncated");
    }
  });
  test("with any character changed is refused", async () => {
    const text = encodeToken(crypto, SAMPLE);
    await fc.assert(
      fc.property(
        fc.integer({ min: 4, max: text.length - 1 }),
        fc.constantFrom(..."0123456789ABCXYZ $%*+-./:"),
        (at, c) => {
          fc.pre(text[at] !== c);
          const code = codeOf(text.slice(0, at) + c + text.slice(at + 1));
          // The second byte tells the length and the first the version; a change there may look like one of the others.
          expect([
            "invite/damaged",
            ...(at < 7
              ? ["invite/truncated", "invite/other-version"]
              : at === text.length - 1
                ? ["invite/truncated"]
                : []),
          ]).toContain(code as string);
        },
      ),
      { numRuns: 500 },
    );
  });
  test("of any text is read or refused with a code, and what is read comes back", async () => {
    const good = encodeToken(crypto, SAMPLE);
    const alphabet = fc.constantFrom(..."0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:");
    const changed = fc
      .array(fc.tuple(fc.nat(good.length), alphabet), { maxLength: 3 })
      .map((list) => list.reduce((t, [at, c]) => t.slice(0, at) + c + t.slice(at + 1), good));
    const text = fc.oneof(
      changed,
      fc.string(),
      fc.string({ unit: "grapheme" }).map((t) => `TR2:${t}`),
      fc.uint8Array({ maxLength: 200 }).map((b) => `TR2:${encodeBase45(b)}`),
    );
    await fc.assert(
      fc.property(text, (t) => {
        const code = codeOf(t);
        if (code === undefined) expect(encodeToken(crypto, parseToken(crypto, t))).toBe(t.trim().toUpperCase());
        else expect(code).toMatch(/^invite\/(not-a-token|other-version|truncated|damaged)$/);
      }),
      { numRuns: 1000 },
    );
  });

  const body = (over: { shape?: number; uses?: number; port?: number }): string => {
    const data = Buffer.from(decodeBase45(encodeToken(crypto, SAMPLE).slice(4)) as Uint8Array).subarray(0, -4);
    if (over.shape !== undefined) data[1] = over.shape;
    if (over.uses !== undefined) data.writeUInt16BE(over.uses, 2);
    if (over.port !== undefined) data.writeUInt16BE(over.port, data.length - 2);
    const sum = crypto.sha256(utf8("trellis/1 invite-token"), data).subarray(0, 4);
    return `TR2:${encodeBase45(concat(data, sum))}`;
  };
  test("with a right checksum is refused all the same when a value means nothing", () => {
    expect(codeOf(body({}))).toBeUndefined();
    for (const over of [{ uses: 0 }, { port: 0 }, { shape: 0x80 }, { shape: 0x40 }, { shape: 0x08 }])
      expect([over, codeOf(body(over))]).toEqual([over, "invite/damaged"]);
  });

  test("needs one to four endpoints that others can reach", () => {
    const at = (port: number) => [{ address: "192.0.2.1", port }];
    for (const port of [1, 65_535])
      expect(codeOf(encodeToken(crypto, { ...SAMPLE, endpoints: at(port) }))).toBeUndefined();
    const scoped = [{ address: "fe80::1%eth0", port: 1 }];
    const impossible = [at(0), at(65_536), at(1.5), at(-1), [{ address: "somewhere", port: 1 }], scoped];
    for (const endpoints of [[], Array(5).fill(SAMPLE.endpoints[0]), ...impossible])
      expect(() => encodeToken(crypto, { ...SAMPLE, endpoints })).toThrow(TrellisError);
  });
});
