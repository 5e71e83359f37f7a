/**
 * The port behind which every primitive lives. `native` is Bun's BoringSSL, `noble` the portable one and the check on
 * the other. Byte strings in, byte strings out; input that a peer could have sent never throws: it yields undefined or
 * false. Lattice operations are asynchronous because WebCrypto's are.
 */
export type AeadName = "aes-256-gcm" | "chacha20-poly1305";
export type ProviderName = "native" | "noble";

export interface Aead {
  /** Ciphertext followed by the 16-byte tag. `key` 32 bytes, `nonce` 12 bytes, never used twice with one key. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Plaintext, or undefined when the tag is wrong or the input is shorter than a tag. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

export interface X25519 {
  /** RFC 7748 §5; `secret` 32 bytes. */
  publicKey(secret: Uint8Array): Uint8Array;
  /** 32 bytes, or undefined when the result is all zero (RFC 7748 §6.1) or `publicKey` is not 32 bytes. */
  agree(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
}

export interface MlKem768 {
  /** FIPS 203 ML-KEM.KeyGen_internal; `seed` is d then z, 64 bytes; gives the 1184-byte encapsulation key. */
  publicKey(seed: Uint8Array): Promise<Uint8Array>;
  /**
   * FIPS 203 §7.2 with its input check: undefined for a malformed `publicKey`. `ciphertext` 1088 bytes, `secret` 32.
   * `random` (32 bytes) makes it deterministic where the provider can be told (noble); native draws its own.
   */
  encapsulate(publicKey: Uint8Array, random: Uint8Array): Promise<Encapsulated | undefined>;
  /** FIPS 203 §7.3: 32 bytes (implicit rejection for a forged ciphertext), undefined for one of a wrong length. */
  decapsulate(seed: Uint8Array, ciphertext: Uint8Array): Promise<Uint8Array | undefined>;
}

export interface Encapsulated {
  readonly ciphertext: Uint8Array;
  readonly secret: Uint8Array;
}

export interface Ed25519 {
  /** RFC 8032 §5.1.5; `secret` 32 bytes. */
  publicKey(secret: Uint8Array): Uint8Array;
  sign(secret: Uint8Array, message: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

export interface MlDsa65 {
  /** FIPS 204 ML-DSA.KeyGen_internal; `seed` 32 bytes; gives 1952 bytes. */
  publicKey(seed: Uint8Array): Promise<Uint8Array>;
  /** FIPS 204 §5.2 (pure); `context` at most 255 bytes; 3309 bytes. May be hedged. */
  sign(seed: Uint8Array, message: Uint8Array, context: Uint8Array): Promise<Uint8Array>;
  verify(publicKey: Uint8Array, message: Uint8Array, context: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

export interface CryptoProvider {
  readonly name: ProviderName;
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** RFC 5869 §2.2 */
  hkdfExtract(salt: Uint8Array, inputKeyMaterial: Uint8Array): Uint8Array;
  /** RFC 5869 §2.3; `length` at most 8160 bytes. */
  hkdfExpand(pseudorandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  readonly aead: Readonly<Record<AeadName, Aead>>;
  readonly x25519: X25519;
  readonly mlKem768: MlKem768;
  readonly ed25519: Ed25519;
  readonly mlDsa65: MlDsa65;
}
