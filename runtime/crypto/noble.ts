/**
 * The portable provider: @noble/*, pure TypeScript. Deterministic: the same inputs give the same bytes (ML-DSA signs
 * without hedging, FIPS 204 §3.4; ML-KEM takes the caller's randomness), so that one seed reproduces a simulation.
 * JavaScript gives no constant-time guarantee; gateways run `native`.
 */
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 as curve, x25519 as montgomery } from "@noble/curves/ed25519.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as hash, sha512 } from "@noble/hashes/sha2.js";
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concat, equal } from "../base/bytes.ts";
import { isUsableEd25519Key } from "./ed25519-key.ts";
import { keyCache } from "./key-cache.ts";
import { attempt, nobleAead } from "./noble-aead.ts";
import type { CryptoProvider, Ed25519, MlDsa65, MlKem768, X25519 } from "./provider.ts";

const x25519: X25519 = {
  publicKey: (secret) => montgomery.getPublicKey(secret),
  agree: (secret, publicKey) => attempt(() => montgomery.getSharedSecret(secret, publicKey)),
};

const expandedKem = keyCache((seed) => ml_kem768.keygen(seed));
const preparedKem = keyCache((publicKey) => ml_kem768.prepare(publicKey));

const mlKem768: MlKem768 = {
  publicKey: async (seed) => expandedKem(seed).publicKey.slice(),
  encapsulate: async (publicKey, random) => {
    const prepared = attempt(() => preparedKem(publicKey));
    if (!prepared) return undefined;
    const { cipherText, sharedSecret } = prepared.encapsulate(random);
    return { ciphertext: cipherText, secret: sharedSecret };
  },
  decapsulate: async (seed, ciphertext) => {
    if (ciphertext.length !== ml_kem768.lengths.cipherText) return undefined;
    return ml_kem768.decapsulate(ciphertext, expandedKem(seed).secretKey);
  },
};

/**
 * RFC 8032 §5.1.7 with the equation without cofactor, R compared as bytes: what BoringSSL does. noble's own `verify` uses
 * the cofactored equation, under which the two providers would disagree on signatures made with torsion components.
 */
function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64 || !isUsableEd25519Key(publicKey)) return false;
  const r = signature.subarray(0, 32);
  const s = integer(signature.subarray(32));
  if (s >= curve.Point.Fn.ORDER) return false;
  const a = attempt(() => curve.Point.fromBytes(publicKey));
  if (!a) return false;
  const k = integer(sha512(concat(r, publicKey, message))) % curve.Point.Fn.ORDER;
  return equal(curve.Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k)).toBytes(), r);
}

/** Little-endian. */
function integer(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

const ed25519: Ed25519 = {
  publicKey: (secret) => curve.getPublicKey(secret),
  sign: (secret, message) => curve.sign(message, secret),
  verify: verifyEd25519,
};

const expandedDsa = keyCache((seed) => ml_dsa65.keygen(seed));

const mlDsa65: MlDsa65 = {
  publicKey: async (seed) => expandedDsa(seed).publicKey.slice(),
  sign: async (seed, message, context) =>
    ml_dsa65.sign(message, expandedDsa(seed).secretKey, { context, extraEntropy: false }),
  verify: async (publicKey, message, context, signature) =>
    attempt(() => ml_dsa65.verify(signature, message, publicKey, { context })) ?? false,
};

export const noble: CryptoProvider = {
  name: "noble",
  sha256: (...parts) => parts.reduce((h, part) => h.update(part), hash.create()).digest(),
  hmacSha256: (key, ...parts) => parts.reduce((h, part) => h.update(part), hmac.create(hash, key)).digest(),
  hkdfExtract: (salt, inputKeyMaterial) => extract(hash, inputKeyMaterial, salt),
  hkdfExpand: (pseudorandomKey, info, length) => expand(hash, pseudorandomKey, info, length),
  aead: { "aes-256-gcm": nobleAead(gcm), "chacha20-poly1305": nobleAead(chacha20poly1305) },
  x25519,
  mlKem768,
  ed25519,
  mlDsa65,
};
