/**
 * COSE_Sign (RFC 9052 §4.1) with composite signers: each signer gives two signatures, Ed25519 (-19, RFC 9864 §2.2) and
 * then ML-DSA-65 (-49, RFC 9964), and both must hold. The kind of statement is `external_aad`, a label of labels.ts, so a
 * signature means nothing under another label; ML-DSA's own context is empty as RFC 9964 has it. A Sig_structure starts
 * with 0x85, which is no length of a label, so it cannot be mistaken for what `signHybrid` signs either.
 *
 * Untagged (RFC 9052 §2), deterministic CBOR, empty body header, empty unprotected headers, key id in the protected
 * header: every byte is either signed or fixed.
 */
import { compare, equal } from "../base/bytes.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { SigningSecrets, VerifyingKeys } from "../crypto/hybrid-signature.ts";
import type { CryptoProvider } from "../crypto/provider.ts";

export const ALGORITHM = { ed25519: -19, mlDsa65: -49 } as const;
const HEADER = { algorithm: 1, keyId: 4 } as const; // RFC 9052 §3.1
const SIGNATURE_LENGTH = { ed25519: 64, mlDsa65: 3309 } as const;
const NOTHING = new Uint8Array(0);

type Algorithm = keyof typeof ALGORITHM;
const HALVES = Object.keys(ALGORITHM) as readonly Algorithm[];

export interface Signer {
  /** Names the key to the verifier, 1 to 32 bytes. */
  readonly keyId: Uint8Array;
  readonly secrets: SigningSecrets;
}

export interface CompositeSignature {
  readonly keyId: Uint8Array;
  readonly ed25519: Uint8Array; // 64 bytes
  readonly mlDsa65: Uint8Array; // 3309
}

export interface CoseSign {
  readonly payload: Uint8Array;
  /** Ordered by key id, none twice. */
  readonly signatures: readonly CompositeSignature[];
}

/** Signs `payload` with every signer; their order does not matter. */
export async function signCose(
  crypto: CryptoProvider,
  payload: Uint8Array,
  label: Uint8Array,
  signers: readonly Signer[],
): Promise<Uint8Array> {
  const ordered = signers.toSorted((a, b) => compare(a.keyId, b.keyId));
  const signatures: Cbor[] = [];
  for (const { keyId, secrets } of ordered) {
    const bytes = (half: Algorithm): Uint8Array => toBeSigned(half, keyId, label, payload);
    const ed25519 = crypto.ed25519.sign(secrets.ed25519, bytes("ed25519"));
    const mlDsa65 = await crypto.mlDsa65.sign(secrets.mlDsa65, bytes("mlDsa65"), NOTHING);
    signatures.push([protectedHeader("ed25519", keyId), new Map(), ed25519]);
    signatures.push([protectedHeader("mlDsa65", keyId), new Map(), mlDsa65]);
  }
  return Uint8Array.from(encodeCbor([NOTHING, new Map(), payload, signatures]));
}

/** Whether both signatures of one signer hold. Never throws for what came from outside. */
export async function verifySignature(
  crypto: CryptoProvider,
  payload: Uint8Array,
  label: Uint8Array,
  keys: VerifyingKeys,
  { keyId, ed25519, mlDsa65 }: CompositeSignature,
): Promise<boolean> {
  const bytes = (half: Algorithm): Uint8Array => toBeSigned(half, keyId, label, payload);
  return (
    crypto.ed25519.verify(keys.ed25519, bytes("ed25519"), ed25519) &&
    (await crypto.mlDsa65.verify(keys.mlDsa65, bytes("mlDsa65"), NOTHING, mlDsa65))
  );
}

/** The parts of one encoding (nothing verified), or undefined when it is not exactly ours. Never throws. */
export function decodeCose(encoded: Uint8Array, maxSigners: number): CoseSign | undefined {
  const value = decodeCbor(encoded);
  if (!isList(value) || value.length !== 4) return undefined;
  const [header, unprotected, payload, list] = value;
  if (!isEmptyBytes(header) || !isEmptyMap(unprotected) || !(payload instanceof Uint8Array) || !isList(list))
    return undefined;
  if (list.length === 0 || list.length % 2 !== 0 || list.length > 2 * maxSigners) return undefined;
  const signatures = decodeSignatures(list);
  return signatures && { payload: Uint8Array.from(payload), signatures };
}

function decodeSignatures(list: readonly Cbor[]): readonly CompositeSignature[] | undefined {
  const out: CompositeSignature[] = [];
  for (let i = 0; i < list.length; i += 2) {
    const [first, second] = HALVES.map((half, n) => decodeHalf(half, list[i + n] as Cbor));
    if (!first || !second || !equal(first.keyId, second.keyId)) return undefined;
    const before = out.at(-1);
    if (before && compare(before.keyId, first.keyId) >= 0) return undefined;
    out.push({ keyId: first.keyId, ed25519: first.signature, mlDsa65: second.signature });
  }
  return out;
}

function decodeHalf(half: Algorithm, value: Cbor): { keyId: Uint8Array; signature: Uint8Array } | undefined {
  if (!isList(value) || value.length !== 3) return undefined;
  const [header, unprotected, signature] = value;
  if (!(header instanceof Uint8Array) || !isEmptyMap(unprotected) || !(signature instanceof Uint8Array))
    return undefined;
  const map = decodeCbor(header);
  const keyId = map instanceof Map ? (map.get(HEADER.keyId) as Cbor | undefined) : undefined;
  if (!(keyId instanceof Uint8Array) || keyId.length === 0 || keyId.length > 32) return undefined;
  if (!equal(header, protectedHeader(half, keyId)) || signature.length !== SIGNATURE_LENGTH[half]) return undefined;
  return { keyId: Uint8Array.from(keyId), signature: Uint8Array.from(signature) };
}

/** Sig_structure (RFC 9052 §4.4). */
const toBeSigned = (half: Algorithm, keyId: Uint8Array, label: Uint8Array, payload: Uint8Array): Uint8Array =>
  encodeCbor(["Signature", NOTHING, protectedHeader(half, keyId), label, payload]);

const protectedHeader = (half: Algorithm, keyId: Uint8Array): Uint8Array =>
  encodeCbor(
    new Map<Cbor, Cbor>([
      [HEADER.algorithm, ALGORITHM[half]],
      [HEADER.keyId, keyId],
    ]),
  );

const isList = (v: Cbor | undefined): v is readonly Cbor[] => Array.isArray(v);
const isEmptyBytes = (v: Cbor | undefined): boolean => v instanceof Uint8Array && v.length === 0;
const isEmptyMap = (v: Cbor | undefined): boolean => v instanceof Map && v.size === 0;
