/** The portable provider: @noble, in TypeScript alone. Slow beside BoringSSL, deterministic where it is told to be. */
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concat } from "../base/bytes.ts";
import { attempt, once } from "./attempt.ts";
import type { Aead, CryptoProvider } from "./provider.ts";

type Cipher = (key: Uint8Array, nonce: Uint8Array, aad?: Uint8Array) => {
  encrypt(plaintext: Uint8Array): Uint8Array;
  decrypt(sealed: Uint8Array): Uint8Array;
};

const aead = (cipher: Cipher): Aead => ({
  seal: (key, nonce, aad, plaintext) => cipher(key, nonce, aad).encrypt(plaintext),
  open: (key, nonce, aad, sealed) => attempt(() => cipher(key, nonce, aad).decrypt(sealed)),
});

export const nobleChaCha20Poly1305: Aead = aead(chacha20poly1305);

const kemKeys = once((seed: Uint8Array) => ml_kem768.keygen(seed));
const dsaKeys = once((seed: Uint8Array) => ml_dsa65.keygen(seed));

export const nobleProvider: CryptoProvider = {
  name: "noble",
  sha256: (...parts) => sha256(parts.length === 1 ? (parts[0] as Uint8Array) : concat(...parts)),
  hmacSha256: (key, ...parts) => hmac(sha256, key, concat(...parts)),
  hkdfExtract: (salt, input) => extract(sha256, input, salt),
  hkdfExpand: (prk, info, length) => expand(sha256, prk, info, length),
  aead: { "aes-256-gcm": aead(gcm), "chacha20-poly1305": nobleChaCha20Poly1305 },
  x25519: {
    publicKey: (secret) => x25519.getPublicKey(secret),
    agree: (secret, publicKey) => attempt(() => x25519.getSharedSecret(secret, publicKey)),
  },
  mlKem768: {
    publicKey: async (seed) => kemKeys(seed).publicKey,
    encapsulate: async (publicKey, random) =>
      attempt(() => {
        const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, random);
        return { ciphertext: cipherText, secret: sharedSecret };
      }),
    decapsulate: async (seed, ciphertext) => attempt(() => ml_kem768.decapsulate(ciphertext, kemKeys(seed).secretKey)),
  },
  ed25519: {
    publicKey: (secret) => ed25519.getPublicKey(secret),
    sign: (secret, message) => ed25519.sign(message, secret),
    verify: (publicKey, message, signature) =>
      attempt(() => ed25519.verify(signature, message, publicKey, { zip215: false })) ?? false,
  },
  mlDsa65: {
    publicKey: async (seed) => dsaKeys(seed).publicKey,
    sign: async (seed, message, context) => ml_dsa65.sign(message, dsaKeys(seed).secretKey, { context, extraEntropy: false }),
    verify: async (publicKey, message, context, signature) =>
      attempt(() => ml_dsa65.verify(signature, message, publicKey, { context })) ?? false,
  },
};
