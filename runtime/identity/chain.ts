/** Certificates from a leaf to the one the root signed, and whether they hold. */
import { equal } from "../base/bytes.ts";
import { bytesBetween, decodeAs, encodeAs, listOf, where } from "../base/cbor-shape.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { CERTIFICATE_MAX, type Certificate, CHAIN_MAX, decodeCertificate } from "./certificate.ts";
import { verifySignature } from "./cose.ts";
import { decodeGenesis, type Genesis, meshIdOf } from "./genesis.ts";
import { excessOver } from "./limits.ts";
import { verifyByRoot } from "./root.ts";
import type { RevocationVerdict, Trust } from "./trust.ts";

/** A genesis with what is computed from it, made once. */
export interface Mesh {
  readonly id: Uint8Array;
  readonly genesis: Genesis;
  readonly encoded: Uint8Array;
}

/** Undefined when `encoded` is no genesis. */
export function openMesh(crypto: CryptoProvider, encoded: Uint8Array): Mesh | undefined {
  const genesis = decodeGenesis(encoded);
  return genesis && { id: meshIdOf(crypto, encoded), genesis, encoded: Uint8Array.from(encoded) };
}

export type ChainRefusal =
  | "chain/malformed"
  | "chain/too-large"
  | "chain/other-mesh"
  | "chain/broken"
  | "chain/exceeds-issuer"
  | "chain/expired"
  | RevocationVerdict
  | "chain/signature";

export interface VerifiedChain {
  readonly leaf: Certificate;
  /** The leaf's issuer first; empty when the root signed the leaf. */
  readonly issuers: readonly Certificate[];
  readonly encoded: Uint8Array;
}

export type ChainResult = VerifiedChain | { readonly refused: ChainRefusal };

/** Bytes of genesis and chain together: what F2 of the handshake holds beside its own (SPEC.md there). */
export const SHOWN_MAX = 37_200;

const CHAIN = where(listOf(bytesBetween(1, CERTIFICATE_MAX), CHAIN_MAX), (list) => list.length > 0);

/** Encoded certificates, leaf first. */
export const encodeChain = (certificates: readonly Uint8Array[]): Uint8Array => encodeAs(CHAIN, certificates);

/** One to three well-formed certificates, leaf first, nothing verified; or undefined. Never throws. */
export function decodeChain(crypto: CryptoProvider, encoded: Uint8Array): readonly Certificate[] | undefined {
  const certificates = decodeAs(CHAIN, encoded)?.map((c) => decodeCertificate(crypto, c));
  return certificates?.every((c) => c !== undefined) ? certificates : undefined;
}

/** The leaf and its issuers, or the first reason to refuse. What is cheap to see is looked at before signatures. */
export async function verifyChain(
  crypto: CryptoProvider,
  mesh: Mesh,
  encoded: Uint8Array,
  trust: Trust,
): Promise<ChainResult> {
  const opened = openChain(crypto, mesh, encoded);
  if ("refused" in opened) return opened;
  const refused = currentRefusal([opened.leaf, ...opened.issuers], trust);
  if (refused) return { refused };
  return (await areSigned(crypto, mesh, opened)) ? opened : { refused: "chain/signature" };
}

/** A chain of the right form for this mesh. Its signatures are not verified: `areSigned`. */
export function openChain(crypto: CryptoProvider, mesh: Mesh, encoded: Uint8Array): ChainResult {
  if (encoded.length + mesh.encoded.length > SHOWN_MAX) return { refused: "chain/too-large" };
  const chain = decodeChain(crypto, encoded);
  if (!chain) return { refused: "chain/malformed" };
  const refused = wrongForm(mesh, chain);
  if (refused) return { refused };
  const [leaf, ...issuers] = chain as [Certificate, ...Certificate[]];
  return { leaf, issuers, encoded: Uint8Array.from(encoded) };
}

export async function areSigned(crypto: CryptoProvider, mesh: Mesh, chain: VerifiedChain): Promise<boolean> {
  const certificates = [chain.leaf, ...chain.issuers];
  for (const [i, certificate] of certificates.entries())
    if (!(await isSigned(crypto, mesh, certificate, certificates[i + 1]))) return false;
  return true;
}

/** Why a chain that once verified no longer counts. */
export function currentRefusal(chain: readonly Certificate[], trust: Trust): ChainRefusal | undefined {
  return hasExpired(chain, trust) ? "chain/expired" : trust.revocations.verdict(chain);
}

export const hasExpired = (chain: readonly Certificate[], { time }: Pick<Trust, "time">): boolean =>
  chain.some((c) => c.expires !== undefined && c.expires <= time.now);

function wrongForm(mesh: Mesh, chain: readonly Certificate[]): ChainRefusal | undefined {
  if (!chain.every((c) => equal(c.meshId, mesh.id))) return "chain/other-mesh";
  for (const [i, certificate] of chain.entries()) {
    const issuer = chain[i + 1];
    if (!isLinked(certificate, issuer)) return "chain/broken";
    if (issuer && excessOver(certificate, issuer)) return "chain/exceeds-issuer";
  }
  return undefined;
}

const isLinked = (certificate: Certificate, issuer: Certificate | undefined): boolean =>
  certificate.issuer === undefined
    ? issuer === undefined
    : issuer !== undefined && equal(certificate.issuer, issuer.id);

async function isSigned(
  crypto: CryptoProvider,
  mesh: Mesh,
  certificate: Certificate,
  issuer: Certificate | undefined,
): Promise<boolean> {
  const { payload, signatures } = certificate;
  if (!issuer) return verifyByRoot(crypto, mesh.genesis, payload, LABEL.certificate, signatures);
  const [signature, ...more] = signatures;
  if (!signature || more.length > 0 || !equal(signature.keyId, issuer.id)) return false;
  return verifySignature(crypto, payload, LABEL.certificate, issuer.keys, signature);
}
