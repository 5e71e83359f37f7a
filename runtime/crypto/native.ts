/**
 * The fast provider: Bun's BoringSSL by way of node:crypto and WebCrypto. What is synchronous in the port comes from
 * node:crypto; ML-KEM and ML-DSA with a context exist in WebCrypto only. One primitive is not BoringSSL's: neither
 * interface has a synchronous ChaCha20-Poly1305, so that comes from @noble/ciphers (bulk traffic is sealed by the addon).
 * ML-KEM and ML-DSA draw their own randomness.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { concat, fromHex, letGo } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import { isUsableEd25519Key } from "./ed25519-key.ts";
import { keyCache } from "./key-cache.ts";
import { nobleAead } from "./noble-aead.ts";
import type { Aead, CryptoProvider, Ed25519, MlDsa65, MlKem768, X25519 } from "./provider.ts";

/** What WebCrypto's "modern algorithms" draft adds and the type library does not know yet. */
interface LatticeSubtle {
  importKey(
    format: string,
    bytes: Uint8Array,
    algorithm: object,
    extractable: boolean,
    usages: string[],
  ): Promise<CryptoKey>;
  encapsulateBits(algorithm: object, key: CryptoKey): Promise<{ sharedKey: ArrayBuffer; ciphertext: ArrayBuffer }>;
  decapsulateBits(algorithm: object, key: CryptoKey, ciphertext: Uint8Array): Promise<ArrayBuffer>;
  sign(algorithm: object, key: CryptoKey, message: Uint8Array): Promise<ArrayBuffer>;
  verify(algorithm: object, key: CryptoKey, signature: Uint8Array, message: Uint8Array): Promise<boolean>;
}
const subtle = crypto.subtle as unknown as LatticeSubtle;

const TAG_LENGTH = 16;
const HASH_LENGTH = 32;
const KEM_KEY_LENGTH = 1184;
const KEM_CIPHERTEXT_LENGTH = 1088;
const DSA_KEY_LENGTH = 1952;
const DSA_SIGNATURE_LENGTH = 3309;
const CONTEXT_MAX = 255;
/** Parts of a hash that are joined first; copying more would cost more than it saves. */
const JOINED_MAX = 4_096;

/** What DER puts before the raw bytes of a key: RFC 8410 for the curves, RFC 9935 and RFC 9881 (seed form) for the lattices. */
const DER = {
  x25519Secret: prefix("302e020100300506032b656e04220420"),
  x25519Public: prefix("302a300506032b656e032100"),
  ed25519Secret: prefix("302e020100300506032b657004220420"),
  ed25519Public: prefix("302a300506032b6570032100"),
  mlKem768Seed: prefix("3054020100300b060960864801650304040204428040"),
  mlDsa65Seed: prefix("3034020100300b060960864801650304031204228020"),
};

function prefix(hex: string): Uint8Array {
  return fromHex(hex) as Uint8Array;
}

/** Own bytes, not a view of a pooled Buffer: callers wipe and keep what they get. */
const own = (bytes: Uint8Array | ArrayBuffer): Uint8Array => new Uint8Array(bytes);

function secretKey(der: Uint8Array, length: number): (secret: Uint8Array) => KeyObject {
  return (secret) => {
    if (secret.length !== length)
      throw new TrellisError("crypto/key-length", `a secret of ${length} bytes was wanted, ${secret.length} came`);
    return createPrivateKey({ key: Buffer.from(concat(der, secret)), format: "der", type: "pkcs8" });
  };
}

function publicKey(der: Uint8Array): (bytes: Uint8Array) => KeyObject {
  return (bytes) => createPublicKey({ key: Buffer.from(concat(der, bytes)), format: "der", type: "spki" });
}

/** The last `length` bytes of the SubjectPublicKeyInfo: the raw public key. */
function rawPublic(secret: KeyObject, length: number): Uint8Array {
  return own(createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-length));
}

const aesGcm: Aead = {
  seal: (key, nonce, aad, plaintext) => {
    const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(aad);
    const body = cipher.update(plaintext);
    const sealed = concat(body, cipher.final(), cipher.getAuthTag());
    letGo(body);
    return sealed;
  },
  open: (key, nonce, aad, sealed) => {
    const decipher = createDecipheriv("aes-256-gcm", key, nonce).setAAD(aad);
    if (sealed.length < TAG_LENGTH) return undefined;
    const end = sealed.length - TAG_LENGTH;
    decipher.setAuthTag(sealed.subarray(end));
    const plaintext = decipher.update(sealed.subarray(0, end));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return own(plaintext);
  },
};

const x25519Secret = keyCache(secretKey(DER.x25519Secret, 32));
const x25519Public = keyCache(publicKey(DER.x25519Public));

const x25519: X25519 = {
  publicKey: (secret) => rawPublic(x25519Secret(secret), 32),
  agree: (secret, peer) => {
    const privateKey = x25519Secret(secret);
    if (peer.length !== 32) return undefined;
    try {
      return own(diffieHellman({ privateKey, publicKey: x25519Public(peer) }));
    } catch {
      return undefined; // BoringSSL refuses an all-zero result
    }
  },
};

const ed25519Secret = keyCache(secretKey(DER.ed25519Secret, 32));
const ed25519Public = keyCache(publicKey(DER.ed25519Public));

const ed25519: Ed25519 = {
  publicKey: (secret) => rawPublic(ed25519Secret(secret), 32),
  sign: (secret, message) => own(sign(null, message, ed25519Secret(secret))),
  verify: (signer, message, signature) =>
    signature.length === 64 && isUsableEd25519Key(signer) && verify(null, message, ed25519Public(signer), signature),
};

const ML_KEM = { name: "ML-KEM-768" };
const kemSecret = secretKey(DER.mlKem768Seed, 64);
const kemDecapsulation = keyCache((seed) => subtle.importKey("raw-seed", seed, ML_KEM, false, ["decapsulateBits"]));
const kemEncapsulation = keyCache((key) => subtle.importKey("raw-public", key, ML_KEM, false, ["encapsulateBits"]));

const mlKem768: MlKem768 = {
  publicKey: async (seed) => rawPublic(kemSecret(seed), KEM_KEY_LENGTH),
  encapsulate: async (key) => {
    if (key.length !== KEM_KEY_LENGTH) return undefined;
    const imported = await kemEncapsulation(key).catch(() => undefined); // FIPS 203 §7.2: the modulus check
    if (!imported) return undefined;
    const { ciphertext, sharedKey } = await subtle.encapsulateBits(ML_KEM, imported);
    return { ciphertext: own(ciphertext), secret: own(sharedKey) };
  },
  decapsulate: async (seed, ciphertext) => {
    if (ciphertext.length !== KEM_CIPHERTEXT_LENGTH) return undefined;
    return own(await subtle.decapsulateBits(ML_KEM, await kemDecapsulation(seed), ciphertext));
  },
};

const ML_DSA = { name: "ML-DSA-65" };
const dsaSecret = secretKey(DER.mlDsa65Seed, 32);
const dsaSigning = keyCache((seed) => subtle.importKey("raw-seed", seed, ML_DSA, false, ["sign"]));
const dsaVerifying = keyCache((key) => subtle.importKey("raw-public", key, ML_DSA, false, ["verify"]));

const mlDsa65: MlDsa65 = {
  publicKey: async (seed) => rawPublic(dsaSecret(seed), DSA_KEY_LENGTH),
  sign: async (seed, message, context) =>
    own(await subtle.sign({ ...ML_DSA, context }, await dsaSigning(seed), message)),
  verify: async (signer, message, context, signature) => {
    if (signer.length !== DSA_KEY_LENGTH || signature.length !== DSA_SIGNATURE_LENGTH) return false;
    if (context.length > CONTEXT_MAX) return false;
    const key = await dsaVerifying(signer).catch(() => undefined);
    return key !== undefined && (await subtle.verify({ ...ML_DSA, context }, key, signature, message));
  },
};

function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return own(mac.digest());
}

/** RFC 5869 §2.3: T(i) = HMAC(prk, T(i-1) ‖ info ‖ i). */
function hkdfExpand(pseudorandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (length > 255 * HASH_LENGTH)
    throw new TrellisError("crypto/hkdf-length", `${length} bytes are more than HKDF gives`);
  const out = new Uint8Array(length);
  let block = new Uint8Array(0);
  for (let i = 1, at = 0; at < length; i++, at += HASH_LENGTH) {
    block = new Uint8Array(hmacSha256(pseudorandomKey, block, info, Uint8Array.of(i)));
    out.set(block.subarray(0, length - at), at);
  }
  return out;
}

export const native: CryptoProvider = {
  name: "native",
  sha256: (...parts) => {
    const [only] = parts;
    if (only && parts.length === 1) return Bun.SHA256.hash(only) as Uint8Array;
    // A third of the time of a stream, and no object whose native half waits for the garbage collector.
    if (parts.reduce((sum, p) => sum + p.length, 0) <= JOINED_MAX)
      return Bun.SHA256.hash(concat(...parts)) as Uint8Array;
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return own(hash.digest());
  },
  hmacSha256,
  hkdfExtract: (salt, inputKeyMaterial) => hmacSha256(salt, inputKeyMaterial),
  hkdfExpand,
  aead: { "aes-256-gcm": aesGcm, "chacha20-poly1305": nobleAead(chacha20poly1305) },
  x25519,
  mlKem768,
  ed25519,
  mlDsa65,
};
