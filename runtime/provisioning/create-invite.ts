/** A new invite of a member that may issue: checked against what it may give, entered in the book, shown as a token. */
import type { Endpoint } from "../base/endpoint.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import { holds } from "../identity/limits.ts";
import { isNameIn } from "../identity/names.ts";
import { type Issuer, issuingOf } from "./admission.ts";
import type { Invite, InviteTerms } from "./invite-book.ts";
import { encodeToken } from "./token.ts";

/**
 * Durable when it resolves. Throws `invite/not-issuer`, `invite/exceeds-issuer`, `invite/name-outside-space`,
 * `invite/endpoints` and those of `InviteBook.create`.
 */
export async function createInvite(
  issuer: Issuer,
  random: RandomBytes,
  endpoints: readonly Endpoint[],
  terms: InviteTerms = {},
): Promise<{ readonly invite: Invite; readonly token: string }> {
  const { nameSpace } = issuingOf(issuer);
  const { leaf } = issuer.member.chain;
  const foreign = terms.roles?.find((role) => !leaf.roles.includes(role));
  if (foreign !== undefined)
    throw new TrellisError("invite/exceeds-issuer", `"${leaf.name}" does not have the role "${foreign}" itself`);
  const beyond = terms.subnets?.find((subnet) => !leaf.subnets.some((outer) => holds(outer, subnet)));
  if (beyond !== undefined)
    throw new TrellisError("invite/exceeds-issuer", `the certificate of "${leaf.name}" does not hold ${beyond}`, {
      hint: "ask the founder, or give this gateway more with `trellis root certify FILE --subnets`",
    });
  if (terms.name !== undefined && !isNameIn(terms.name, nameSpace))
    throw new TrellisError("invite/name-outside-space", `names given here end in ".${nameSpace}"`);
  const invite = issuer.book.create(random, issuer.now(), terms);
  try {
    const token = tokenOf(issuer, invite, endpoints);
    await issuer.persist();
    return { invite, token };
  } catch (thrown) {
    issuer.book.withdraw(invite.id); // nobody has seen it
    throw thrown;
  }
}

const tokenOf = (issuer: Issuer, invite: Invite, endpoints: readonly Endpoint[]): string =>
  encodeToken(issuer.crypto, {
    meshId: issuer.roster.meshId,
    issuerId: issuer.member.chain.leaf.id,
    inviteId: invite.id,
    secret: invite.secret,
    expires: invite.expires,
    uses: invite.uses,
    endpoints,
  });
