import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha224, sha256, sha384, sha512, sha512_224, sha512_256 } from "@noble/hashes/sha2.js";
import { sha3_224, sha3_256, sha3_384, sha3_512, shake128_32, shake256_64 } from "@noble/hashes/sha3.js";
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { getMessage, getMessagePrehash } from "@noble/post-quantum/utils.js";
import { noble } from "../../../runtime/crypto/noble.ts";
import { type Bytes, NotOffered, type PrivateKey, type Signed, type Subject } from "./subject.ts";

const HKDF_HASHES = { sha256, sha384, sha512 };
const CIPHERS = { "aes-gcm": gcm, "chacha20-poly1305": chacha20poly1305, "xchacha20-poly1305": xchacha20poly1305 };

/** ACVP's names of the approved hashes. */
const PRE_HASHES = {
  "SHA2-224": sha224,
  "SHA2-256": sha256,
  "SHA2-384": sha384,
  "SHA2-512": sha512,
  "SHA2-512/224": sha512_224,
  "SHA2-512/256": sha512_256,
  "SHA3-224": sha3_224,
  "SHA3-256": sha3_256,
  "SHA3-384": sha3_384,
  "SHA3-512": sha3_512,
  "SHAKE-128": shake128_32,
  "SHAKE-256": shake256_64,
};

/** The input M' of FIPS 204 Algorithms 7 and 8. `prehash()` of the library refuses hashes below 192 bits; the files use all. */
function formatted(signed: Signed): Bytes {
  if (signed.kind === "mu") return signed.mu;
  if (signed.kind === "internal") return signed.message;
  if (signed.kind === "pure") return getMessage(signed.message, signed.context);
  const hash = PRE_HASHES[signed.hash as keyof typeof PRE_HASHES];
  if (!hash) throw new Error(`unknown hash ${signed.hash}`);
  return getMessagePrehash(hash, signed.message, signed.context);
}

const aead = (name: keyof typeof CIPHERS, key: Bytes, nonce: Bytes, aad: Bytes) => {
  if (name === "aes-gcm" && nonce.length > 0 && nonce.length < 8)
    throw new NotOffered("@noble/ciphers takes AES-GCM nonces from 8 bytes");
  return CIPHERS[name](key, nonce, aad);
};

const isPort = (name: string, key: Bytes, nonce: Bytes): name is "aes-gcm" | "chacha20-poly1305" =>
  name !== "xchacha20-poly1305" && key.length === 32 && nonce.length === 12;
const portAead = (name: "aes-gcm" | "chacha20-poly1305") =>
  noble.aead[name === "aes-gcm" ? "aes-256-gcm" : "chacha20-poly1305"];

const dsaSecret = (key: PrivateKey): Bytes => ("seed" in key ? ml_dsa65.keygen(key.seed).secretKey : key.expanded);

export const nobleSubject: Subject = {
  name: "noble",
  seal: (name, key, nonce, aad, plaintext) =>
    isPort(name, key, nonce)
      ? portAead(name).seal(key, nonce, aad, plaintext)
      : aead(name, key, nonce, aad).encrypt(plaintext),
  open: (name, key, nonce, aad, sealed) =>
    isPort(name, key, nonce)
      ? portAead(name).open(key, nonce, aad, sealed)
      : aead(name, key, nonce, aad).decrypt(sealed),
  hkdf: (hash, ikm, salt, info, length) =>
    hash === "sha256"
      ? noble.hkdfExpand(noble.hkdfExtract(salt, ikm), info, length)
      : hkdf(HKDF_HASHES[hash], ikm, salt, info, length),
  x25519: (secret, publicKey) => noble.x25519.agree(secret, publicKey),
  ed25519Verify: (publicKey, message, signature) => noble.ed25519.verify(publicKey, message, signature),
  kemKeys: async (seed) => ({
    publicKey: await noble.mlKem768.publicKey(seed),
    expanded: ml_kem768.keygen(seed).secretKey,
  }),
  encapsulate: async (publicKey, random) => {
    const result = await noble.mlKem768.encapsulate(publicKey, random);
    return result && { ...result, repeatable: true };
  },
  decapsulate: (key, ciphertext) =>
    "seed" in key ? noble.mlKem768.decapsulate(key.seed, ciphertext) : ml_kem768.decapsulate(ciphertext, key.expanded),
  dsaKeys: async (seed) => ({
    publicKey: await noble.mlDsa65.publicKey(seed),
    expanded: ml_dsa65.keygen(seed).secretKey,
  }),
  sign: async (key, signed, random) => {
    if ("seed" in key && signed.kind === "pure" && random.length === 0)
      return { signature: await noble.mlDsa65.sign(key.seed, signed.message, signed.context), repeatable: true };
    const options = { extraEntropy: random.length > 0 ? random : (false as const), externalMu: signed.kind === "mu" };
    return { signature: ml_dsa65.internal.sign(formatted(signed), dsaSecret(key), options), repeatable: true };
  },
  verify: (publicKey, signed, signature) =>
    signed.kind === "pure"
      ? noble.mlDsa65.verify(publicKey, signed.message, signed.context, signature)
      : ml_dsa65.internal.verify(signature, formatted(signed), publicKey, { externalMu: signed.kind === "mu" }),
};
