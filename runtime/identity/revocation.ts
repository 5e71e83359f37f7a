/**
 * A signed "this node is out" or "this issuer counts up to serial n", with the chain of who says so: whoever gets the
 * record can judge it alone. It takes effect the moment it arrives.
 */
import { equal } from "../base/bytes.ts";
import {
  bytesBetween,
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  oneOf,
  optional,
  record,
  text,
  uint,
} from "../base/cbor-shape.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { CERTIFICATE_MAX, CHAIN_MAX, SERIAL_MAX } from "./certificate.ts";
import { type Mesh, type VerifiedChain, verifyChain } from "./chain.ts";
import { type CoseSign, decodeCose, signCose, verifySignature } from "./cose.ts";
import { ROOT_KEYS_MAX } from "./genesis.ts";
import type { MemberIssuer } from "./issue.ts";
import { type RootKey, rootSigners, verifyByRoot } from "./root.ts";
import type { Trust } from "./trust.ts";

export const REVOCATION_VERSION = 1;
export const REASON_MAX = 200;

/** What is said. */
export interface RevocationClaim {
  /** Node id. */
  readonly target: Uint8Array;
  /** `node`: out altogether. `issuer`: stays a member, but what it signs after `lastSerial` is void. */
  readonly scope: "node" | "issuer";
  /** The last serial of its certificates still honoured, so that a thief cannot backdate; undefined: none. */
  readonly lastSerial: number | undefined;
  /** For people: printable, at most 200 characters. */
  readonly reason: string;
}

interface RevocationBody extends RevocationClaim {
  readonly version: number;
  readonly meshId: Uint8Array;
  /** Node id of who signed; undefined for the root. */
  readonly revoker: Uint8Array | undefined;
}

/** A claim whose signatures hold. Whether its revoker may: revocation-rights.ts. */
export interface VerifiedRevocation extends RevocationClaim {
  readonly revoker: VerifiedChain | undefined;
  readonly encoded: Uint8Array;
}

export type RevocationRefusal =
  | "revocation/malformed"
  | "revocation/other-mesh"
  | "revocation/revoker"
  | "revocation/signature";

const BODY = record<RevocationBody>({
  version: field(1, uint(REVOCATION_VERSION, REVOCATION_VERSION)),
  meshId: field(2, bytesOf(32)),
  target: field(3, bytesOf(32)),
  scope: field(4, oneOf("node", "issuer")),
  lastSerial: optional(5, uint(SERIAL_MAX)),
  reason: field(
    6,
    text((t) => t.length <= REASON_MAX && !/\p{C}/u.test(t)),
  ),
  revoker: optional(7, bytesOf(32)),
});

interface Envelope {
  readonly signed: Uint8Array;
  readonly chain: Uint8Array | undefined;
}

const CHAIN_BYTES_MAX = CHAIN_MAX * (CERTIFICATE_MAX + 3) + 1;
const ENVELOPE = record<Envelope>({
  signed: field(1, bytesBetween(1, CERTIFICATE_MAX)),
  chain: optional(2, bytesBetween(1, CHAIN_BYTES_MAX)),
});

/** A record signed by a member, with its chain inside. Throws RangeError when the claim breaks a limit above. */
export async function revokeByMember(
  crypto: CryptoProvider,
  mesh: Mesh,
  revoker: MemberIssuer,
  claim: RevocationClaim,
): Promise<Uint8Array> {
  const payload = encodeAs(BODY, bodyOf(mesh, claim, revoker.keys.id));
  const signer = { keyId: revoker.keys.id, secrets: revoker.keys.secrets };
  const signed = await signCose(crypto, payload, LABEL.revocation, [signer]);
  return encodeAs(ENVELOPE, { signed, chain: revoker.chain.encoded });
}

/** A record signed by the root. Throws as `rootSigners` does. */
export async function revokeByRoot(
  crypto: CryptoProvider,
  mesh: Mesh,
  roots: readonly RootKey[],
  claim: RevocationClaim,
): Promise<Uint8Array> {
  const payload = encodeAs(BODY, bodyOf(mesh, claim, undefined));
  const signed = await signCose(crypto, payload, LABEL.revocation, rootSigners(mesh.genesis, roots));
  return encodeAs(ENVELOPE, { signed, chain: undefined });
}

const bodyOf = (mesh: Mesh, claim: RevocationClaim, revoker: Uint8Array | undefined): RevocationBody => ({
  version: REVOCATION_VERSION,
  meshId: mesh.id,
  target: claim.target,
  scope: claim.scope,
  lastSerial: claim.lastSerial,
  reason: claim.reason,
  revoker,
});

/** The claim and who makes it, or the first reason to refuse. Never throws. */
export async function verifyRevocation(
  crypto: CryptoProvider,
  mesh: Mesh,
  encoded: Uint8Array,
  trust: Trust,
): Promise<VerifiedRevocation | { readonly refused: RevocationRefusal }> {
  const envelope = decodeAs(ENVELOPE, encoded);
  const cose = envelope && decodeCose(envelope.signed, ROOT_KEYS_MAX);
  const body = cose && decodeAs(BODY, cose.payload);
  if (!envelope || !cose || !body) return { refused: "revocation/malformed" };
  if (!equal(body.meshId, mesh.id)) return { refused: "revocation/other-mesh" };
  const { target, scope, lastSerial, reason } = body;
  const claim = { target, scope, lastSerial, reason, encoded: Uint8Array.from(encoded) };
  if (!envelope.chain) {
    const valid =
      !body.revoker && (await verifyByRoot(crypto, mesh.genesis, cose.payload, LABEL.revocation, cose.signatures));
    return valid ? { ...claim, revoker: undefined } : { refused: "revocation/signature" };
  }
  const revoker = await verifyChain(crypto, mesh, envelope.chain, trust);
  if ("refused" in revoker || !body.revoker || !equal(revoker.leaf.id, body.revoker))
    return { refused: "revocation/revoker" };
  return (await isSignedBy(crypto, cose, revoker)) ? { ...claim, revoker } : { refused: "revocation/signature" };
}

async function isSignedBy(crypto: CryptoProvider, cose: CoseSign, { leaf }: VerifiedChain): Promise<boolean> {
  const [signature, ...more] = cose.signatures;
  if (!signature || more.length > 0 || !equal(signature.keyId, leaf.id)) return false;
  return verifySignature(crypto, cose.payload, LABEL.revocation, leaf.keys, signature);
}
