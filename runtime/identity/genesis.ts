/**
 * What a mesh is: its root keys, of which `threshold` sign together, and its name. The mesh id is the hash of this, so
 * nobody can change it and stay the same mesh.
 */
import { toHex } from "../base/bytes.ts";
import { bytesOf, decodeAs, encodeAs, field, listOf, record, text, uint, where } from "../base/cbor-shape.ts";
import type { VerifyingKeys } from "../crypto/hybrid-signature.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { isName } from "./names.ts";

export const GENESIS_VERSION = 1;
export const ROOT_KEYS_MAX = 5; // a certificate with five root signatures still fits the handshake's 32 fragments

export interface Genesis {
  readonly version: number;
  readonly name: string;
  /** How many of the keys sign together, 1 to all of them. */
  readonly threshold: number;
  /** 1 to 5, all different; the place in this list names the key in a signature. */
  readonly roots: readonly VerifyingKeys[];
  /** The software that made it, for the curious: at most 64 characters. */
  readonly createdBy: string;
}

const ROOT = record<VerifyingKeys>({ ed25519: field(1, bytesOf(32)), mlDsa65: field(2, bytesOf(1952)) });

const GENESIS = where(
  record<Genesis>({
    version: field(1, uint(GENESIS_VERSION, GENESIS_VERSION)),
    name: field(2, text(isName)),
    threshold: field(3, uint(ROOT_KEYS_MAX, 1)),
    roots: field(4, listOf(ROOT, ROOT_KEYS_MAX)),
    createdBy: field(
      5,
      text((t) => t.length <= 64),
    ),
  }),
  (g) => g.threshold <= g.roots.length && areDistinct(g.roots),
);

// Each half counts: a key that stands twice would sign twice.
const areDistinct = (roots: readonly VerifyingKeys[]): boolean =>
  [roots.map((r) => toHex(r.ed25519)), roots.map((r) => toHex(r.mlDsa65))].every(
    (list) => new Set(list).size === list.length,
  );

export const encodeGenesis = (genesis: Genesis): Uint8Array => encodeAs(GENESIS, genesis);

/** Undefined for anything but the one encoding of a sound genesis. */
export const decodeGenesis = (encoded: Uint8Array): Genesis | undefined => decodeAs(GENESIS, encoded);

/** SHA-256(label ‖ encoded genesis). */
export const meshIdOf = (crypto: CryptoProvider, encoded: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.meshId, encoded);
