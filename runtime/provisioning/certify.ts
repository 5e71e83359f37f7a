/** A new certificate from the root for a member that is to admit others as well. */
import { TrellisError } from "../base/errors.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { type Capability, SERIAL_MAX } from "../identity/certificate.ts";
import type { VerifiedChain } from "../identity/chain.ts";
import { issueByRoot } from "../identity/issue.ts";
import { isNameSpace } from "../identity/names.ts";
import type { RootKey } from "../identity/root.ts";
import type { Roster } from "../identity/roster.ts";

export interface IssuerTerms {
  /** `site1` lets it admit `x.site1`; empty: any name. */
  readonly nameSpace: string;
  /** Also the right to revoke members. */
  readonly admin: boolean;
  /** In place of those that it has; undefined leaves them. */
  readonly subnets?: readonly string[] | undefined;
}

/**
 * The encoded chain: what the member has, and the right to issue. Its serial is higher than any in the roster, so that it
 * replaces the certificate the member has now. Throws `certify/name-space` and those of `issueByRoot`.
 */
export async function certifyIssuer(
  crypto: CryptoProvider,
  roster: Roster,
  roots: readonly RootKey[],
  { leaf }: VerifiedChain,
  { nameSpace, admin, subnets }: IssuerTerms,
): Promise<Uint8Array> {
  if (!isNameSpace(nameSpace)) throw new TrellisError("certify/name-space", `"${nameSpace}" is no name space`);
  const added: readonly Capability[] = admin ? ["issue", "admin"] : ["issue"];
  return await issueByRoot(crypto, roster.mesh, roots, {
    ...leaf,
    serial: 1 + Math.max(leaf.serial, ...roster.list().map((m) => m.certificate.serial)),
    capabilities: [...leaf.capabilities, ...added],
    subnets: subnets ?? leaf.subnets,
    issuing: { firstSerial: 1, lastSerial: SERIAL_MAX, nameSpace, depth: 1 },
  });
}
