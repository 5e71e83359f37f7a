/**
 * The labelled key schedule of the handshake over SHA-256 and HKDF-SHA-256.
 *
 *   h'  = SHA-256(h ‖ u32be(length) ‖ data)                 mixHash
 *   ck' = HKDF-Extract(salt = ck, ikm = secrets, in order)  mixKey
 *   key = HKDF-Expand(ck, label ‖ h, length)                derive
 *
 * Secrets given to `mixKey` are overwritten: each is used once.
 */
import { concat, wipe } from "../base/bytes.ts";
import type { CryptoProvider } from "./provider.ts";

export interface ChainState {
  readonly chainingKey: Uint8Array;
  readonly transcript: Uint8Array;
}

export class KdfChain {
  readonly #crypto: CryptoProvider;
  #chainingKey: Uint8Array;
  #transcript: Uint8Array;

  private constructor(crypto: CryptoProvider, state: ChainState) {
    this.#crypto = crypto;
    this.#chainingKey = state.chainingKey;
    this.#transcript = state.transcript;
  }

  /** ck = h = SHA-256(protocol). */
  static start(crypto: CryptoProvider, protocol: Uint8Array): KdfChain {
    const first = crypto.sha256(protocol);
    return new KdfChain(crypto, { chainingKey: first.slice(), transcript: first });
  }

  static resume(crypto: CryptoProvider, state: ChainState): KdfChain {
    return new KdfChain(crypto, { chainingKey: state.chainingKey.slice(), transcript: state.transcript.slice() });
  }

  get transcript(): Uint8Array {
    return this.#transcript;
  }

  /** A copy; the caller seals it at once (the responder's biscuit) or wipes it. */
  state(): ChainState {
    return { chainingKey: this.#chainingKey.slice(), transcript: this.#transcript.slice() };
  }

  mixHash(data: Uint8Array): void {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, data.length);
    this.#transcript = this.#crypto.sha256(this.#transcript, length, data);
  }

  mixKey(...secrets: readonly Uint8Array[]): void {
    const input = concat(...secrets);
    const next = this.#crypto.hkdfExtract(this.#chainingKey, input);
    wipe(this.#chainingKey, input, ...secrets);
    this.#chainingKey = next;
  }

  derive(label: Uint8Array, length = 32): Uint8Array {
    return this.#crypto.hkdfExpand(this.#chainingKey, concat(label, this.#transcript), length);
  }

  wipe(): void {
    wipe(this.#chainingKey);
  }
}
