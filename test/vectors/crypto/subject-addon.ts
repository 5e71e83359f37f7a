/** The native addon's AEADs, as the tunnel's worker threads use them: a subject per cipher library. */

import type { AeadName } from "../../../runtime/crypto/provider.ts";
import { loadAddon } from "../../../runtime/dataplane/addon.io.ts";
import { type Bytes, lacking, NotOffered, type Subject, type VectorAead } from "./subject.ts";

const AEAD_ONLY = lacking("the addon has AEADs only");

function aeadName(name: VectorAead, key: Bytes, nonce: Bytes): AeadName {
  if (name === "xchacha20-poly1305") throw new NotOffered("the addon has no XChaCha20-Poly1305");
  if (name === "aes-gcm" && key.length !== 32) throw new NotOffered("the addon takes AES keys of 256 bits only");
  if (name === "aes-gcm" && nonce.length !== 12) throw new NotOffered("the addon takes nonces of 96 bits only");
  return name === "aes-gcm" ? "aes-256-gcm" : name;
}

export interface AddonSubjects {
  readonly subjects: readonly Subject[];
  /** Why there is none, or not one of every library; empty when there is. */
  readonly lacks: string;
}

export function addonSubjects(): AddonSubjects {
  const { addon, reason } = loadAddon();
  if (!addon) return { subjects: [], lacks: reason };
  const libraries = [...new Set(addon.aeadOffers().map((offer) => offer.library))];
  const subjects = libraries.map((library): Subject => {
    return {
      name: library.split(" ")[0] ?? library,
      seal: (name, key, nonce, aad, data) => addon.sealOnce(aeadName(name, key, nonce), key, nonce, aad, data, library),
      open: (name, key, nonce, aad, data) => addon.openOnce(aeadName(name, key, nonce), key, nonce, aad, data, library),
      hkdf: AEAD_ONLY,
      x25519: AEAD_ONLY,
      ed25519Verify: AEAD_ONLY,
      kemKeys: AEAD_ONLY,
      encapsulate: AEAD_ONLY,
      decapsulate: AEAD_ONLY,
      dsaKeys: AEAD_ONLY,
      sign: AEAD_ONLY,
      verify: AEAD_ONLY,
    };
  });
  return { subjects, lacks: addon.probe().ipsecMbLacks };
}
