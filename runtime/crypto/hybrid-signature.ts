/**
 * Composite signatures: Ed25519 (RFC 8032) and ML-DSA-65 (FIPS 204) over the same message; both must hold. A label binds
 * each signature to its use: ML-DSA takes it as context, Ed25519 as a length-prefixed part of what it signs.
 */
import { concat } from "../base/bytes.ts";
import type { CryptoProvider } from "./provider.ts";

export interface CompositeSignature {
  readonly ed25519: Uint8Array; // 64 bytes
  readonly mlDsa65: Uint8Array; // 3309 bytes
}

export interface SigningSecrets {
  readonly ed25519: Uint8Array;
  readonly mlDsa65: Uint8Array;
}

export interface VerifyingKeys {
  readonly ed25519: Uint8Array;
  readonly mlDsa65: Uint8Array;
}

const labelled = (label: Uint8Array, message: Uint8Array): Uint8Array => concat(new Uint8Array([label.length]), label, message);

export async function signComposite(
  crypto: CryptoProvider,
  secrets: SigningSecrets,
  label: Uint8Array,
  message: Uint8Array,
): Promise<CompositeSignature> {
  return {
    ed25519: crypto.ed25519.sign(secrets.ed25519, labelled(label, message)),
    mlDsa65: await crypto.mlDsa65.sign(secrets.mlDsa65, message, label),
  };
}

export async function verifyComposite(
  crypto: CryptoProvider,
  keys: VerifyingKeys,
  label: Uint8Array,
  message: Uint8Array,
  signature: CompositeSignature,
): Promise<boolean> {
  // Classical first: it is a tenth of the cost, and one failure is enough.
  if (!crypto.ed25519.verify(keys.ed25519, labelled(label, message), signature.ed25519)) return false;
  return await crypto.mlDsa65.verify(keys.mlDsa65, message, label, signature.mlDsa65);
}
