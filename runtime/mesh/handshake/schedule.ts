/** Steps of the key schedule that both patterns share (SPEC.md, "Key schedule"). */
import { concat, wipe } from "../../base/bytes.ts";
import { KdfChain } from "../../crypto/kdf-chain.ts";
import { LABEL, STEP } from "../../crypto/labels.ts";
import type { AeadName, CryptoProvider } from "../../crypto/provider.ts";
import { WIRE_VERSION } from "../frame.ts";
import type { AeadRates } from "../types.ts";

const ZERO_NONCE = new Uint8Array(12); // every key of the schedule seals once

/** Binds protocol, version, pattern, mesh, responder and exchange before anything else. */
export function startChain(
  crypto: CryptoProvider,
  pattern: "K" | "F",
  meshId: Uint8Array,
  responderId: Uint8Array,
  exchange: Uint8Array,
): KdfChain {
  const chain = KdfChain.start(crypto, LABEL.handshake);
  chain.mixHash(concat(Uint8Array.of(WIRE_VERSION, pattern.charCodeAt(0)), meshId, responderId, exchange));
  return chain;
}

/** Seals under a key of this step, with the transcript as AAD, and takes the result into the transcript. */
export function sealStep(crypto: CryptoProvider, chain: KdfChain, step: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const key = chain.deriveKey(step, 32);
  const sealed = crypto.aead["aes-256-gcm"].seal(key, ZERO_NONCE, chain.transcript, plaintext);
  wipe(key);
  chain.mixHash(sealed);
  return sealed;
}

/** The plaintext, or undefined; the transcript moves on only when it opens. */
export function openStep(
  crypto: CryptoProvider,
  chain: KdfChain,
  step: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const key = chain.deriveKey(step, 32);
  const plaintext = crypto.aead["aes-256-gcm"].open(key, ZERO_NONCE, chain.transcript, sealed);
  wipe(key);
  if (plaintext) chain.mixHash(sealed);
  return plaintext;
}

export interface SessionSecrets {
  readonly dataInitiator: Uint8Array;
  readonly dataResponder: Uint8Array;
  readonly controlInitiator: Uint8Array;
  readonly controlResponder: Uint8Array;
  readonly hopInitiator: Uint8Array;
  readonly hopResponder: Uint8Array;
  readonly sessionId: Uint8Array;
}

/** For an exchange that ends without a session. */
export const wipeSession = (s: SessionSecrets): void =>
  wipe(s.dataInitiator, s.dataResponder, s.controlInitiator, s.controlResponder);

/** The session's keys; ends the chain. */
export function finish(chain: KdfChain): SessionSecrets {
  const secrets: SessionSecrets = {
    dataInitiator: chain.deriveKey(STEP.dataInitiator, 32),
    dataResponder: chain.deriveKey(STEP.dataResponder, 32),
    controlInitiator: chain.deriveKey(STEP.controlInitiator, 32),
    controlResponder: chain.deriveKey(STEP.controlResponder, 32),
    hopInitiator: chain.deriveKey(STEP.hopInitiator, 16),
    hopResponder: chain.deriveKey(STEP.hopResponder, 16),
    sessionId: chain.deriveKey(STEP.sessionId, 8),
  };
  chain.wipe();
  return secrets;
}

/** The data AEAD that gives the slower end the higher rate; AES on a tie. */
export function chooseAead(a: AeadRates, b: AeadRates): AeadName {
  const aes = Math.min(a.aes256Gcm, b.aes256Gcm);
  const chacha = Math.min(a.chacha20Poly1305, b.chacha20Poly1305);
  return chacha > aes ? "chacha20-poly1305" : "aes-256-gcm";
}
