/** What makes a node a member: its keys, its name and what it may do, signed by an issuer or by the root. */
import { compare } from "../base/bytes.ts";
import {
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  listOf,
  oneOf,
  optional,
  record,
  type Shape,
  text,
  uint,
  where,
} from "../base/cbor-shape.ts";
import { isCanonicalPrefix } from "../base/ip.ts";
import type { UnixSeconds } from "../base/time.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { type CompositeSignature, decodeCose, type Signer, signCose } from "./cose.ts";
import { ROOT_KEYS_MAX } from "./genesis.ts";
import type { PublicKeys } from "./keys.ts";
import { isName, isNameSpace, isWord } from "./names.ts";
import { nodeId } from "./node-id.ts";

export const CERTIFICATE_VERSION = 1;
export const CERTIFICATE_MAX = 24_576; // bytes, five root signatures included
export const CHAIN_MAX = 3;
export const ROLES_MAX = 8;
export const SUBNETS_MAX = 16;
export const SERIAL_MAX = 0xffff_ffff;
export const TIME_MAX = 0xff_ffff_ffff; // seconds; far beyond any certificate

/** `issue`: admit others by invite. `sign-update`: sign software. `admin`: revoke members. */
export const CAPABILITIES = ["admin", "issue", "sign-update"] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** What a member with `issue` may hand out. */
export interface Issuing {
  readonly firstSerial: number;
  readonly lastSerial: number;
  /** `site1` names `x.site1`; empty names anything. */
  readonly nameSpace: string;
  /** How many further issuers may stand below: 0 issues leaves only. */
  readonly depth: number;
}

/** What is signed. Lists are ordered and free of doubles. */
export interface CertificateBody {
  readonly version: number;
  readonly meshId: Uint8Array;
  readonly keys: PublicKeys;
  readonly name: string;
  readonly roles: readonly string[];
  readonly capabilities: readonly Capability[];
  /** Prefixes whose addresses it may use, canonical text. */
  readonly subnets: readonly string[];
  /** Mesh time; undefined never expires. */
  readonly expires: UnixSeconds | undefined;
  /** 1 to 2^32-1, rising with each certificate of its issuer. */
  readonly serial: number;
  /** Node id; undefined when the root signed. */
  readonly issuer: Uint8Array | undefined;
  /** Present exactly when it has `issue`. */
  readonly issuing: Issuing | undefined;
}

export interface Certificate extends CertificateBody {
  /** Node id, computed from the keys. */
  readonly id: Uint8Array;
  /** SHA-256 of the encoding. */
  readonly hash: Uint8Array;
  readonly encoded: Uint8Array;
  readonly payload: Uint8Array;
  readonly signatures: readonly CompositeSignature[];
}

const ascending = <T>(shape: Shape<readonly T[]>, order: (a: T, b: T) => number): Shape<readonly T[]> =>
  where(shape, (list) => list.every((value, i) => i === 0 || order(list[i - 1] as T, value) < 0));
const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Four public keys; also what a joiner asks with. */
export const PUBLIC_KEYS = record<PublicKeys>({
  ed25519: field(1, bytesOf(32)),
  mlDsa65: field(2, bytesOf(1952)),
  x25519: field(3, bytesOf(32)),
  mlKem768: field(4, bytesOf(1184)),
});

const ISSUING = where(
  record<Issuing>({
    firstSerial: field(1, uint(SERIAL_MAX, 1)),
    lastSerial: field(2, uint(SERIAL_MAX, 1)),
    nameSpace: field(3, text(isNameSpace)),
    depth: field(4, uint(CHAIN_MAX - 2)),
  }),
  (i) => i.firstSerial <= i.lastSerial,
);

const BODY = where(
  record<CertificateBody>({
    version: field(1, uint(CERTIFICATE_VERSION, CERTIFICATE_VERSION)),
    meshId: field(2, bytesOf(32)),
    keys: field(3, PUBLIC_KEYS),
    name: field(4, text(isName)),
    roles: field(5, ascending(listOf(text(isWord), ROLES_MAX), byText)),
    capabilities: field(6, ascending(listOf(oneOf(...CAPABILITIES), CAPABILITIES.length), byText)),
    subnets: field(7, ascending(listOf(text(isCanonicalPrefix), SUBNETS_MAX), byText)),
    expires: optional(8, uint(TIME_MAX)),
    serial: field(9, uint(SERIAL_MAX, 1)),
    issuer: optional(10, bytesOf(32)),
    issuing: optional(11, ISSUING),
  }),
  (body) => body.capabilities.includes("issue") === (body.issuing !== undefined),
);

/** Signs `body` as it stands; throws RangeError when it breaks a limit above. Who may sign what: issue.ts. */
export const signCertificate = (
  crypto: CryptoProvider,
  body: CertificateBody,
  signers: readonly Signer[],
): Promise<Uint8Array> => signCose(crypto, encodeAs(BODY, body), LABEL.certificate, signers);

/** The fields of a well-formed certificate (signatures not yet verified: chain.ts), or undefined. Never throws. */
export function decodeCertificate(crypto: CryptoProvider, encoded: Uint8Array): Certificate | undefined {
  if (encoded.length > CERTIFICATE_MAX) return undefined;
  const cose = decodeCose(encoded, ROOT_KEYS_MAX);
  const body = cose && decodeAs(BODY, cose.payload);
  if (!cose || !body) return undefined;
  const id = nodeId(crypto, body.keys);
  if (body.issuer && compare(body.issuer, id) === 0) return undefined; // nobody vouches for itself
  return { ...body, ...cose, id, hash: crypto.sha256(encoded), encoded: Uint8Array.from(encoded) };
}
