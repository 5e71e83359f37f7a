/** Answers a joiner who has proven an invite's secret: a certificate chain, or the reason why not. */
import { equal, toHex } from "../base/bytes.ts";
import { messageOf, TrellisError } from "../base/errors.ts";
import type { UnixSeconds } from "../base/time.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { Issuing } from "../identity/certificate.ts";
import { currentRefusal } from "../identity/chain.ts";
import { issueByMember, type MemberIssuer } from "../identity/issue.ts";
import { isName, isNameIn } from "../identity/names.ts";
import { nodeId } from "../identity/node-id.ts";
import type { Roster } from "../identity/roster.ts";
import type { Admission, JoinAnswer, JoinRequest } from "../mesh/handshake/ports.ts";
import type { Admitted, InviteBook } from "./invite-book.ts";

export interface Issuer {
  readonly crypto: CryptoProvider;
  readonly member: MemberIssuer;
  readonly roster: Roster;
  readonly book: InviteBook;
  /** The larger of wall clock and mesh time; see invite-book.ts for what an unset clock means. */
  now(): UnixSeconds;
  /** Makes book and roster durable. A rejection keeps the joiner out. */
  persist(): Promise<void>;
}

/**
 * Codes of a refusal: `invite/unknown`, `used`, `expired`, `revoked`, `not-issuer`, `name-invalid`, `name-taken`,
 * `name-outside-space`, `name-fixed`, `serials-used-up`, `node-revoked`, `exceeds-issuer`, `not-stored`, all `invite/`.
 * The same keys with the same invite get the same answer again: the first may have been lost on its way.
 */
export function createAdmission(issuer: Issuer): Admission {
  const underway = new Map<string, Promise<JoinAnswer>>();
  const naming = new Set<string>(); // names of joins that are being answered
  return {
    secretOf: (inviteId) => issuer.book.get(inviteId)?.secret,
    admit(request) {
      const node = nodeId(issuer.crypto, request.keys);
      const key = toHex(request.inviteId) + toHex(node);
      const running = underway.get(key);
      if (running !== undefined) return running;
      const answer = answerTo(issuer, request, node, naming).finally(() => underway.delete(key));
      underway.set(key, answer);
      return answer;
    },
  };
}

/** The right to issue, as it stands. Throws `invite/not-issuer`. */
export function issuingOf(issuer: Issuer): Issuing {
  const { leaf, issuers } = issuer.member.chain;
  const refused = currentRefusal([leaf, ...issuers], issuer.roster);
  if (!leaf.issuing || refused)
    throw new TrellisError("invite/not-issuer", `"${leaf.name}" may not admit others`, {
      hint: "ask a member whose certificate has the capability `issue`",
    });
  return leaf.issuing;
}

async function answerTo(
  issuer: Issuer,
  request: JoinRequest,
  node: Uint8Array,
  naming: Set<string>,
): Promise<JoinAnswer> {
  try {
    return { accepted: true, chain: await admit(issuer, request, node, naming) };
  } catch (thrown) {
    if (!(thrown instanceof TrellisError)) throw thrown;
    return { accepted: false, code: thrown.code, message: thrown.message };
  }
}

async function admit(issuer: Issuer, request: JoinRequest, node: Uint8Array, naming: Set<string>): Promise<Uint8Array> {
  const { book, roster } = issuer;
  const issuing = issuingOf(issuer);
  const before = book.admittedBefore(request.inviteId, node);
  if (before) return againFor(issuer, request, before);
  const refusal = book.refusal(request.inviteId, issuer.now());
  if (refusal) throw refusal; // said before anything about names
  checkName(issuer, request, node, issuing, naming);
  const admitted = book.spend(request.inviteId, node, request.name, issuing, issuer.now());
  naming.add(request.name);
  try {
    const chain = await issue(issuer, request, admitted);
    const result = await roster.accept(chain);
    if ("refused" in result) throw refusedByRoster(result.refused);
    await stored(issuer);
    return chain;
  } catch (thrown) {
    book.takeBack(request.inviteId, admitted);
    throw thrown;
  } finally {
    naming.delete(request.name);
  }
}

/** The certificate as issued; should the roster have lost it, the same one signed again. */
async function againFor(issuer: Issuer, request: JoinRequest, before: Admitted): Promise<Uint8Array> {
  const member = issuer.roster.byId(before.node);
  if (member && member.certificate.serial >= before.serial) return member.chain;
  const chain = await issue(issuer, request, before);
  const result = await issuer.roster.accept(chain);
  if ("refused" in result) throw refusedByRoster(result.refused);
  await stored(issuer);
  return chain;
}

async function issue(issuer: Issuer, request: JoinRequest, { name, serial }: Admitted): Promise<Uint8Array> {
  const { roles = [], subnets = [] } = issuer.book.get(request.inviteId) ?? {};
  try {
    const grant = { keys: request.keys, name, serial, roles, subnets };
    return await issueByMember(issuer.crypto, issuer.roster.mesh, issuer.member, grant);
  } catch (cause) {
    throw new TrellisError("invite/exceeds-issuer", messageOf(cause), { cause });
  }
}

async function stored(issuer: Issuer): Promise<void> {
  try {
    await issuer.persist();
  } catch (cause) {
    throw new TrellisError("invite/not-stored", "the gateway could not store the new member; try again", { cause });
  }
}

function refusedByRoster(code: string): TrellisError {
  if (code === "chain/revoked") return new TrellisError("invite/node-revoked", "this gateway was revoked");
  return new TrellisError("invite/not-admitted", `the new certificate was refused: ${code}`);
}

function checkName(
  issuer: Issuer,
  { name, inviteId }: JoinRequest,
  node: Uint8Array,
  issuing: Issuing,
  naming: ReadonlySet<string>,
): void {
  const fixed = issuer.book.get(inviteId)?.name;
  if (!isName(name)) throw new TrellisError("invite/name-invalid", "the name is no lower-case DNS name");
  if (fixed !== undefined && fixed !== name)
    throw new TrellisError("invite/name-fixed", `this invite is for the name "${fixed}" only`);
  if (!isNameIn(name, issuing.nameSpace))
    throw new TrellisError("invite/name-outside-space", `names given here end in ".${issuing.nameSpace}"`);
  if (isTaken(issuer, name, node, naming))
    throw new TrellisError("invite/name-taken", `the mesh has a "${name}" already`);
}

/** By a member, or by a join that is being answered right now. */
function isTaken({ roster }: Issuer, name: string, node: Uint8Array, naming: ReadonlySet<string>): boolean {
  const holder = roster.byName(name);
  return holder ? !equal(holder.id, node) : naming.has(name);
}
