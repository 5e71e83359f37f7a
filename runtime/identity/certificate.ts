/** A member certificate: who a node is, what it may do, and who says so. */
import { encodeCbor } from "../base/cbor.ts";
import type { UnixSeconds } from "../base/time.ts";
import type { SigningSecrets } from "../crypto/hybrid-signature.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { parseCose, type Signed, signCose } from "./cose.ts";
import type { PublicKeys } from "./keys.ts";
import { fieldsOf, parseFields } from "./map.ts";
import { MEMBER_NAME, NAME_SPACE } from "./name.ts";

export const CAPABILITIES = ["issue", "admin", "sign-update"] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** What an issuer may hand on. */
export interface Delegation {
  /** Serials it may give, both ends included. */
  readonly serials: readonly [first: number, last: number];
  /** Names it gives end in `.nameSpace`; empty means any name. */
  readonly nameSpace: string;
}

export interface Certificate {
  readonly meshId: Uint8Array;
  readonly keys: PublicKeys;
  readonly name: string;
  readonly roles: readonly string[];
  readonly capabilities: readonly Capability[];
  /** Mesh time; undefined means never. */
  readonly expires: UnixSeconds | undefined;
  readonly serial: number;
  /** Node id of the issuer; undefined when the root signed. */
  readonly issuer: Uint8Array | undefined;
  readonly delegation: Delegation | undefined;
}

const FIELD = {
  version: 1,
  meshId: 2,
  ed25519: 3,
  mlDsa65: 4,
  x25519: 5,
  mlKem768: 6,
  name: 7,
  roles: 8,
  capabilities: 9,
  expires: 10,
  serial: 11,
  issuer: 12,
  delegation: 13,
} as const;
const DELEGATION = { first: 1, last: 2, nameSpace: 3 } as const;
const ROLE = /^[a-z0-9-]{1,32}$/;

export function signCertificate(crypto: CryptoProvider, signer: SigningSecrets, c: Certificate): Promise<Uint8Array> {
  const d = c.delegation;
  const payload = encodeCbor(
    fieldsOf(
      [FIELD.version, 1],
      [FIELD.meshId, c.meshId],
      [FIELD.ed25519, c.keys.ed25519],
      [FIELD.mlDsa65, c.keys.mlDsa65],
      [FIELD.x25519, c.keys.x25519],
      [FIELD.mlKem768, c.keys.mlKem768],
      [FIELD.name, c.name],
      [FIELD.roles, c.roles],
      [FIELD.capabilities, c.capabilities],
      [FIELD.expires, c.expires],
      [FIELD.serial, c.serial],
      [FIELD.issuer, c.issuer],
      [
        FIELD.delegation,
        d &&
          fieldsOf(
            [DELEGATION.first, d.serials[0]],
            [DELEGATION.last, d.serials[1]],
            [DELEGATION.nameSpace, d.nameSpace],
          ),
      ],
    ),
  );
  return signCose(crypto, signer, LABEL.certificate, payload);
}

export interface ParsedCertificate {
  readonly certificate: Certificate;
  readonly signed: Signed;
  /** SHA-256 of the encoding. */
  readonly hash: Uint8Array;
}

/** A well-formed certificate whose signature has not been looked at yet. */
export function parseCertificate(crypto: CryptoProvider, data: Uint8Array): ParsedCertificate | undefined {
  const signed = parseCose(data);
  const certificate = signed && parseFields(signed.payload, readCertificate);
  return signed && certificate ? { certificate, signed, hash: crypto.sha256(data) } : undefined;
}

function readCertificate(f: Parameters<Parameters<typeof parseFields>[1]>[0]): Certificate | undefined {
  const version = f.integer(FIELD.version);
  const certificate: Certificate = {
    meshId: f.bytes(FIELD.meshId, 32),
    keys: {
      ed25519: f.bytes(FIELD.ed25519, 32),
      mlDsa65: f.bytes(FIELD.mlDsa65, 1952),
      x25519: f.bytes(FIELD.x25519, 32),
      mlKem768: f.bytes(FIELD.mlKem768, 1184),
    },
    name: f.text(FIELD.name, MEMBER_NAME),
    roles: f.list(FIELD.roles, 8, (v) => (typeof v === "string" && ROLE.test(v) ? v : undefined)),
    capabilities: f.list(FIELD.capabilities, CAPABILITIES.length, (v) => CAPABILITIES.find((c) => c === v)),
    expires: f.optionalInteger(FIELD.expires),
    serial: f.integer(FIELD.serial),
    issuer: f.optionalBytes(FIELD.issuer, 32),
    delegation: f.map(FIELD.delegation, (d) => ({
      serials: [d.integer(DELEGATION.first), d.integer(DELEGATION.last)] as const,
      nameSpace: d.text(DELEGATION.nameSpace, NAME_SPACE),
    })),
  };
  return version === 1 ? certificate : undefined;
}
