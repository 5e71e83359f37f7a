/** The native provider, keeping hold of what it gave out and was given, so that a test can see what was wiped. */
import { native } from "../../runtime/crypto/native.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";

export interface Watched {
  readonly crypto: CryptoProvider;
  /** Secrets that a public key was computed from. */
  readonly secrets: Uint8Array[];
  /** Results of X25519 and ML-KEM. */
  readonly agreed: Uint8Array[];
  /** Every chaining key. */
  readonly chaining: Uint8Array[];
  /** Every derived key of 32 bytes: those that seal. */
  readonly derived: Uint8Array[];
}

export function watching(): Watched {
  const watched = { secrets: [], agreed: [], chaining: [], derived: [] } as {
    [K in "secrets" | "agreed" | "chaining" | "derived"]: Uint8Array[];
  };
  const keep = (kind: keyof typeof watched, bytes: Uint8Array): Uint8Array => {
    watched[kind].push(bytes);
    return bytes;
  };
  const { x25519, mlKem768 } = native;
  const crypto: CryptoProvider = {
    ...native,
    hkdfExtract: (salt, material) => keep("chaining", native.hkdfExtract(salt, material)),
    hkdfExpand: (key, info, length) => {
      const out = native.hkdfExpand(key, info, length);
      return length === 32 ? keep("derived", out) : out;
    },
    x25519: {
      publicKey: (s) => x25519.publicKey(keep("secrets", s)),
      agree: (s, peer) => {
        const secret = x25519.agree(s, peer);
        return secret && keep("agreed", secret);
      },
    },
    mlKem768: {
      publicKey: (s) => mlKem768.publicKey(keep("secrets", s)),
      encapsulate: async (key, random) => {
        const made = await mlKem768.encapsulate(key, random);
        if (made) keep("agreed", made.secret);
        return made;
      },
      decapsulate: async (s, ciphertext) => {
        const secret = await mlKem768.decapsulate(s, ciphertext);
        return secret && keep("agreed", secret);
      },
    },
  };
  return { crypto, ...watched };
}

export const areZero = (list: readonly Uint8Array[]): boolean => list.every((s) => s.every((b) => b === 0));
