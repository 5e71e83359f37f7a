/**
 * What the vector files ask of a provider: more than the port, since they also cover other key sizes, hashes, expanded keys
 * and the internal interfaces. A subject answers through the port where the port has it, else by the library behind it.
 * `undefined` means refused. What the library does not have throws `NotOffered`: counted and printed, not skipped.
 */
export class NotOffered extends Error {}

export type VectorAead = "aes-gcm" | "chacha20-poly1305" | "xchacha20-poly1305";
export type VectorHash = "sha256" | "sha384" | "sha512";
export type Bytes = Uint8Array;
type Maybe<T> = T | undefined | Promise<T | undefined>;

/** A private key as 32 or 64 bytes of seed, or in the expanded encoding of FIPS 203 and 204. */
export type PrivateKey = { readonly seed: Bytes } | { readonly expanded: Bytes };

/** What is signed: FIPS 204 §5.2, §5.4, or what its internal functions take. */
export type Signed =
  | { readonly kind: "pure"; readonly message: Bytes; readonly context: Bytes }
  | { readonly kind: "preHash"; readonly message: Bytes; readonly context: Bytes; readonly hash: string }
  | { readonly kind: "internal"; readonly message: Bytes }
  | { readonly kind: "mu"; readonly mu: Bytes };

export interface Subject {
  readonly name: string;
  seal(aead: VectorAead, key: Bytes, nonce: Bytes, aad: Bytes, plaintext: Bytes): Maybe<Bytes>;
  open(aead: VectorAead, key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes): Maybe<Bytes>;
  hkdf(hash: VectorHash, ikm: Bytes, salt: Bytes, info: Bytes, length: number): Maybe<Bytes>;
  x25519(secret: Bytes, publicKey: Bytes): Maybe<Bytes>;
  ed25519Verify(publicKey: Bytes, message: Bytes, signature: Bytes): Maybe<boolean>;
  /** `expanded` where the library shows it. */
  kemKeys(seed: Bytes): Maybe<{ readonly publicKey: Bytes; readonly expanded: Bytes | undefined }>;
  /** `repeatable` when `random` decided the result. */
  encapsulate(
    publicKey: Bytes,
    random: Bytes,
  ): Maybe<{ readonly ciphertext: Bytes; readonly secret: Bytes; readonly repeatable: boolean }>;
  decapsulate(key: PrivateKey, ciphertext: Bytes): Maybe<Bytes>;
  dsaKeys(seed: Bytes): Maybe<{ readonly publicKey: Bytes; readonly expanded: Bytes | undefined }>;
  /** `random` empty means deterministic. */
  sign(
    key: PrivateKey,
    signed: Signed,
    random: Bytes,
  ): Maybe<{ readonly signature: Bytes; readonly repeatable: boolean }>;
  verify(publicKey: Bytes, signed: Signed, signature: Bytes): Maybe<boolean>;
}

/** What `answer` gives; undefined when it throws because it refuses. */
export async function orRefused<T>(answer: () => Maybe<T>): Promise<T | undefined> {
  try {
    return await answer();
  } catch (thrown) {
    if (thrown instanceof NotOffered) throw thrown;
    return undefined;
  }
}

/** A subject's method for what its library does not have. */
export function lacking(reason: string): () => never {
  return () => {
    throw new NotOffered(reason);
  };
}
