/** Chains of member certificates, leaf first, and the rule that nobody hands on more than it has. */
import { equal } from "../base/bytes.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { UnixSeconds } from "../base/time.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { type Certificate, type ParsedCertificate, parseCertificate } from "./certificate.ts";
import type { Genesis } from "./genesis.ts";
import { isWithin } from "./name.ts";
import { nodeId } from "./node-id.ts";

/** Root-signed, issued by it, issued by that: no deeper. */
export const MAX_CHAIN = 3;

export const encodeChain = (certificates: readonly Uint8Array[]): Uint8Array => encodeCbor(certificates);

export function decodeChain(data: Uint8Array): Uint8Array[] | undefined {
  const value = decodeCbor(data);
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_CHAIN) return undefined;
  return value.every((v) => v instanceof Uint8Array) ? (value as Uint8Array[]) : undefined;
}

/** What a verifier goes by. */
export interface Trust {
  readonly meshId: Uint8Array;
  readonly genesis: Genesis;
  /** Mesh time: certificates expire against this floor only. */
  readonly floor: UnixSeconds;
  isRevoked(id: Uint8Array, certificate: Certificate): boolean;
}

export interface VerifiedMember {
  readonly id: Uint8Array;
  readonly certificate: Certificate;
  readonly certificateHash: Uint8Array;
  /** Node ids of its issuers, nearest first. */
  readonly issuers: readonly Uint8Array[];
}

export type Refusal =
  | "malformed"
  | "other-mesh"
  | "signature"
  | "issuer"
  | "no-right-to-issue"
  | "exceeds-issuer"
  | "expired"
  | "revoked";

export type ChainVerdict = { readonly member: VerifiedMember } | { readonly refused: Refusal };

/** Verifies from the root down; the first thing wrong is the reason. */
export async function verifyChain(crypto: CryptoProvider, trust: Trust, chain: Uint8Array): Promise<ChainVerdict> {
  const parsed = decodeChain(chain)?.map((c) => parseCertificate(crypto, c));
  if (!parsed?.every((p): p is ParsedCertificate => p !== undefined)) return { refused: "malformed" };
  let issuer: Certificate | undefined;
  for (const link of parsed.toReversed()) {
    const refused = await checkLink(crypto, trust, link, issuer);
    if (refused) return { refused };
    issuer = link.certificate;
  }
  const [leaf, ...above] = parsed as [ParsedCertificate, ...ParsedCertificate[]];
  return {
    member: {
      id: nodeId(crypto, leaf.certificate.keys),
      certificate: leaf.certificate,
      certificateHash: leaf.hash,
      issuers: above.map((p) => nodeId(crypto, p.certificate.keys)),
    },
  };
}

async function checkLink(
  crypto: CryptoProvider,
  trust: Trust,
  link: ParsedCertificate,
  issuer: Certificate | undefined,
): Promise<Refusal | undefined> {
  const c = link.certificate;
  if (!equal(c.meshId, trust.meshId)) return "other-mesh";
  if (issuer) {
    if (!c.issuer || !equal(c.issuer, nodeId(crypto, issuer.keys))) return "issuer";
    if (!issuer.capabilities.includes("issue") || !issuer.delegation) return "no-right-to-issue";
    if (exceeds(c, issuer)) return "exceeds-issuer";
  } else if (c.issuer) return "issuer";
  if (!(await link.signed.verify(crypto, issuer?.keys ?? trust.genesis.root, LABEL.certificate))) return "signature";
  if (c.expires !== undefined && c.expires <= trust.floor) return "expired";
  return trust.isRevoked(nodeId(crypto, c.keys), c) ? "revoked" : undefined;
}

/** Whether a certificate has anything that its issuer could not give. */
export function exceeds(c: Certificate, issuer: Certificate): boolean {
  const may = issuer.delegation;
  if (!may) return true;
  const outlives = issuer.expires !== undefined && (c.expires === undefined || c.expires > issuer.expires);
  const widens =
    c.delegation !== undefined &&
    (!isSubspace(c.delegation.nameSpace, may.nameSpace) ||
      !inRange(c.delegation.serials[0], may.serials) ||
      !inRange(c.delegation.serials[1], may.serials));
  return (
    outlives ||
    widens ||
    !inRange(c.serial, may.serials) ||
    !isWithin(c.name, may.nameSpace) ||
    !c.capabilities.every((x) => issuer.capabilities.includes(x)) ||
    !c.roles.every((x) => issuer.roles.includes(x))
  );
}

const inRange = (n: number, [first, last]: readonly [number, number]): boolean => n >= first && n <= last;
const isSubspace = (space: string, of: string): boolean => space === of || isWithin(space, of);
