/**
 * The labelled KDF chain of the handshake: every secret and the whole transcript pass through it, in order.
 *
 * State: chaining key `ck` and transcript hash `h`, 32 bytes each. field(x) = u32be(length of x) ‖ x.
 *
 *     start(name):             h = SHA-256(name); ck = h
 *     mixHash(data):           h = SHA-256(h ‖ field(data))
 *     mixKey(label, s1..sn):   ck = HKDF-Extract(salt = ck, ikm = field(label) ‖ field(s1) ‖ … ‖ field(sn))
 *     deriveKey(label, n):     HKDF-Expand(prk = ck, info = field(label) ‖ h, n)
 *
 * HKDF is RFC 5869 with SHA-256. `deriveKey` changes nothing; what it gives is bound to the transcript so far and to
 * its label. Secrets given to `mixKey` and the chaining key it replaces are wiped.
 */
import { concat, wipe } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { CryptoProvider } from "./provider.ts";

const HASH_LENGTH = 32;

export class KdfChain {
  readonly #crypto: CryptoProvider;
  #chainingKey: Uint8Array;
  #transcript: Uint8Array;

  private constructor(crypto: CryptoProvider, chainingKey: Uint8Array, transcript: Uint8Array) {
    this.#crypto = crypto;
    this.#chainingKey = chainingKey;
    this.#transcript = transcript;
  }

  static start(crypto: CryptoProvider, protocolName: Uint8Array): KdfChain {
    const hash = crypto.sha256(protocolName);
    return new KdfChain(crypto, hash.slice(), hash);
  }

  /** The chain as it was when `save` was called. `state` is copied; wiping it is the caller's part. */
  static resume(crypto: CryptoProvider, state: Uint8Array): KdfChain {
    if (state.length !== 2 * HASH_LENGTH)
      throw new TrellisError("crypto/chain-state", `a saved chain has 64 bytes, ${state.length} came`);
    return new KdfChain(crypto, state.slice(0, HASH_LENGTH), state.slice(HASH_LENGTH));
  }

  /** Chaining key then transcript hash, 64 bytes: secret. Lets a responder give its state away, sealed. */
  save(): Uint8Array {
    return concat(this.#chainingKey, this.#transcript);
  }

  /** A chain of its own with the same state, for a message that may turn out forged. */
  fork(): KdfChain {
    return new KdfChain(this.#crypto, this.#chainingKey.slice(), this.#transcript.slice());
  }

  /** A copy of the transcript hash `h`, 32 bytes; not secret. */
  get transcript(): Uint8Array {
    return this.#transcript.slice();
  }

  mixHash(data: Uint8Array): void {
    this.#transcript = this.#crypto.sha256(this.#transcript, lengthOf(data), data);
  }

  /** Consumes `secrets`: they are zero afterwards. */
  mixKey(label: Uint8Array, ...secrets: readonly Uint8Array[]): void {
    const material = concat(...[label, ...secrets].flatMap((x) => [lengthOf(x), x]));
    const next = this.#crypto.hkdfExtract(this.#chainingKey, material);
    wipe(material, this.#chainingKey, ...secrets);
    this.#chainingKey = next;
  }

  /** `length` bytes, at most 8160. */
  deriveKey(label: Uint8Array, length: number): Uint8Array {
    return this.#crypto.hkdfExpand(this.#chainingKey, concat(lengthOf(label), label, this.#transcript), length);
  }

  /** Ends the chain; what is derived afterwards is worthless. */
  wipe(): void {
    wipe(this.#chainingKey, this.#transcript);
  }
}

function lengthOf(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, data.length);
  return out;
}
