/**
 * What is published at brokers of others (SPEC.md, Brokers): envelopes, which say to members alone who wrote them, and in them letters,
 * which one member alone can have written and one alone can read. The broker sees topics whose names are hashes, lengths and times.
 */
import { concat, toHex, utf8 } from "../../base/bytes.ts";
import {
  bytesBetween,
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  optional,
  record,
  uint,
  where,
} from "../../base/cbor-shape.ts";
import type { RandomBytes } from "../../base/random.ts";
import { LABEL } from "../../crypto/labels.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { MESSAGE_MAX } from "../message.ts";

const SALT = 24;
const TAG = 16;
const AEAD = "aes-256-gcm";
const NONCE = new Uint8Array(12); // every envelope has a key of its own
const NOTHING = new Uint8Array(0);
/** Sixteen bytes of a hash name a mesh or a member in topics. */
const NAME = 16;

/** Drawn whenever a gateway starts: what was written to or by an earlier run counts for nothing. */
export const INCARNATION = 16;

export interface Envelope {
  /** Node id. */
  readonly from: Uint8Array;
  readonly incarnation: Uint8Array;
  /** Both or none: without them it says that its writer is here. */
  readonly counter: number | undefined;
  readonly letter: Uint8Array | undefined;
}

const ENVELOPE = where(
  record<Envelope>({
    from: field(1, bytesOf(32)),
    incarnation: field(2, bytesOf(INCARNATION)),
    counter: optional(3, uint(Number.MAX_SAFE_INTEGER)),
    letter: optional(4, bytesBetween(TAG, MESSAGE_MAX + TAG)),
  }),
  ({ counter, letter }) => (counter === undefined) === (letter === undefined),
);
/** Largest envelope: the largest letter and what is around it. */
export const ENVELOPE_MAX: number = MESSAGE_MAX + 256;

/** What all members hold and brokers do not: 32 bytes. */
export const rendezvousKey = (crypto: CryptoProvider, genesis: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.rendezvous, genesis);

/** Where the members of a mesh say that they are here. */
export const meshTopic = (crypto: CryptoProvider, key: Uint8Array): string => `trellis/${nameOf(crypto, key, NOTHING)}`;

/** Where a member gets its letters. */
export const memberTopic = (crypto: CryptoProvider, key: Uint8Array, id: Uint8Array): string =>
  `${meshTopic(crypto, key)}/${nameOf(crypto, key, id)}`;

const nameOf = (crypto: CryptoProvider, key: Uint8Array, what: Uint8Array): string =>
  toHex(crypto.hmacSha256(key, LABEL.brokerTopic, what).subarray(0, NAME));

/** Counts on `topic` alone. */
export function sealEnvelope(
  crypto: CryptoProvider,
  random: RandomBytes,
  key: Uint8Array,
  topic: string,
  envelope: Envelope,
): Uint8Array {
  const salt = random(SALT);
  const body = encodeAs(ENVELOPE, envelope);
  return concat(salt, crypto.aead[AEAD].seal(envelopeKey(crypto, key, salt), NONCE, utf8(topic), body));
}

/** Undefined for what no member of the mesh published on `topic`. Never throws. */
export function openEnvelope(
  crypto: CryptoProvider,
  key: Uint8Array,
  topic: string,
  data: Uint8Array,
): Envelope | undefined {
  if (data.length < SALT + TAG || data.length > ENVELOPE_MAX) return undefined;
  const own = envelopeKey(crypto, key, data.subarray(0, SALT));
  const body = crypto.aead[AEAD].open(own, NONCE, utf8(topic), data.subarray(SALT));
  return body && decodeAs(ENVELOPE, body);
}

const envelopeKey = (crypto: CryptoProvider, key: Uint8Array, salt: Uint8Array): Uint8Array =>
  crypto.hmacSha256(key, LABEL.envelope, salt);

/** Of two members' X25519 keys and what the mesh shares: who has left the mesh lacks the one, brokers lack both. Undefined for a key that is none. */
export function pairKey(
  crypto: CryptoProvider,
  key: Uint8Array,
  secret: Uint8Array,
  theirs: Uint8Array,
): Uint8Array | undefined {
  const agreed = crypto.x25519.agree(secret, theirs);
  return agreed && crypto.hkdfExtract(key, agreed);
}

/** One end of a direction between two members. */
export interface End {
  readonly id: Uint8Array;
  readonly incarnation: Uint8Array;
}

/** Of one direction while neither end starts anew. */
export const letterKey = (crypto: CryptoProvider, pair: Uint8Array, from: End, to: End): Uint8Array =>
  crypto.hmacSha256(pair, LABEL.letter, from.id, to.id, from.incarnation, to.incarnation);

/** `counter`: never twice under one key. */
export const sealLetter = (crypto: CryptoProvider, key: Uint8Array, counter: number, message: Uint8Array): Uint8Array =>
  crypto.aead[AEAD].seal(key, nonceOf(counter), NOTHING, message);

export const openLetter = (
  crypto: CryptoProvider,
  key: Uint8Array,
  counter: number,
  letter: Uint8Array,
): Uint8Array | undefined => crypto.aead[AEAD].open(key, nonceOf(counter), NOTHING, letter);

function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter));
  return nonce;
}
