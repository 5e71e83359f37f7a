/**
 * How bytes become what is worked with here, and what of it is kept. A part of its own so that many replicas in one process, as in a simulation, can do
 * equal work once and keep equal things once.
 */
import type { VerifyingKeys } from "../crypto/hybrid-signature.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { Held } from "./holdings.ts";
import { type Batch, decodeBatch, decodeRecord, isSigned, type Rec } from "./record.ts";

export interface Decoding {
  /** As `decodeRecord`. */
  record(author: Uint8Array, encoded: Uint8Array): Rec | undefined;
  /** As `decodeBatch`. */
  batch(encoded: Uint8Array): Batch | undefined;
  /** As `isSigned`. */
  isSigned(batch: Batch, keys: VerifyingKeys): Promise<boolean>;
  /** One that equals `held`. */
  held(held: Held): Held;
}

export const decodingOf = (crypto: CryptoProvider, meshId: Uint8Array): Decoding => ({
  record: (author, encoded) => decodeRecord(crypto, author, encoded),
  batch: (encoded) => decodeBatch(crypto, meshId, encoded),
  isSigned: (batch, keys) => isSigned(crypto, batch, keys),
  held: (held) => held,
});
