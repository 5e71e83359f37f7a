/**
 * COSE_Sign (RFC 9052 §4.1) with exactly two signatures over one payload: Ed25519 and ML-DSA-65 by the same signer.
 * The label of use is the external_aad, so that a signature for one purpose says nothing for another.
 */
import { equal } from "../base/bytes.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../base/cbor.ts";
import { type SigningSecrets, signHybrid, type VerifyingKeys, verifyHybrid } from "../crypto/hybrid-signature.ts";
import type { CryptoProvider } from "../crypto/provider.ts";

/** COSE algorithm ids: Ed25519 (RFC 9864), ML-DSA-65 (RFC 9964). */
const ALGORITHM = { ed25519: -19, mlDsa65: -49 } as const;
const HEADER = {
  ed25519: encodeCbor(new Map([[1, ALGORITHM.ed25519]])),
  mlDsa65: encodeCbor(new Map([[1, ALGORITHM.mlDsa65]])),
} as const;
const NONE = new Uint8Array(0);

/** One structure for both halves: a composite is one statement, and both signers see both algorithm ids. */
const toBeSigned = (label: Uint8Array, payload: Uint8Array): Uint8Array =>
  encodeCbor(["Signature", NONE, [HEADER.ed25519, HEADER.mlDsa65], label, payload]);

export async function signCose(
  crypto: CryptoProvider,
  secrets: SigningSecrets,
  label: Uint8Array,
  payload: Uint8Array,
): Promise<Uint8Array> {
  const s = await signHybrid(crypto, secrets, toBeSigned(label, payload), label);
  const empty: ReadonlyMap<Cbor, Cbor> = new Map();
  return encodeCbor([
    NONE,
    empty,
    payload,
    [
      [HEADER.ed25519, empty, s.ed25519],
      [HEADER.mlDsa65, empty, s.mlDsa65],
    ],
  ]);
}

export interface Signed {
  readonly payload: Uint8Array;
  verify(crypto: CryptoProvider, keys: VerifyingKeys, label: Uint8Array): Promise<boolean>;
}

/** The payload, not yet verified; undefined when it is not such a structure. */
export function parseCose(data: Uint8Array): Signed | undefined {
  const outer = decodeCbor(data);
  if (!Array.isArray(outer) || outer.length !== 4) return undefined;
  const [header, unprotected, payload, signatures] = outer as Cbor[];
  if (!isEmptyBytes(header) || !isEmptyMap(unprotected) || !(payload instanceof Uint8Array)) return undefined;
  if (!Array.isArray(signatures) || signatures.length !== 2) return undefined;
  const ed25519 = signatureOf(signatures[0], HEADER.ed25519, 64);
  const mlDsa65 = signatureOf(signatures[1], HEADER.mlDsa65, 3309);
  if (!ed25519 || !mlDsa65) return undefined;
  return {
    payload,
    verify: (crypto, keys, label) =>
      verifyHybrid(crypto, keys, toBeSigned(label, payload), label, { ed25519, mlDsa65 }),
  };
}

const isEmptyBytes = (v: Cbor | undefined): boolean => v instanceof Uint8Array && v.length === 0;
const isEmptyMap = (v: Cbor | undefined): boolean => v instanceof Map && v.size === 0;

function signatureOf(entry: Cbor | undefined, header: Uint8Array, length: number): Uint8Array | undefined {
  if (!Array.isArray(entry) || entry.length !== 3) return undefined;
  const [protectedHeader, unprotected, signature] = entry as Cbor[];
  const right = protectedHeader instanceof Uint8Array && equal(protectedHeader, header);
  return right && isEmptyMap(unprotected) && signature instanceof Uint8Array && signature.length === length
    ? signature
    : undefined;
}
