/**
 * Who may revoke whom.
 *
 * | revoker                     | may revoke                                        |
 * |-----------------------------|---------------------------------------------------|
 * | the root (k of n)           | anybody                                           |
 * | any member                  | itself: a gateway that leaves                     |
 * | a member with `issue`       | whom it admitted, directly or through others      |
 * | a member with `admin`       | anybody who has no `admin` and does not stand above it |
 *
 * Admins cannot revoke each other, so a stolen admin cannot lock the others out: only the root, or who admitted it, can
 * revoke it. The target's rights are those of the certificate it shows.
 */
import { equal } from "../base/bytes.ts";
import type { Certificate } from "./certificate.ts";
import type { VerifiedChain } from "./chain.ts";

/** Undefined stands for the root. */
export type Revoker = VerifiedChain | undefined;

type Right = (revoker: VerifiedChain, target: readonly [Certificate, ...Certificate[]]) => boolean;

const isItself: Right = (revoker, [target]) => equal(revoker.leaf.id, target.id);

const admittedIt: Right = (revoker, [, ...issuers]) =>
  revoker.leaf.issuing !== undefined && issuers.some((issuer) => equal(issuer.id, revoker.leaf.id));

const administersIt: Right = (revoker, [target]) =>
  revoker.leaf.capabilities.includes("admin") &&
  !target.capabilities.includes("admin") &&
  !revoker.issuers.some((issuer) => equal(issuer.id, target.id));

const RIGHTS: readonly Right[] = [isItself, admittedIt, administersIt];

/** `chain`: the target's, leaf first. */
export function mayRevoke(revoker: Revoker, chain: readonly Certificate[]): boolean {
  const [target, ...issuers] = chain;
  return target !== undefined && (revoker === undefined || RIGHTS.some((may) => may(revoker, [target, ...issuers])));
}

/** Whether the revoker could have a right over a node whose certificate we have not seen. */
export const mightRevoke = (revoker: Revoker, target: Uint8Array): boolean =>
  revoker === undefined ||
  equal(revoker.leaf.id, target) ||
  revoker.leaf.issuing !== undefined ||
  revoker.leaf.capabilities.includes("admin");
