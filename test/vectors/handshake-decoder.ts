/**
 * Reads a recorded handshake with the secrets of both ends, and derives its session keys. It follows
 * runtime/mesh/handshake/SPEC.md and uses nothing of runtime/, so that code and specification check each other. Throws at the
 * first thing that is not as specified.
 */
import { createDecipheriv, createHash, createHmac } from "node:crypto";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

/** Seeds: 32, 32, 32 and 64 bytes, in hex as everything here. */
export interface SecretsHex {
  readonly ed25519: string;
  readonly mlDsa65: string;
  readonly x25519: string;
  readonly mlKem768: string;
}

export interface Transcript {
  readonly pattern: "K" | "F";
  readonly meshId: string;
  readonly responderId: string;
  readonly initiator: SecretsHex;
  readonly responder: SecretsHex;
  readonly ephemeral: { readonly x25519: string; readonly mlKem768: string };
  readonly responderEphemeral: string;
  readonly inviteSecret: string | undefined;
  readonly datagrams: readonly string[];
}

export interface Decoded {
  readonly keys: Readonly<Record<string, string>>;
  /** K: hash of the initiator's certificate. F: chains shown, name asked for, and what F4 told. */
  readonly says: Readonly<Record<string, string>>;
}

type Bytes = Uint8Array;
type Item = number | string | boolean | null | Bytes | Item[];

const ascii = (s: string): Bytes => new TextEncoder().encode(s);
const hex = (s: string): Bytes => new Uint8Array(Buffer.from(s, "hex"));
const toHex = (b: Bytes): string => Buffer.from(b).toString("hex");
const join = (...parts: Bytes[]): Bytes => new Uint8Array(Buffer.concat(parts));
const sha256 = (...parts: Bytes[]): Bytes =>
  new Uint8Array(
    createHash("sha256")
      .update(join(...parts))
      .digest(),
  );
const hmac = (key: Bytes, data: Bytes): Bytes => new Uint8Array(createHmac("sha256", key).update(data).digest());
const u16 = (b: Bytes, at: number): number => Buffer.from(b).readUInt16LE(at);
const u32 = (b: Bytes, at: number): number => Buffer.from(b).readUInt32LE(at);

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

function field(x: Bytes): Bytes {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(x.length);
  return join(length, x);
}

class Schedule {
  #ck: Bytes;
  #h: Bytes;

  constructor(t: Transcript, exchange: Bytes) {
    this.#h = sha256(ascii("trellis/1 handshake x25519+ml-kem-768 ed25519+ml-dsa-65 aes-256-gcm hkdf-sha-256"));
    this.#ck = this.#h;
    this.mixHash(join(Uint8Array.of(1, t.pattern.charCodeAt(0)), hex(t.meshId), hex(t.responderId), exchange));
  }

  get h(): Bytes {
    return this.#h;
  }

  mixHash(x: Bytes): void {
    this.#h = sha256(this.#h, field(x));
  }

  mixKey(label: string, ...secrets: Bytes[]): void {
    this.#ck = hmac(this.#ck, join(field(ascii(label)), ...secrets.map(field)));
  }

  /** One block of HKDF-Expand is enough for 32 bytes. */
  derive(label: string, length: number): Bytes {
    return hmac(this.#ck, join(field(ascii(label)), this.#h, Uint8Array.of(1))).subarray(0, length);
  }

  open(label: string, sealed: Bytes): Bytes {
    const cipher = createDecipheriv("aes-256-gcm", this.derive(label, 32), new Uint8Array(12));
    cipher.setAAD(this.#h);
    cipher.setAuthTag(sealed.subarray(-16));
    const plaintext = join(cipher.update(sealed.subarray(0, -16)), cipher.final());
    this.mixHash(sealed);
    return plaintext;
  }

  keys(): Record<string, string> {
    const names = ["data i>r", "data r>i", "control i>r", "control r>i"];
    const long = names.map((name) => [name, toHex(this.derive(name, 32))]);
    return Object.fromEntries([...long, ["session id", toHex(this.derive("session id", 8))]]);
  }
}

/** SipHash-2-4 in 64-bit arithmetic, 8 bytes little-endian. */
function sipHash(key: Bytes, data: Bytes): Bytes {
  const MASK = (1n << 64n) - 1n;
  const k0 = Buffer.from(key).readBigUInt64LE(0);
  const k1 = Buffer.from(key).readBigUInt64LE(8);
  const rotate = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (64n - n))) & MASK;
  let [a, b, c, d] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const rounds = (n: number): void => {
    for (let i = 0; i < n; i++) {
      a = (a + b) & MASK;
      b = rotate(b, 13n) ^ a;
      a = rotate(a, 32n);
      c = (c + d) & MASK;
      d = rotate(d, 16n) ^ c;
      a = (a + d) & MASK;
      d = rotate(d, 21n) ^ a;
      c = (c + b) & MASK;
      b = rotate(b, 17n) ^ c;
      c = rotate(c, 32n);
    }
  };
  const padded = Buffer.alloc(Math.floor(data.length / 8) * 8 + 8);
  padded.set(data);
  padded[padded.length - 1] = data.length & 0xff;
  for (let at = 0; at < padded.length; at += 8) {
    const m = padded.readBigUInt64LE(at);
    d ^= m;
    rounds(2);
    a ^= m;
  }
  c ^= 0xffn;
  rounds(4);
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(a ^ b ^ c ^ d);
  return new Uint8Array(out);
}

/** Deterministic CBOR as far as the messages use it. */
function cbor(data: Bytes): Item {
  let at = 0;
  const next = (length: number): Bytes => {
    must(at + length <= data.length, "CBOR ends early");
    at += length;
    return data.subarray(at - length, at);
  };
  const argument = (info: number): number => {
    if (info < 24) return info;
    must(info <= 26, "CBOR argument");
    return Buffer.from(next(1 << (info - 24))).readUIntBE(0, 1 << (info - 24));
  };
  const item = (): Item => {
    const first = next(1)[0] as number;
    if (first === 0xf4 || first === 0xf5) return first === 0xf5;
    if (first === 0xf6) return null;
    const n = argument(first & 31);
    if (first >> 5 === 0) return n;
    if (first >> 5 === 2) return next(n);
    if (first >> 5 === 3) return new TextDecoder().decode(next(n));
    must(first >> 5 === 4, "CBOR type");
    return Array.from({ length: n }, item);
  };
  const value = item();
  must(at === data.length, "CBOR goes on");
  return value;
}

const isInitiators = (message: number): boolean => [1, 3, 17, 19].includes(message);

/** Datagrams of a transcript: joins messages, and checks every mac with the key that the table names. */
class Wire {
  readonly #datagrams: readonly Bytes[];

  constructor(datagrams: readonly string[]) {
    this.#datagrams = datagrams.map(hex);
  }

  get exchange(): Bytes {
    return (this.#datagrams[0] as Bytes).slice(8, 16);
  }

  message(number: number): Bytes {
    const all = this.#datagrams.filter((d) => d[0] === 1 && d[2] === number);
    const count = all[0]?.[4] as number;
    const parts = Array.from({ length: count }, (_, index) => all.find((d) => d[3] === index) as Bytes);
    must(
      parts.every((d, i) => i === count - 1 || d.length === 1232),
      "only the last fragment is short",
    );
    const whole = join(...parts.map((d) => d.subarray(32)));
    must(
      all.every((d) => u16(d, 6) === u16(sha256(whole), 0)),
      "instance",
    );
    return whole;
  }

  /** `keyOf`: mac key by message number. */
  check(first: Bytes, keyOf: ReadonlyMap<number, Bytes>): void {
    for (const d of this.#datagrams) {
      const key = d[0] === 3 ? first : (keyOf.get(d[2] as number) ?? first);
      const mac = sipHash(key, join(d.subarray(0, 24), d.subarray(32)));
      must(toHex(mac) === toHex(d.subarray(24, 32)), `mac of a datagram of type ${d[0]}, message ${d[2]}`);
      must(toHex(d.subarray(8, 16)) === toHex(this.exchange) && d[1] === 1, "exchange and version");
      must(d[0] === 1 || d.length === 32, "acknowledgements and cookies have 32 bytes");
      must(d[0] !== 1 || isInitiators(d[2] as number) || u32(d, 16) + u32(d, 20) === 0, "replies carry no cookie");
    }
  }
}

const agree = (secret: string, theirs: Bytes): Bytes => x25519.getSharedSecret(hex(secret), theirs);
const openKem = (seed: string, ciphertext: Bytes): Bytes =>
  ml_kem768.decapsulate(ciphertext, ml_kem768.keygen(hex(seed)).secretKey);

function verify(by: SecretsHex, label: string, h: Bytes, signatures: readonly Item[]): void {
  const context = ascii(label);
  const [ed, dsa] = signatures as Bytes[];
  const labelled = join(Uint8Array.of(context.length), context, h);
  must(ed25519.verify(ed as Bytes, labelled, ed25519.getPublicKey(hex(by.ed25519))), "Ed25519 signature");
  const key = ml_dsa65.keygen(hex(by.mlDsa65)).publicKey;
  must(ml_dsa65.verify(dsa as Bytes, h, key, { context }), "ML-DSA signature");
}

const firstKey = (t: Transcript): Bytes =>
  sha256(ascii("trellis/1 first-mac"), hex(t.meshId), hex(t.responderId)).subarray(0, 16);

export const decode = (t: Transcript): Decoded => (t.pattern === "K" ? decodeKnown(t) : decodeFirst(t));

function decodeKnown(t: Transcript): Decoded {
  const wire = new Wire(t.datagrams);
  const [k1, k2, k3] = [wire.message(1), wire.message(2), wire.message(3)];
  must(k1.length === 2392 && k2.length === 2373 && k3.length === 157, "lengths");
  must(toHex(k1.subarray(4, 36)) === toHex(x25519.getPublicKey(hex(t.ephemeral.x25519))), "e_i");
  const s = new Schedule(t, wire.exchange);
  s.mixHash(k1.subarray(0, 2308));
  const es = agree(t.responder.x25519, k1.subarray(4, 36));
  s.mixKey("hello", es, openKem(t.responder.mlKem768, k1.subarray(1220, 2308)));
  const hello = s.open("seal hello", k1.subarray(2308));
  s.mixKey("nonce", hello.subarray(32, 64));
  wire.check(firstKey(t), new Map([[2, s.derive("fragment mac", 16)]]));
  s.mixHash(k2.subarray(0, 2208));
  const er = k2.subarray(0, 32);
  s.mixKey("ephemeral", agree(t.ephemeral.x25519, er), openKem(t.ephemeral.mlKem768, k2.subarray(32, 1120)));
  s.mixKey("initiator", agree(t.initiator.x25519, er), openKem(t.initiator.mlKem768, k2.subarray(1120, 2208)));
  const reply = s.open("seal reply", k2.subarray(2208, 2232));
  must(toHex(k3.subarray(0, 141)) === toHex(k2.subarray(2232)), "the biscuit comes back");
  must(s.open("seal confirm", k3.subarray(141)).length === 0, "nothing is sealed in K3");
  const says = {
    certificateHash: toHex(hello.subarray(0, 32)),
    rates: `${u16(hello, 64)} ${u16(hello, 66)}`,
    indices: `${u32(k1, 0)} ${u32(reply, 0)}`,
    aead: String(reply[4]),
  };
  return { keys: s.keys(), says };
}

function decodeFirst(t: Transcript): Decoded {
  const wire = new Wire(t.datagrams);
  const [f1, f2, f3, f4] = [wire.message(17), wire.message(18), wire.message(19), wire.message(20)];
  must(f1.length === 1252, "length of F1");
  const s = new Schedule(t, wire.exchange);
  s.mixHash(f1);
  s.mixHash(f2.subarray(0, 1120));
  const er = f2.subarray(0, 32);
  s.mixKey("ephemeral", agree(t.ephemeral.x25519, er), openKem(t.ephemeral.mlKem768, f2.subarray(32, 1120)));
  const [genesis, chain] = cbor(s.open("seal reply", f2.subarray(1120))) as Bytes[];
  const replyKey = sha256(ascii("trellis/1 nonce-mac"), f1.subarray(1220)).subarray(0, 16);
  const later = s.derive("fragment mac", 16);
  wire.check(
    firstKey(t),
    new Map([
      [18, replyKey],
      [19, later],
      [20, later],
    ]),
  );
  s.mixHash(f3.subarray(0, 1088));
  const es = agree(t.responder.x25519, f1.subarray(4, 36));
  s.mixKey("responder", es, openKem(t.responder.mlKem768, f3.subarray(0, 1088)));
  const purpose = s.open("seal purpose", f3.subarray(1088, 1120));
  const joins = purpose[0] === 2;
  must(joins === (t.inviteSecret !== undefined), "purpose");
  s.mixKey("pre-shared", joins ? hmac(hex(t.inviteSecret ?? ""), ascii("trellis/1 invite-psk")) : new Uint8Array(32));
  const signedByInitiator = s.h;
  const [ed1, dsa1, who] = cbor(s.open("seal identity", f3.subarray(1120))) as Item[];
  verify(t.initiator, "trellis/1 initiator-signs", signedByInitiator, [ed1 as Item, dsa1 as Item]);
  s.mixHash(f4.subarray(0, 1088));
  s.mixKey(
    "initiator",
    agree(t.responderEphemeral, x25519.getPublicKey(hex(t.initiator.x25519))),
    openKem(t.initiator.mlKem768, f4.subarray(0, 1088)),
  );
  const signedByResponder = s.h;
  const [ed2, dsa2, told] = cbor(s.open("seal answer", f4.subarray(1088))) as Item[];
  verify(t.responder, "trellis/1 responder-signs", signedByResponder, [ed2 as Item, dsa2 as Item]);
  const shownBy = who as Item[];
  const says = {
    genesis: toHex(genesis as Bytes),
    chain: toHex(chain as Bytes),
    inviteId: toHex(purpose.subarray(8, 16)),
    who: joins ? String(shownBy[4]) : toHex(shownBy[0] as Bytes),
    told: (told as Item[]).map((x) => (x instanceof Uint8Array ? toHex(x) : String(x))).join(" "),
  };
  return { keys: s.keys(), says };
}
