/** Root keys under a passphrase: scrypt (RFC 7914) and AES-256-GCM, for a file that leaves the gateway. */
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { utf8, wipe } from "../base/bytes.ts";
import {
  bytesBetween,
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  listOf,
  record,
  type Shape,
  uint,
} from "../base/cbor-shape.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { SigningSecrets } from "../crypto/hybrid-signature.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { ROOT_KEYS_MAX } from "./genesis.ts";
import { ROOT_SECRETS } from "./root.ts";

/** 2^17 with r = 8 takes 128 MB and about a second: OWASP's figure for scrypt. */
export const COST = { log2: 17, min: 10, max: 18, r: 8, p: 1 };
const AAD = utf8("trellis/1 sealed-root");

/** What the file carries. */
export interface SealedRoot {
  readonly cost: number;
  readonly salt: Uint8Array; // 16 bytes
  readonly nonce: Uint8Array; // 12
  readonly sealed: Uint8Array;
}

export const SEALED_ROOT: Shape<SealedRoot> = record<SealedRoot>({
  cost: field(1, uint(COST.max, COST.min)), // bounded, so that a forged file cannot eat the memory
  salt: field(2, bytesOf(16)),
  nonce: field(3, bytesOf(12)),
  sealed: field(4, bytesBetween(16, 4096)),
});

const KEYS = listOf(ROOT_SECRETS, ROOT_KEYS_MAX);

export async function sealRoot(
  crypto: CryptoProvider,
  random: RandomBytes,
  passphrase: string,
  keys: readonly SigningSecrets[],
  cost = COST.log2,
): Promise<SealedRoot> {
  const salt = random(16);
  const nonce = random(12);
  const plain = encodeAs(KEYS, keys);
  const key = await passphraseKey(passphrase, salt, cost);
  const sealed = crypto.aead["aes-256-gcm"].seal(key, nonce, AAD, plain);
  wipe(key, plain);
  return { cost, salt, nonce, sealed };
}

/** Throws `root/passphrase` when the passphrase is wrong or the file was changed. */
export async function openRoot(
  crypto: CryptoProvider,
  passphrase: string,
  file: SealedRoot,
): Promise<readonly SigningSecrets[]> {
  const key = await passphraseKey(passphrase, file.salt, file.cost);
  const plain = crypto.aead["aes-256-gcm"].open(key, file.nonce, AAD, file.sealed);
  wipe(key);
  const keys = plain && decodeAs(KEYS, plain);
  if (plain) wipe(plain);
  if (!keys) throw new TrellisError("root/passphrase", "the passphrase does not open the root file");
  return keys;
}

/** The passphrase in Unicode NFKC, so that it opens from every keyboard (RFC 8265 §4). */
export const passphraseKey = (passphrase: string, salt: Uint8Array, cost: number): Promise<Uint8Array> =>
  scryptAsync(utf8(passphrase.normalize("NFKC")), salt, { N: 2 ** cost, r: COST.r, p: COST.p, dkLen: 32 });
