import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { concat } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { type Bytes, NotOffered, type PrivateKey, type Signed, type Subject, type VectorAead } from "./subject.ts";

const INTERNAL = "WebCrypto has pure ML-DSA only: no pre-hash, mu or internal interface";
const EXPANDED = "WebCrypto takes private keys as seeds, not expanded";
const GCM_NONCE_MAX = 128; // longer ones are refused by Bun 1.4.5; the port's have 12 bytes

function seedOf(key: PrivateKey): Bytes {
  if ("expanded" in key) throw new NotOffered(EXPANDED);
  return key.seed;
}

function pure(signed: Signed): Extract<Signed, { kind: "pure" }> {
  if (signed.kind !== "pure") throw new NotOffered(INTERNAL);
  return signed;
}

/** The port's AEAD when the sizes are the port's. */
function port(name: VectorAead, key: Bytes, nonce: Bytes) {
  if (name === "xchacha20-poly1305") throw new NotOffered("Bun's BoringSSL has no XChaCha20-Poly1305 for JavaScript");
  if (name === "chacha20-poly1305") return native.aead[name];
  if (nonce.length > GCM_NONCE_MAX) throw new NotOffered(`node:crypto takes AES-GCM nonces to ${GCM_NONCE_MAX} bytes`);
  return key.length === 32 && nonce.length === 12 ? native.aead["aes-256-gcm"] : undefined;
}

const gcmName = (key: Bytes) => `aes-${(key.length * 8) as 128 | 192 | 256}-gcm` as const;

export const nativeSubject: Subject = {
  name: "native",
  seal: (name, key, nonce, aad, plaintext) => {
    const aead = port(name, key, nonce);
    if (aead) return aead.seal(key, nonce, aad, plaintext);
    const cipher = createCipheriv(gcmName(key), key, nonce).setAAD(aad);
    return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
  },
  open: (name, key, nonce, aad, sealed) => {
    const aead = port(name, key, nonce);
    if (aead) return aead.open(key, nonce, aad, sealed);
    const decipher = createDecipheriv(gcmName(key), key, nonce).setAAD(aad).setAuthTag(sealed.subarray(-16));
    return concat(decipher.update(sealed.subarray(0, -16)), decipher.final());
  },
  hkdf: (hash, ikm, salt, info, length) =>
    hash === "sha256"
      ? native.hkdfExpand(native.hkdfExtract(salt, ikm), info, length)
      : new Uint8Array(hkdfSync(hash, ikm, salt, info, length)),
  x25519: (secret, publicKey) => native.x25519.agree(secret, publicKey),
  ed25519Verify: (publicKey, message, signature) => native.ed25519.verify(publicKey, message, signature),
  kemKeys: async (seed) => ({ publicKey: await native.mlKem768.publicKey(seed), expanded: undefined }),
  encapsulate: async (publicKey, random) => {
    const result = await native.mlKem768.encapsulate(publicKey, random);
    return result && { ...result, repeatable: false };
  },
  decapsulate: (key, ciphertext) => native.mlKem768.decapsulate(seedOf(key), ciphertext),
  dsaKeys: async (seed) => ({ publicKey: await native.mlDsa65.publicKey(seed), expanded: undefined }),
  sign: async (key, signed) => {
    const { message, context } = pure(signed);
    return { signature: await native.mlDsa65.sign(seedOf(key), message, context), repeatable: false };
  },
  verify: (publicKey, signed, signature) => {
    const { message, context } = pure(signed);
    return native.mlDsa65.verify(publicKey, message, context, signature);
  },
};
