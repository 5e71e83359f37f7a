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
  readonly inviteSecret: string | undefined;
  /** Every datagram of the exchange as it was sent, sealed frames included. */
  readonly datagrams: readonly string[];
}

export interface Decoded {
  /** None when the exchange ends without a session. */
  readonly keys: Readonly<Record<string, string>> | null;
  /** K: hash of the initiator's certificate. F: chains shown, name asked for, and what F4 told. */
  readonly says: Readonly<Record<string, string>>;
  /** Sealed frames in order: key, counter, plaintext. */
  readonly frames: readonly string[];
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

function gcm(key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes): Bytes | undefined {
  const cipher = createDecipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(aad);
  cipher.setAuthTag(sealed.subarray(-16));
  try {
    return join(cipher.update(sealed.subarray(0, -16)), cipher.final());
  } catch {
    return undefined;
  }
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
    const plaintext = gcm(this.derive(label, 32), new Uint8Array(12), this.#h, sealed);
    must(plaintext !== undefined, `"${label}" does not open`);
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

const NAME: Readonly<Record<number, string>> = {
  1: "K1",
  2: "K2",
  3: "K3",
  4: "U",
  17: "F1",
  18: "F2",
  19: "F3",
  20: "F4",
};
const INITIATORS = [1, 3, 17, 19];
const isZero = (b: Bytes): boolean => b.every((x) => x === 0);

/** Datagrams of a transcript: checks every header and every mac, joins messages. */
class Wire {
  readonly exchange: Bytes;
  readonly #datagrams: readonly Bytes[];

  constructor(datagrams: readonly string[]) {
    this.#datagrams = datagrams.map(hex);
    this.exchange = (this.#datagrams[0] as Bytes).slice(8, 16);
    this.#checkHeaders();
  }

  #checkHeaders(): void {
    let cookie: Bytes = new Uint8Array(8);
    const seen = new Map<number, number>(); // fragments by message, as a bitmap
    for (const d of this.#datagrams) {
      const [type, version, message, index, count] = d as unknown as [number, number, number, number, number];
      must(type >= 1 && type <= 5, "type");
      if (type > 3) continue;
      must(version === 1 && toHex(d.subarray(8, 16)) === toHex(this.exchange), "version and exchange");
      must(d.length >= 32 && (type === 1 || d.length === 32), "length of a header");
      if (type === 1) {
        must(NAME[message] !== undefined && index < count && count <= 32 && d[5] === 0, "fragment header");
        must(d.length === 1232 || (index === count - 1 && d.length > 32 && d.length < 1232), "length of a fragment");
        const carries = INITIATORS.includes(message) ? cookie : new Uint8Array(8);
        must(toHex(d.subarray(16, 24)) === toHex(carries), "the initiator's fragments carry the cookie, others none");
        seen.set(message, (seen.get(message) ?? 0) | (1 << index));
      } else if (type === 2) {
        must(isZero(d.subarray(3, 6)) && isZero(d.subarray(20, 24)), "reserved bytes of an acknowledgement");
        must(u32(d, 16) !== 0 && (u32(d, 16) & ~(seen.get(message) ?? 0)) === 0, "acknowledges what was sent");
        must(u16(d, 6) === this.#instance(message), "acknowledges an instance that was sent");
      } else {
        must(isZero(d.subarray(2, 8)), "reserved bytes of a cookie");
        cookie = d.subarray(16, 24);
      }
    }
  }

  #instance(message: number): number | undefined {
    const first = this.#datagrams.find((d) => d[0] === 1 && d[2] === message);
    return first && u16(first, 6);
  }

  message(number: number): Bytes {
    const all = this.#datagrams.filter((d) => d[0] === 1 && d[2] === number);
    const count = all[0]?.[4] ?? 0;
    const parts = Array.from({ length: count }, (_, index) => all.find((d) => d[3] === index));
    must(count > 0 && parts.every((d) => d !== undefined), `${NAME[number]} is whole`);
    const whole = join(...(parts as Bytes[]).map((d) => d.subarray(32)));
    must(
      all.every((d) => u16(d, 6) === u16(sha256(whole), 0) && d[4] === count),
      "instance",
    );
    return whole;
  }

  has(number: number): boolean {
    return this.#datagrams.some((d) => d[0] === 1 && d[2] === number);
  }

  /** `keyOf`: mac key by message number. */
  checkMacs(first: Bytes, keyOf: Readonly<Record<number, Bytes>>): void {
    for (const d of this.#datagrams) {
      if ((d[0] as number) > 3) continue;
      const key = d[0] === 3 ? first : (keyOf[d[2] as number] ?? first);
      const mac = sipHash(key, join(d.subarray(0, 24), d.subarray(32)));
      must(toHex(mac) === toHex(d.subarray(24, 32)), `mac of a datagram of type ${d[0]}, ${NAME[d[2] as number]}`);
    }
  }

  /** The last report on a message says that all of it arrived. */
  checkAcknowledged(number: number): void {
    const count = this.#datagrams.find((d) => d[0] === 1 && d[2] === number)?.[4] as number;
    const last = this.#datagrams.findLast((d) => d[0] === 2 && d[2] === number);
    must(last !== undefined && u32(last, 16) === 2 ** count - 1, `${NAME[number]} is acknowledged`);
  }

  /** Opens every data and control frame; the receiver's index tells whose key it is. */
  frames(keys: Readonly<Record<string, string>>, indices: readonly [number, number], aead: number): string[] {
    const counters: Record<string, number> = {};
    return this.#datagrams.flatMap((d) => {
      if ((d[0] as number) < 4) return [];
      must(d.length >= 32 && d[1] === 0 && isZero(d.subarray(2, 4)), "header of a sealed frame");
      const way = u32(d, 4) === indices[1] ? "i>r" : "r>i";
      must(way === "i>r" || u32(d, 4) === indices[0], "receiver of a sealed frame");
      const name = `${d[0] === 4 ? "data" : "control"} ${way}`;
      const counter = Number(Buffer.from(d).readBigUInt64LE(8));
      must(counter === (counters[name] ?? 0), "counters count from 0");
      counters[name] = counter + 1;
      must(d[0] === 5 || aead === 1, "the transcripts' data sessions use AES-256-GCM");
      const nonce = join(new Uint8Array(4), d.subarray(8, 16));
      const plaintext = gcm(hex(keys[name] as string), nonce, d.subarray(0, 16), d.subarray(16));
      must(plaintext !== undefined, `a sealed frame opens: ${name}`);
      return [`${name} ${counter} ${toHex(plaintext)}`];
    });
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
  const k1 = wire.message(1);
  must(k1.length === 2392 && u32(k1, 0) !== 0, "K1");
  const s = new Schedule(t, wire.exchange);
  s.mixHash(k1.subarray(0, 2308));
  const es = agree(t.responder.x25519, k1.subarray(4, 36));
  s.mixKey("hello", es, openKem(t.responder.mlKem768, k1.subarray(1220, 2308)));
  const hello = s.open("seal hello", k1.subarray(2308));
  s.mixKey("nonce", hello.subarray(32, 64));
  const macKey = s.derive("fragment mac", 16);
  wire.checkMacs(firstKey(t), { 2: macKey, 4: macKey });
  const said = { certificateHash: toHex(hello.subarray(0, 32)), rates: `${u16(hello, 64)} ${u16(hello, 66)}` };
  if (wire.has(4)) {
    const u = wire.message(4);
    must(u.length === 16 && s.open("seal unknown", u).length === 0, "U");
    return { keys: null, says: { ...said, told: "unknown" }, frames: [] };
  }
  const [k2, k3] = [wire.message(2), wire.message(3)];
  must(k2.length === 2373 && k3.length === 157, "lengths");
  s.mixHash(k2.subarray(0, 2208));
  const er = k2.subarray(0, 32);
  s.mixKey("ephemeral", agree(t.ephemeral.x25519, er), openKem(t.ephemeral.mlKem768, k2.subarray(32, 1120)));
  s.mixKey("initiator", agree(t.initiator.x25519, er), openKem(t.initiator.mlKem768, k2.subarray(1120, 2208)));
  const reply = s.open("seal reply", k2.subarray(2208, 2232));
  must(reply.length === 8 && u32(reply, 0) !== 0 && isZero(reply.subarray(5)), "what K2 seals");
  must(toHex(k3.subarray(0, 141)) === toHex(k2.subarray(2232)), "the biscuit comes back");
  must(s.open("seal confirm", k3.subarray(141)).length === 0, "nothing is sealed in K3");
  const [keys, indices, aead] = [s.keys(), [u32(k1, 0), u32(reply, 0)] as const, reply[4] as number];
  const says = { ...said, indices: indices.join(" "), aead: String(aead) };
  return { keys, says, frames: wire.frames(keys, indices, aead) };
}

/** u16 length ‖ content ‖ zero bytes. */
function unpadded(b: Bytes): Bytes {
  const end = 2 + u16(b, 0);
  must(end <= b.length && isZero(b.subarray(end)), "padding");
  return b.subarray(2, end);
}

function decodeFirst(t: Transcript): Decoded {
  const wire = new Wire(t.datagrams);
  const [f1, f2, f3, f4] = [wire.message(17), wire.message(18), wire.message(19), wire.message(20)];
  must(f1.length === 1252 && u32(f1, 0) !== 0 && f3.length % 4800 === 0, "lengths");
  const s = new Schedule(t, wire.exchange);
  s.mixHash(f1);
  s.mixHash(f2.subarray(0, 1120));
  const er = f2.subarray(0, 32);
  s.mixKey("ephemeral", agree(t.ephemeral.x25519, er), openKem(t.ephemeral.mlKem768, f2.subarray(32, 1120)));
  const [genesis, chain] = cbor(s.open("seal reply", f2.subarray(1120))) as Bytes[];
  const replyKey = sha256(ascii("trellis/1 nonce-mac"), hex(t.meshId), hex(t.responderId), f1.subarray(1220));
  const later = s.derive("fragment mac", 16);
  wire.checkMacs(firstKey(t), { 18: replyKey.subarray(0, 16), 19: later, 20: later });
  wire.checkAcknowledged(20);
  s.mixHash(f3.subarray(0, 1088));
  const es = agree(t.responder.x25519, f1.subarray(4, 36));
  s.mixKey("responder", es, openKem(t.responder.mlKem768, f3.subarray(0, 1088)));
  const purpose = s.open("seal purpose", f3.subarray(1088, 1120));
  const joins = purpose[0] === 2;
  must(isZero(purpose.subarray(1, 4)) && (joins || isZero(purpose.subarray(8))), "what is reserved in the purpose");
  must((joins || purpose[0] === 1) && joins === (t.inviteSecret !== undefined), "purpose");
  s.mixKey("pre-shared", joins ? hmac(hex(t.inviteSecret ?? ""), ascii("trellis/1 invite-psk")) : new Uint8Array(32));
  const signedByInitiator = s.h;
  const [ed1, dsa1, who] = cbor(unpadded(s.open("seal identity", f3.subarray(1120)))) as Item[];
  verify(t.initiator, "trellis/1 initiator-signs", signedByInitiator, [ed1 as Item, dsa1 as Item]);
  s.mixHash(f4.subarray(0, 1088));
  s.mixKey("initiator", agree(t.initiator.x25519, er), openKem(t.initiator.mlKem768, f4.subarray(0, 1088)));
  const signedByResponder = s.h;
  const [ed2, dsa2, answer] = cbor(s.open("seal answer", f4.subarray(1088))) as Item[];
  verify(t.responder, "trellis/1 responder-signs", signedByResponder, [ed2 as Item, dsa2 as Item]);
  const [shownBy, told] = [who as Item[], answer as Item[]];
  const says = {
    genesis: toHex(genesis as Bytes),
    chain: toHex(chain as Bytes),
    inviteId: toHex(purpose.subarray(8, 16)),
    rates: `${u16(purpose, 4)} ${u16(purpose, 6)}`,
    who: joins ? String(shownBy[4]) : toHex(shownBy[0] as Bytes),
    told: told.map((x) => (x instanceof Uint8Array ? toHex(x) : String(x))).join(" "),
  };
  if (told[0] !== true) return { keys: null, says, frames: [] };
  const [keys, index, aead] = [s.keys(), told[1] as number, told[2] as number];
  must(index !== 0, "the responder's index is not zero");
  return { keys, says, frames: wire.frames(keys, [u32(f1, 0), index], aead) };
}
