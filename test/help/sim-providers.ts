/** The crypto that a simulation can run with, and what a report must say about it. */
import { native } from "../../runtime/crypto/native.ts";
import { noble } from "../../runtime/crypto/noble.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import { standIn } from "./stand-in-provider.ts";

export interface SimProvider {
  readonly crypto: CryptoProvider;
  /** Whether all of its randomness comes from the caller, so that one seed gives one run. */
  readonly reproducible: boolean;
  readonly says: string;
}

/**
 * `native` but for the two operations that draw randomness of their own there: WebCrypto lets nobody choose the coins of an
 * encapsulation, and its ML-DSA signatures are hedged. Those are noble's; key generation from seeds, decapsulation,
 * verification and everything classical give the same bytes in both and stay native.
 */
const seeded: CryptoProvider = {
  ...native,
  mlKem768: { ...native.mlKem768, encapsulate: noble.mlKem768.encapsulate },
  mlDsa65: { ...native.mlDsa65, sign: noble.mlDsa65.sign },
};

export const SIM_PROVIDERS = {
  seeded: {
    crypto: seeded,
    reproducible: true,
    says: "seeded: real ML-KEM-768 and ML-DSA-65; native, with encapsulation and ML-DSA signing by noble, which take their randomness from the seed",
  },
  noble: { crypto: noble, reproducible: true, says: "noble: real ML-KEM-768 and ML-DSA-65, all from the seed" },
  native: {
    crypto: native,
    reproducible: false,
    says: "native: real ML-KEM-768 and ML-DSA-65, which draw randomness of their own: the seed does not fix keys and trace",
  },
  "stand-in": {
    crypto: standIn,
    reproducible: true,
    says: "stand-in: NO real key exchange and NO real signatures, byte strings of their sizes only",
  },
} as const satisfies Record<string, SimProvider>;

export type SimProviderName = keyof typeof SIM_PROVIDERS;
