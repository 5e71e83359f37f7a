/**
 * Composite signatures: Ed25519 and ML-DSA-65 over the same message and label, both of which must hold. With
 * len = the label's length in one byte, Ed25519 signs len ‖ label ‖ message and ML-DSA takes the label as its context
 * (FIPS 204 §5.2), so neither half means anything under another label or without one.
 */
import { concat } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { CryptoProvider } from "./provider.ts";

const LABEL_MAX = 255;

/** Both 32-byte seeds. */
export interface SigningSecrets {
  readonly ed25519: Uint8Array;
  readonly mlDsa65: Uint8Array;
}

/** 32 and 1952 bytes. */
export interface VerifyingKeys {
  readonly ed25519: Uint8Array;
  readonly mlDsa65: Uint8Array;
}

/** 64 and 3309 bytes. */
export interface HybridSignature {
  readonly ed25519: Uint8Array;
  readonly mlDsa65: Uint8Array;
}

/** `label` is one of labels.ts; 1 to 255 bytes, anything else throws `crypto/label`. */
export async function signHybrid(
  crypto: CryptoProvider,
  secrets: SigningSecrets,
  message: Uint8Array,
  label: Uint8Array,
): Promise<HybridSignature> {
  return {
    ed25519: crypto.ed25519.sign(secrets.ed25519, labelled(label, message)),
    mlDsa65: await crypto.mlDsa65.sign(secrets.mlDsa65, message, label),
  };
}

/** True only when both signatures hold. Never throws for what a peer sent (`keys`, `message`, `signature`). */
export async function verifyHybrid(
  crypto: CryptoProvider,
  keys: VerifyingKeys,
  message: Uint8Array,
  label: Uint8Array,
  signature: HybridSignature,
): Promise<boolean> {
  return (
    crypto.ed25519.verify(keys.ed25519, labelled(label, message), signature.ed25519) &&
    (await crypto.mlDsa65.verify(keys.mlDsa65, message, label, signature.mlDsa65))
  );
}

function labelled(label: Uint8Array, message: Uint8Array): Uint8Array {
  if (label.length === 0 || label.length > LABEL_MAX)
    throw new TrellisError("crypto/label", `a label has 1 to 255 bytes, ${label.length} came`);
  return concat(Uint8Array.of(label.length), label, message);
}
