/** Answers a joiner who has proven an invite's secret: a certificate chain, or the reason why not. */
import { equal } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { UnixSeconds } from "../base/time.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { type Certificate, signCertificate } from "../identity/certificate.ts";
import { decodeChain, encodeChain, exceeds, MAX_CHAIN } from "../identity/chain.ts";
import type { NodeKeys } from "../identity/keys.ts";
import { MEMBER_NAME } from "../identity/name.ts";
import { nodeId } from "../identity/node-id.ts";
import type { Roster } from "../identity/roster.ts";
import type { Admission, JoinAnswer, JoinRequest } from "../mesh/handshake/ports.ts";
import type { InviteBook } from "./invite-book.ts";

export interface Issuer {
  readonly crypto: CryptoProvider;
  readonly keys: NodeKeys;
  readonly certificate: Certificate;
  readonly chain: Uint8Array;
  readonly roster: Roster;
  readonly book: InviteBook;
  /** The wall clock, or mesh time where that is later: an unset clock can only make an invite live longer. */
  now(): UnixSeconds;
  /** Next serial of the issuer's range; durable with the book. */
  nextSerial(): number;
  /** Makes book and serial durable. */
  persist(): Promise<void>;
}

export function createAdmission(issuer: Issuer): Admission {
  return {
    secretOf: (inviteId) => issuer.book.get(inviteId)?.secret,
    async admit(request) {
      try {
        return { accepted: true, chain: await admit(issuer, request) };
      } catch (thrown) {
        if (!(thrown instanceof TrellisError)) throw thrown;
        return { accepted: false, code: thrown.code, message: thrown.message } satisfies JoinAnswer;
      }
    },
  };
}

async function admit(issuer: Issuer, request: JoinRequest): Promise<Uint8Array> {
  const id = nodeId(issuer.crypto, request.keys);
  if (issuer.roster.isRevoked(id)) throw new TrellisError("invite/node-revoked", "this gateway was revoked");
  checkName(issuer, request.name, id);
  // The answer may have been lost: the same node with the same invite gets the same chain again.
  const known = issuer.roster.byId(id);
  issuer.book.spend(request.inviteId, id, issuer.now());
  if (known) return known.chain;
  const certificate: Certificate = {
    meshId: issuer.roster.meshId,
    keys: request.keys,
    name: request.name,
    roles: [],
    capabilities: [],
    expires: issuer.certificate.expires,
    serial: issuer.nextSerial(),
    issuer: issuer.keys.id,
    delegation: undefined,
  };
  if (exceeds(certificate, issuer.certificate)) {
    throw new TrellisError("invite/exceeds-issuer", `this gateway may not admit "${request.name}"`, {
      hint: `its members' names end in .${issuer.certificate.delegation?.nameSpace ?? ""}`,
    });
  }
  const above = decodeChain(issuer.chain) ?? [];
  if (above.length >= MAX_CHAIN)
    throw new TrellisError("invite/chain", "this gateway's chain is too long to admit others");
  const chain = encodeChain([await signCertificate(issuer.crypto, issuer.keys.secrets, certificate), ...above]);
  if (!(await issuer.roster.admit(chain)))
    throw new TrellisError("invite/roster-full", "the roster takes no more members");
  await issuer.persist();
  return chain;
}

function checkName(issuer: Issuer, name: string, id: Uint8Array): void {
  if (!MEMBER_NAME.test(name)) throw new TrellisError("invite/name-invalid", `"${name}" is no DNS name`);
  const holder = issuer.roster.byName(name);
  if (holder && !equal(holder.id, id)) throw new TrellisError("invite/name-taken", `the mesh has a "${name}" already`);
}
