/**
 * The files a node keeps, as bytes: [format name, version, body, checksum]. The checksum (first 8 bytes of SHA-256 over
 * name, version and body) tells a damaged disk from a good file; it is no protection against who can write the file.
 */
import { concat, equal, utf8 } from "../base/bytes.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../base/cbor.ts";
import {
  bytesBetween,
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  listOf,
  optional,
  record,
  type Shape,
  text,
  uint,
} from "../base/cbor-shape.ts";
import type { Endpoint } from "../base/endpoint.ts";
import { TrellisError } from "../base/errors.ts";
import type { UnixSeconds } from "../base/time.ts";
import type { SigningSecrets } from "../crypto/hybrid-signature.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { TIME_MAX } from "./certificate.ts";
import { ROOT_KEYS_MAX } from "./genesis.ts";
import type { NodeSecrets } from "./keys.ts";
import { ROOT_SECRETS } from "./root.ts";
import type { CachedMember } from "./roster.ts";
import { SEALED_ROOT, type SealedRoot } from "./seal-root.ts";

/** A kind of file: its name in messages and in its first bytes, its version, its content. */
export interface StateFile<T> {
  readonly kind: string;
  readonly version: number;
  readonly shape: Shape<T>;
}

/** This node's membership. */
export interface MemberState {
  readonly genesis: Uint8Array;
  /** Encoded chain, leaf first. */
  readonly chain: Uint8Array;
}

const MEGABYTE = 1 << 20;
const ENTRIES_MAX = 65_536;
const blob = bytesBetween(1, MEGABYTE);

const ENDPOINT = record<Endpoint>({
  address: field(
    1,
    text((t) => t.length <= 64),
  ),
  port: field(2, uint(65_535, 1)),
});

export const KEYS_FILE: StateFile<NodeSecrets> = {
  kind: "node keys",
  version: 1,
  shape: record<NodeSecrets>({
    ed25519: field(1, bytesOf(32)),
    mlDsa65: field(2, bytesOf(32)),
    x25519: field(3, bytesOf(32)),
    mlKem768: field(4, bytesOf(64)),
  }),
};

export const MEMBER_FILE: StateFile<MemberState> = {
  kind: "membership",
  version: 1,
  shape: record<MemberState>({ genesis: field(1, blob), chain: field(2, blob) }),
};

export const ROOT_FILE: StateFile<readonly SigningSecrets[]> = {
  kind: "root keys",
  version: 1,
  shape: listOf(ROOT_SECRETS, ROOT_KEYS_MAX),
};

export const SEALED_ROOT_FILE: StateFile<SealedRoot> = { kind: "sealed root keys", version: 1, shape: SEALED_ROOT };

export const ROSTER_FILE: StateFile<readonly CachedMember[]> = {
  kind: "roster",
  version: 1,
  shape: listOf(record<CachedMember>({ chain: field(1, blob), endpoint: optional(2, ENDPOINT) }), ENTRIES_MAX),
};

export const REVOCATIONS_FILE: StateFile<readonly Uint8Array[]> = {
  kind: "revocations",
  version: 1,
  shape: listOf(blob, ENTRIES_MAX),
};

/** The mesh-time floor. */
export const TIME_FILE: StateFile<{ readonly floor: UnixSeconds }> = {
  kind: "mesh time",
  version: 1,
  shape: record<{ readonly floor: UnixSeconds }>({ floor: field(1, uint(TIME_MAX)) }),
};

/** How often this gateway has begun to speak of its links (mesh/routing/SPEC.md). */
export const EPOCH_FILE: StateFile<{ readonly epoch: number }> = {
  kind: "link-state epoch",
  version: 1,
  shape: record<{ readonly epoch: number }>({ epoch: field(1, uint(0xffff_ffff)) }),
};

/** What has gone over an interface on a day, and where its counter stood then; bytes. */
export interface LinkCount {
  readonly interface: string;
  readonly day: string;
  readonly bytes: number;
  readonly counter: number;
}

export const LINK_COUNTS_FILE: StateFile<readonly LinkCount[]> = {
  kind: "bytes of capped interfaces",
  version: 1,
  shape: listOf(
    record<LinkCount>({
      interface: field(
        1,
        text((t) => t.length <= 15),
      ),
      day: field(
        2,
        text((t) => t.length === 10),
      ),
      bytes: field(3, uint(Number.MAX_SAFE_INTEGER)),
      counter: field(4, uint(Number.MAX_SAFE_INTEGER)),
    }),
    ENTRIES_MAX,
  ),
};

export function encodeState<T>(crypto: CryptoProvider, file: StateFile<T>, value: T): Uint8Array {
  const body = encodeAs(file.shape, value);
  return Uint8Array.from(encodeCbor([file.kind, file.version, body, checksum(crypto, file.kind, file.version, body)]));
}

/** Throws `state/corrupt` or `state/version`, both naming the kind of file. */
export function decodeState<T>(crypto: CryptoProvider, file: StateFile<T>, encoded: Uint8Array): T {
  const envelope = decodeCbor(encoded);
  const [kind, version, body, sum] = isList(envelope) && envelope.length === 4 ? envelope : [];
  if (
    kind !== file.kind ||
    typeof version !== "number" ||
    !(body instanceof Uint8Array) ||
    !(sum instanceof Uint8Array)
  )
    throw corrupt(file.kind);
  if (!equal(sum, checksum(crypto, kind, version, body))) throw corrupt(file.kind);
  if (version !== file.version)
    throw new TrellisError(
      "state/version",
      `the ${kind} file has version ${version}, this program reads ${file.version}`,
      {
        hint: "it was written by another release of trellis",
      },
    );
  const value = decodeAs(file.shape, body);
  if (value === undefined) throw corrupt(file.kind);
  return value;
}

const corrupt = (kind: string): TrellisError =>
  new TrellisError("state/corrupt", `the ${kind} file is damaged or is not one`, {
    hint: "restore it from a copy, or move the state directory away and join again",
  });

const checksum = (crypto: CryptoProvider, kind: string, version: number, body: Uint8Array): Uint8Array =>
  crypto.sha256(concat(utf8(kind), Uint8Array.of(0, version & 0xff)), body).slice(0, 8);

const isList = (v: Cbor | undefined): v is readonly Cbor[] => Array.isArray(v);
