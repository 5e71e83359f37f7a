/**
 * Sealing of values. Every record has a key of its own, derived from the epoch's with a salt of 24 bytes, and is the only
 * thing sealed with it: writers share no counter, and 192 random bits do not meet. The salt is made of fresh randomness and of what
 * is sealed, so that a generator that repeats itself (a gateway that just started, a restored image) gives no key twice for two values.
 */
import { concat } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { RandomBytes } from "../base/random.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { KINDS, type KindName } from "./kinds.ts";
import { SALT } from "./record.ts";

const AEAD = "aes-256-gcm";
/** The key is used once. */
const NONCE = new Uint8Array(12);

/** What a sealed value is bound to: a record with another head does not open it. */
export interface Head {
  readonly meshId: Uint8Array;
  readonly author: Uint8Array;
  readonly kind: KindName;
  readonly key: Uint8Array;
  readonly version: number;
  /** Id of the epoch. */
  readonly epoch: Uint8Array;
}

const encodeHead = ({ meshId, author, kind, key, version, epoch }: Head): Uint8Array =>
  encodeCbor([meshId, author, KINDS[kind].number, key, version, epoch]);

export function sealValue(
  crypto: CryptoProvider,
  random: RandomBytes,
  groupKey: Uint8Array,
  head: Head,
  value: Uint8Array,
): { readonly salt: Uint8Array; readonly sealed: Uint8Array } {
  const bound = encodeHead(head);
  const mixed = crypto.hmacSha256(groupKey, LABEL.recordSalt, random(32), crypto.sha256(bound), crypto.sha256(value));
  const salt = mixed.slice(0, SALT);
  return { salt, sealed: crypto.aead[AEAD].seal(keyOf(crypto, groupKey, head.author, salt), NONCE, bound, value) };
}

/** Undefined when this is not what the author sealed. */
export function openValue(
  crypto: CryptoProvider,
  groupKey: Uint8Array,
  head: Head,
  salt: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return crypto.aead[AEAD].open(keyOf(crypto, groupKey, head.author, salt), NONCE, encodeHead(head), sealed);
}

const keyOf = (crypto: CryptoProvider, groupKey: Uint8Array, author: Uint8Array, salt: Uint8Array): Uint8Array =>
  crypto.hmacSha256(groupKey, concat(LABEL.recordSeal, author, salt));
