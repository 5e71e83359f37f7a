/** The native addon's AEAD, as the tunnel's worker threads use it. */
import { createRequire } from "node:module";
import { ADDON } from "../../help/require.ts";
import { type Bytes, lacking, NotOffered, type Subject, type VectorAead } from "./subject.ts";

type Once = (aead: string, key: Bytes, nonce: Bytes, aad: Bytes, data: Bytes) => Bytes | null | undefined;
interface AeadAddon {
  readonly sealOnce: Once;
  readonly openOnce: Once;
}

const AEAD_ONLY = lacking("the addon has AEADs only");

function aeadName(name: VectorAead, key: Bytes, nonce: Bytes): string {
  if (name === "xchacha20-poly1305") throw new NotOffered("the addon has no XChaCha20-Poly1305");
  if (name === "aes-gcm" && key.length !== 32) throw new NotOffered("the addon takes AES keys of 256 bits only");
  if (name === "aes-gcm" && nonce.length !== 12) throw new NotOffered("the addon takes nonces of 96 bits only");
  return name === "aes-gcm" ? "aes-256-gcm" : name;
}

/** The subject, or why there is none. */
export function addonSubject(): Subject | string {
  let addon: Partial<AeadAddon>;
  try {
    addon = createRequire(import.meta.url)(ADDON) as Partial<AeadAddon>;
  } catch {
    return "the native addon is not built";
  }
  const { sealOnce, openOnce } = addon;
  if (!sealOnce || !openOnce) return "the native addon has no sealOnce and openOnce";
  return {
    name: "addon",
    seal: (name, key, nonce, aad, data) => sealOnce(aeadName(name, key, nonce), key, nonce, aad, data) ?? undefined,
    open: (name, key, nonce, aad, data) => openOnce(aeadName(name, key, nonce), key, nonce, aad, data) ?? undefined,
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
}
