/**
 * The fast provider: Bun's BoringSSL through node:crypto and WebCrypto. ChaCha20-Poly1305 comes from @noble, because Bun
 * offers it asynchronously only; nothing of ours seals with it outside the native workers.
 */
import nodeCrypto, { type KeyObject } from "node:crypto";
import { concat } from "../base/bytes.ts";
import { attempt, attemptAsync, once } from "./attempt.ts";
import { nobleChaCha20Poly1305 } from "./noble.ts";
import type { Aead, CryptoProvider } from "./provider.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const plain = (b: Uint8Array): Uint8Array => new Uint8Array(b.buffer, b.byteOffset, b.byteLength);

/** DER prefixes of PKCS #8 and SubjectPublicKeyInfo for raw keys (RFC 8410 §7, RFC 9881, RFC 9935). */
const DER = {
  x25519Secret: hex("302e020100300506032b656e04220420"),
  x25519Public: hex("302a300506032b656e032100"),
  ed25519Secret: hex("302e020100300506032b657004220420"),
  ed25519Public: hex("302a300506032b6570032100"),
} as const;

const secretKey = (prefix: Uint8Array): ((raw: Uint8Array) => KeyObject) =>
  once((raw) => nodeCrypto.createPrivateKey({ key: Buffer.from(concat(prefix, raw)), format: "der", type: "pkcs8" }));
const publicKey = (prefix: Uint8Array): ((raw: Uint8Array) => KeyObject) =>
  once((raw) => nodeCrypto.createPublicKey({ key: Buffer.from(concat(prefix, raw)), format: "der", type: "spki" }));
const rawPublic = (secret: KeyObject): Uint8Array =>
  plain(nodeCrypto.createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32));

const x25519Secret = secretKey(DER.x25519Secret);
const x25519Public = publicKey(DER.x25519Public);
const ed25519Secret = secretKey(DER.ed25519Secret);
const ed25519Public = publicKey(DER.ed25519Public);

/** WebCrypto's ML-KEM methods, which the library types do not know yet. */
interface KemSubtle {
  encapsulateBits(algorithm: string, key: CryptoKey): Promise<{ sharedKey: ArrayBuffer; ciphertext: ArrayBuffer }>;
  decapsulateBits(algorithm: string, key: CryptoKey, ciphertext: Uint8Array): Promise<ArrayBuffer>;
  importKey(format: string, raw: Uint8Array, algorithm: string, extractable: boolean, usages: string[]): Promise<CryptoKey>;
  exportKey(format: string, key: CryptoKey): Promise<ArrayBuffer>;
  getPublicKey?(key: CryptoKey, usages: string[]): Promise<CryptoKey>;
  sign(algorithm: { name: string; context: Uint8Array }, key: CryptoKey, data: Uint8Array): Promise<ArrayBuffer>;
  verify(a: { name: string; context: Uint8Array }, key: CryptoKey, s: Uint8Array, data: Uint8Array): Promise<boolean>;
}
const subtle = crypto.subtle as unknown as KemSubtle;

const importer = (format: string, algorithm: string, usage: string): ((raw: Uint8Array) => Promise<CryptoKey>) =>
  once((raw) => subtle.importKey(format, raw, algorithm, true, [usage]));
const kemSecret = importer("raw-seed", "ML-KEM-768", "decapsulateBits");
const kemPublic = importer("raw-public", "ML-KEM-768", "encapsulateBits");
const dsaSecret = importer("raw-seed", "ML-DSA-65", "sign");
const dsaPublic = importer("raw-public", "ML-DSA-65", "verify");

/** The public half of an imported seed, by way of JWK (RFC 9964 "AKP"): the one export that has it. */
async function publicOf(secret: CryptoKey): Promise<Uint8Array> {
  const jwk = (await crypto.subtle.exportKey("jwk", secret)) as { pub: string };
  return plain(Buffer.from(jwk.pub, "base64url"));
}

const aesGcm: Aead = {
  seal(key, nonce, aad, plaintext) {
    const cipher = nodeCrypto.createCipheriv("aes-256-gcm", key, nonce);
    cipher.setAAD(aad);
    return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
  },
  open(key, nonce, aad, sealed) {
    if (sealed.length < 16) return undefined;
    return attempt(() => {
      const cipher = nodeCrypto.createDecipheriv("aes-256-gcm", key, nonce);
      cipher.setAAD(aad);
      cipher.setAuthTag(sealed.subarray(-16));
      return concat(cipher.update(sealed.subarray(0, -16)), cipher.final());
    });
  },
};

const hmac = (key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array => {
  const h = nodeCrypto.createHmac("sha256", key);
  for (const p of parts) h.update(p);
  return plain(h.digest());
};

export const nativeProvider: CryptoProvider = {
  name: "native",
  sha256(...parts) {
    const h = new Bun.CryptoHasher("sha256");
    for (const p of parts) h.update(p);
    return plain(h.digest());
  },
  hmacSha256: (key, ...parts) => hmac(key, parts),
  hkdfExtract: (salt, input) => hmac(salt, [input]),
  hkdfExpand(prk, info, length) {
    const out: Uint8Array[] = [];
    let block: Uint8Array = new Uint8Array(0);
    for (let i = 1; out.length * 32 < length; i++) {
      block = hmac(prk, [block, info, new Uint8Array([i])]);
      out.push(block);
    }
    return concat(...out).slice(0, length);
  },
  aead: { "aes-256-gcm": aesGcm, "chacha20-poly1305": nobleChaCha20Poly1305 },
  x25519: {
    publicKey: (secret) => rawPublic(x25519Secret(secret)),
    agree(secret, peer) {
      if (peer.length !== 32) return undefined;
      const shared = attempt(() =>
        plain(nodeCrypto.diffieHellman({ privateKey: x25519Secret(secret), publicKey: x25519Public(peer) })),
      );
      return shared?.some((b) => b !== 0) ? shared : undefined;
    },
  },
  mlKem768: {
    publicKey: async (seed) => publicOf(await kemSecret(seed)),
    encapsulate: (raw) =>
      attemptAsync(async () => {
        const { ciphertext, sharedKey } = await subtle.encapsulateBits("ML-KEM-768", await kemPublic(raw));
        return { ciphertext: new Uint8Array(ciphertext), secret: new Uint8Array(sharedKey) };
      }),
    async decapsulate(seed, ciphertext) {
      if (ciphertext.length !== 1088) return undefined;
      return new Uint8Array(await subtle.decapsulateBits("ML-KEM-768", await kemSecret(seed), ciphertext));
    },
  },
  ed25519: {
    publicKey: (secret) => rawPublic(ed25519Secret(secret)),
    sign: (secret, message) => plain(nodeCrypto.sign(null, message, ed25519Secret(secret))),
    verify: (raw, message, signature) =>
      attempt(() => raw.length === 32 && nodeCrypto.verify(null, message, ed25519Public(raw), signature)) ?? false,
  },
  mlDsa65: {
    publicKey: async (seed) => publicOf(await dsaSecret(seed)),
    sign: async (seed, message, context) =>
      new Uint8Array(await subtle.sign({ name: "ML-DSA-65", context }, await dsaSecret(seed), message)),
    verify: async (raw, message, context, signature) =>
      (await attemptAsync(async () =>
        subtle.verify({ name: "ML-DSA-65", context }, await dsaPublic(raw), signature, message),
      )) ?? false,
  },
};
