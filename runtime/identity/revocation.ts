/**
 * A signed "this node is out", with the chain of who says so. It takes effect the moment it arrives.
 *
 * | revoker                            | may revoke                                  |
 * |------------------------------------|---------------------------------------------|
 * | a member with `admin`              | anybody whose chain does not end above it   |
 * | a member with `issue`              | whom it admitted, directly or through others|
 * | any member                         | itself (a gateway that leaves)              |
 */
import { equal } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { type Trust, type VerifiedMember, verifyChain } from "./chain.ts";
import { parseCose, signCose } from "./cose.ts";
import type { NodeKeys } from "./keys.ts";
import { fieldsOf, parseFields } from "./map.ts";

export interface Revocation {
  readonly meshId: Uint8Array;
  readonly node: Uint8Array;
  readonly reason: string;
  /** Encoded chain of the revoker. */
  readonly by: Uint8Array;
}

const FIELD = { version: 1, meshId: 2, node: 3, reason: 4, by: 5 } as const;
const REASON = /^[^\p{C}]{0,200}$/u;

export const signRevocation = (crypto: CryptoProvider, revoker: NodeKeys, r: Revocation): Promise<Uint8Array> =>
  signCose(
    crypto,
    revoker.secrets,
    LABEL.revocation,
    encodeCbor(
      fieldsOf(
        [FIELD.version, 1],
        [FIELD.meshId, r.meshId],
        [FIELD.node, r.node],
        [FIELD.reason, r.reason],
        [FIELD.by, r.by],
      ),
    ),
  );

/** A revocation whose signature and revoker hold; whether the revoker may is `mayRevoke`'s question. */
export async function verifyRevocation(
  crypto: CryptoProvider,
  trust: Trust,
  data: Uint8Array,
): Promise<{ readonly revocation: Revocation; readonly revoker: VerifiedMember } | undefined> {
  const signed = parseCose(data);
  const revocation =
    signed &&
    parseFields(signed.payload, (f) => ({
      version: f.integer(FIELD.version),
      meshId: f.bytes(FIELD.meshId, 32),
      node: f.bytes(FIELD.node, 32),
      reason: f.text(FIELD.reason, REASON),
      by: f.bytes(FIELD.by),
    }));
  if (!signed || revocation?.version !== 1 || !equal(revocation.meshId, trust.meshId)) return undefined;
  const verdict = await verifyChain(crypto, trust, revocation.by);
  if (!("member" in verdict)) return undefined;
  const valid = await signed.verify(crypto, verdict.member.certificate.keys, LABEL.revocation);
  return valid ? { revocation, revoker: verdict.member } : undefined;
}

/** The table above. `target` is undefined when we do not know the revoked node (yet): only `admin` may then. */
export function mayRevoke(revoker: VerifiedMember, node: Uint8Array, target: VerifiedMember | undefined): boolean {
  if (equal(revoker.id, node)) return true;
  if (revoker.issuers.some((id) => equal(id, node))) return false;
  if (revoker.certificate.capabilities.includes("admin")) return true;
  const admitted = target?.issuers.some((id) => equal(id, revoker.id)) ?? false;
  return admitted && revoker.certificate.capabilities.includes("issue");
}
