/**
 * A provider with the sizes of the real one and none of its security, for counting datagrams and for simulations too large
 * for lattice arithmetic. Whoever uses it says so in its report. Hashes, HKDF and AES are real.
 */
import { concat, equal } from "../../runtime/base/bytes.ts";
import { native } from "../../runtime/crypto/native.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";

const { sha256 } = native;
const padded = (data: Uint8Array, length: number): Uint8Array => concat(data, new Uint8Array(length - data.length));
const tag = (name: string, ...parts: readonly Uint8Array[]): Uint8Array =>
  sha256(new TextEncoder().encode(name), ...parts);
const sum = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((x, i) => x ^ (b[i] as number));

const dhPublic = (secret: Uint8Array): Uint8Array => tag("dh", secret);
const kemPublic = (seed: Uint8Array): Uint8Array => padded(tag("kem", seed), 1184);
const dsaPublic = (seed: Uint8Array): Uint8Array => padded(tag("dsa", seed), 1952);
const edPublic = (seed: Uint8Array): Uint8Array => tag("ed", seed);

export const standIn: CryptoProvider = {
  ...native,
  x25519: {
    publicKey: dhPublic,
    agree: (secret, peer) => tag("agree", sum(dhPublic(secret), peer)),
  },
  mlKem768: {
    publicKey: async (seed) => kemPublic(seed),
    encapsulate: async (peer, random) => ({ ciphertext: padded(random, 1088), secret: tag("ss", peer, random) }),
    decapsulate: async (seed, ciphertext) => tag("ss", kemPublic(seed), ciphertext.subarray(0, 32)),
  },
  ed25519: {
    publicKey: edPublic,
    sign: (seed, message) => padded(tag("sig", edPublic(seed), message), 64),
    verify: (key, message, s) => equal(s, padded(tag("sig", key, message), 64)),
  },
  mlDsa65: {
    publicKey: async (seed) => dsaPublic(seed),
    sign: async (seed, message, context) => padded(tag("sig", dsaPublic(seed), message, context), 3309),
    verify: async (key, message, context, s) => equal(s, padded(tag("sig", key, message, context), 3309)),
  },
};
