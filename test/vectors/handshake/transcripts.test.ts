/** What the frozen transcripts say, and that each secret of either end is needed to read them. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Decoded, decode } from "../handshake-decoder.ts";
import type { Kind, Vector } from "./record.ts";

const UNSEALED = /does not open/;
const HEADER = 32;
const TAG = 16;
const CHAIN = "[0-9a-f]{64}";

const load = (kind: Kind): Vector => JSON.parse(readFileSync(`${import.meta.dir}/${kind}.json`, "utf8")) as Vector;
const read = (v: Vector): Decoded => decode({ ...v, inviteSecret: v.inviteSecret ?? undefined });

const FIELDS: readonly (readonly [Kind, Readonly<Record<string, RegExp>>])[] = [
  ["known-peer", { rates: /^1000 500$/, indices: /^[1-9]\d* [1-9]\d*$/, aead: /^1$/ }],
  ["unknown-certificate", { rates: /^1000 500$/, told: /^unknown$/ }],
  ["member-revoked", { inviteId: /^0{16}$/, told: /^false member\/revoked this gateway was revoked$/ }],
  ["first-contact", { inviteId: /^0{16}$/, who: new RegExp(`^${CHAIN}$`), told: /^true [1-9]\d* 1 null$/ }],
  ["join-accepted", { inviteId: /^(1d){8}$/, who: /^initiator$/, told: new RegExp(`^true [1-9]\\d* 1 ${CHAIN}$`) }],
  ["join-refused", { inviteId: /^(1d){8}$/, who: /^initiator$/, told: /^false invite\/used used up$/ }],
];

type End = "initiator" | "responder" | "ephemeral";

/** A change of one secret of the record. The datagrams and so every mac before the sealed part stay as they were. */
const flip = (secret: string): string => (secret.startsWith("0") ? "1" : "0") + secret.slice(1);
const without = (v: Vector, end: End, key: string): Vector => {
  const secrets: Readonly<Record<string, string>> = { ...v[end] };
  return { ...v, [end]: { ...secrets, [key]: flip(secrets[key] as string) } };
};

const NEEDED: readonly (readonly [Kind, End, string, RegExp])[] = [
  ["known-peer", "responder", "x25519", /"seal hello" does not open/],
  ["known-peer", "initiator", "x25519", /"seal reply" does not open/],
  ["first-contact", "responder", "x25519", /"seal purpose" does not open/],
  ["first-contact", "initiator", "x25519", /"seal answer" does not open/],
  ["known-peer", "responder", "mlKem768", UNSEALED],
  ["known-peer", "ephemeral", "mlKem768", UNSEALED],
  ["known-peer", "initiator", "mlKem768", UNSEALED],
  ["first-contact", "ephemeral", "mlKem768", UNSEALED],
  ["first-contact", "responder", "mlKem768", UNSEALED],
  ["first-contact", "initiator", "mlKem768", UNSEALED],
  ["first-contact", "initiator", "ed25519", /Ed25519/],
  ["first-contact", "initiator", "mlDsa65", /ML-DSA/],
  ["join-accepted", "responder", "ed25519", /Ed25519/],
  ["join-accepted", "responder", "mlDsa65", /ML-DSA/],
];

/** Changes a byte of a message's last fragment and sets `instance` right, so that only the seal can tell. */
function tamper(v: Vector, message: number, fromEnd: number): Vector {
  const bytes = v.datagrams.map((d) => Buffer.from(d, "hex"));
  const parts = bytes.filter((d) => d[0] === 1 && d[2] === message);
  const last = (parts[0]?.[4] as number) - 1;
  for (const d of parts) if (d[3] === last) d[d.length - fromEnd] = (d[d.length - fromEnd] as number) ^ 1;
  const digest = createHash("sha256");
  for (let i = 0; i <= last; i++) digest.update(parts.find((d) => d[3] === i)?.subarray(HEADER) as Buffer);
  const instance = digest.digest().readUInt16LE(0);
  for (const d of bytes) if ((d[0] as number) < 3 && d[2] === message) d.writeUInt16LE(instance, 6);
  return { ...v, datagrams: bytes.map((d) => d.toString("hex")) };
}

describe("the independent decoder", () => {
  test.each(FIELDS)("reads the fields of %s", (kind, fields) => {
    const { says } = read(load(kind));
    for (const [name, pattern] of Object.entries(fields)) expect(says[name]).toMatch(pattern);
  });

  test.each(NEEDED)("cannot read %s with another %s %s", (kind, end, key, refusal) => {
    expect(() => read(without(load(kind), end, key))).toThrow(refusal);
  });

  test.each([
    ["known-peer", "x25519"],
    ["known-peer", "mlKem768"],
    ["first-contact", "x25519"],
    ["first-contact", "mlKem768"],
    ["join-accepted", "x25519"],
    ["join-accepted", "mlKem768"],
  ] as const)("of %s with all static keys stops at the ephemeral step for want of %s alone", (kind, half) => {
    expect(() => read(without(load(kind), "ephemeral", half))).toThrow('"seal reply" does not open');
  });

  test.each(["join-accepted", "join-refused"] as const)("cannot read %s with another invite secret", (kind) => {
    const v = load(kind);
    expect(() => read({ ...v, inviteSecret: flip(v.inviteSecret as string) })).toThrow(UNSEALED);
  });

  // K1 and F2 are opened before their macs are checked: what refuses is the seal, in its text and in its tag.
  test.each([
    ["known-peer", 1],
    ["unknown-certificate", 1],
    ["first-contact", 18],
    ["join-accepted", 18],
  ] as const)("refuses %s when the sealed part of message %d differs", (kind, message) => {
    for (const fromEnd of [1, TAG, TAG + 1, TAG + 20]) {
      expect(() => read(tamper(load(kind), message, fromEnd))).toThrow(UNSEALED);
    }
  });
});
