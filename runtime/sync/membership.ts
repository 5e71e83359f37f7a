/** What records need to know of who belongs to the mesh. */
import type { VerifyingKeys } from "../crypto/hybrid-signature.ts";
import type { Capability } from "../identity/certificate.ts";
import type { Signer } from "../identity/cose.ts";
import { KINDS, type KindName } from "./kinds.ts";

export interface Author {
  readonly keys: VerifyingKeys;
  readonly capabilities: readonly Capability[];
}

export interface Membership {
  readonly meshId: Uint8Array;
  readonly self: Signer;
  /** Another number whenever members or revocations changed. */
  readonly revision: number;
  /** A member in good standing; `gone` when it was one, `unknown` when it was not heard of. */
  author(id: Uint8Array): Author | "gone" | "unknown";
  /** Names of the revocations in force (`revocationName`): equal for who knows of the same. */
  revocations(): ReadonlySet<string>;
}

export const isMember = (membership: Membership, id: Uint8Array): boolean => typeof membership.author(id) === "object";

/** Whether a member with these capabilities may write records of a kind. */
export const mayWrite = (kind: KindName, { capabilities }: Author): boolean => {
  const { writers } = KINDS[kind];
  return writers === "member" || capabilities.includes(writers);
};
