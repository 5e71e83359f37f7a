/** Making certificates: by the root, or by a member within what it has itself. */
import { equal } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { UnixSeconds } from "../base/time.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import {
  type Capability,
  CERTIFICATE_VERSION,
  type CertificateBody,
  CHAIN_MAX,
  type Issuing,
  signCertificate,
} from "./certificate.ts";
import { encodeChain, type Mesh, SHOWN_MAX, type VerifiedChain } from "./chain.ts";
import type { NodeKeys, PublicKeys } from "./keys.ts";
import { excessOver } from "./limits.ts";
import { isName } from "./names.ts";
import { type RootKey, rootSigners } from "./root.ts";

/** What the new member is to get. Lists in any order. */
export interface Grant {
  readonly keys: PublicKeys;
  readonly name: string;
  readonly serial: number;
  readonly roles?: readonly string[];
  readonly capabilities?: readonly Capability[];
  readonly subnets?: readonly string[];
  /** Undefined: never, or when the issuer's own certificate ends. */
  readonly expires?: UnixSeconds | undefined;
  /** Given with the capability `issue`. */
  readonly issuing?: Issuing;
}

/** A chain of one, signed by the root. Throws `issue/name-invalid`, `issue/too-large` and those of `rootSigners`. */
export async function issueByRoot(
  crypto: CryptoProvider,
  mesh: Mesh,
  roots: readonly RootKey[],
  grant: Grant,
): Promise<Uint8Array> {
  const body = bodyOf(mesh, grant, undefined, grant.expires);
  return chainThatFits(mesh, [await signCertificate(crypto, body, rootSigners(mesh.genesis, roots))]);
}

/** A member that signs, with its own verified chain. */
export interface MemberIssuer {
  readonly keys: NodeKeys;
  readonly chain: VerifiedChain;
}

/**
 * A chain that ends in the issuer's own. Throws `issue/name-invalid`, `issue/too-deep` when the issuer's chain is
 * already three long, `issue/exceeds` when the grant is more than the issuer has, `issue/itself`, `issue/too-large`.
 */
export async function issueByMember(
  crypto: CryptoProvider,
  mesh: Mesh,
  issuer: MemberIssuer,
  grant: Grant,
): Promise<Uint8Array> {
  const { leaf, issuers } = issuer.chain;
  if (issuers.length + 2 > CHAIN_MAX)
    throw new TrellisError("issue/too-deep", `"${leaf.name}" already stands at the end of a chain of ${CHAIN_MAX}`);
  if (equal(leaf.keys.ed25519, grant.keys.ed25519))
    throw new TrellisError("issue/itself", "a member cannot issue its own certificate");
  const body = bodyOf(mesh, grant, leaf.id, grant.expires ?? leaf.expires);
  const excess = excessOver(body, leaf);
  if (excess)
    throw new TrellisError("issue/exceeds", `${excess}: "${leaf.name}" cannot give more than it has`, {
      hint: "ask a member with more rights, or the holder of the root",
    });
  const signer = { keyId: issuer.keys.id, secrets: issuer.keys.secrets };
  const certificate = await signCertificate(crypto, body, [signer]);
  return chainThatFits(mesh, [certificate, leaf.encoded, ...issuers.map((c) => c.encoded)]);
}

/** Many root signatures and long lists may make a chain that no handshake could carry. */
function chainThatFits(mesh: Mesh, certificates: readonly Uint8Array[]): Uint8Array {
  const chain = encodeChain(certificates);
  const bytes = chain.length + mesh.encoded.length;
  if (bytes > SHOWN_MAX)
    throw new TrellisError("issue/too-large", `genesis and chain have ${bytes} bytes, a handshake holds ${SHOWN_MAX}`, {
      hint: "let fewer root keys sign, or give fewer roles and subnets",
    });
  return chain;
}

function bodyOf(
  mesh: Mesh,
  grant: Grant,
  issuer: Uint8Array | undefined,
  expires: UnixSeconds | undefined,
): CertificateBody {
  if (!isName(grant.name))
    throw new TrellisError("issue/name-invalid", `"${grant.name}" is not a name`, {
      hint: "lower-case letters, digits and hyphens, at most 63; parts joined by dots",
    });
  return {
    version: CERTIFICATE_VERSION,
    meshId: mesh.id,
    keys: grant.keys,
    name: grant.name,
    roles: orderedSet(grant.roles ?? []),
    capabilities: orderedSet(grant.capabilities ?? []),
    subnets: orderedSet(grant.subnets ?? []),
    expires,
    serial: grant.serial,
    issuer,
    issuing: grant.issuing,
  };
}

const orderedSet = <T extends string>(values: readonly T[]): readonly T[] => [...new Set(values)].sort();
