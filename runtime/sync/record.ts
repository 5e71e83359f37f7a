/**
 * A record: (kind, key, author, version) and a value, or none when it was deleted. What an author writes at one time is a
 * batch: one composite signature over the root of a tree whose leaves are the records (SPEC.md).
 */
import { concat, equal, toHex } from "../base/bytes.ts";
import {
  bytesBetween,
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  listOf,
  optional,
  record,
  uint,
} from "../base/cbor-shape.ts";
import type { VerifyingKeys } from "../crypto/hybrid-signature.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { decodeCose, type Signer, signCose, verifySignature } from "../identity/cose.ts";
import { CHUNKS_MAX, INLINE_MAX, KEY_MAX, KINDS, type KindName, kindOf } from "./kinds.ts";
import { BATCH_MAX, PATH_MAX, type Proven, treeOf } from "./merkle.ts";

export const HASH = 32;
export const SALT = 24;
const TAG = 16;
/** Most that an encoded record has: the largest value in place, its key and its head. */
export const LEAF_MAX: number = INLINE_MAX + TAG + KEY_MAX + 256;
export const BATCH_BYTES_MAX = 4_096;

/** A record as it is hashed and signed; who wrote it and in which mesh says its batch. */
export interface Leaf {
  readonly kind: number;
  readonly key: Uint8Array;
  /** Rises with everything its author writes (author.ts). */
  readonly version: number;
  /** Whose key seals it, and what goes into the key of this one record; absent for kinds that are not sealed. */
  readonly epoch: Uint8Array | undefined;
  readonly salt: Uint8Array | undefined;
  /** The value, sealed or not; absent when it goes by chunks, or was deleted. */
  readonly body: Uint8Array | undefined;
  /** Hashes of the chunks of the sealed value. */
  readonly chunks: readonly Uint8Array[] | undefined;
}

const LEAF = record<Leaf>({
  kind: field(1, uint(255, 1)),
  key: field(2, bytesBetween(0, KEY_MAX)),
  version: field(3, uint(Number.MAX_SAFE_INTEGER, 1)),
  epoch: optional(4, bytesOf(HASH)),
  salt: optional(5, bytesOf(SALT)),
  body: optional(6, bytesBetween(0, INLINE_MAX + TAG)),
  chunks: optional(7, listOf(bytesOf(HASH), CHUNKS_MAX)),
});

export const encodeLeaf = (leaf: Leaf): Uint8Array => encodeAs(LEAF, leaf);

/** A record that was decoded, with what names it. */
export interface Rec {
  /** First 16 bytes of its hash, as hex: names exactly this record. */
  readonly id: string;
  readonly kind: KindName;
  /** Node id. */
  readonly author: Uint8Array;
  /** Its key, as hex. */
  readonly keyName: string;
  readonly version: number;
  readonly leaf: Leaf;
  readonly encoded: Uint8Array;
  /** Leaf of the batch's tree: SHA-256(label ‖ author ‖ encoding). */
  readonly hash: Uint8Array;
}

export const ID_BYTES = 16;
export const idOfHash = (hash: Uint8Array): string => toHex(hash.subarray(0, ID_BYTES));

export const leafHash = (crypto: CryptoProvider, author: Uint8Array, encoded: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.recordLeaf, author, encoded);

/** Undefined for anything that is not a record by this release's table. */
export function decodeRecord(crypto: CryptoProvider, author: Uint8Array, encoded: Uint8Array): Rec | undefined {
  const leaf = encoded.length > LEAF_MAX ? undefined : decodeAs(LEAF, encoded);
  const kind = leaf && kindOf(leaf.kind);
  if (!leaf || !kind || !fits(kind, leaf)) return undefined;
  const hash = leafHash(crypto, author, encoded);
  return { id: idOfHash(hash), kind, author, keyName: toHex(leaf.key), version: leaf.version, leaf, encoded, hash };
}

/** A value is here or in chunks; it is sealed exactly when its kind says so; a deleted one has nothing to seal. */
function fits(kind: KindName, { epoch, salt, body, chunks }: Leaf): boolean {
  const { sealed, valueMax } = KINDS[kind];
  const deleted = body === undefined && chunks === undefined;
  if (body !== undefined && chunks !== undefined) return false;
  if ((epoch === undefined) !== (salt === undefined)) return false;
  if ((epoch !== undefined) !== (sealed && !deleted)) return false;
  if (chunks !== undefined && (chunks.length < 2 || valueMax <= INLINE_MAX)) return false;
  return (body?.length ?? 0) <= valueMax + (sealed ? TAG : 0);
}

/** Where a record stands among all: the latest of one slot counts. */
export function slotOf(crypto: CryptoProvider, author: Uint8Array, kind: KindName, key: Uint8Array): Uint8Array {
  return crypto.sha256(LABEL.recordSlot, author, Uint8Array.of(KINDS[kind].number), key);
}

interface Statement {
  readonly version: number;
  readonly meshId: Uint8Array;
  readonly author: Uint8Array;
  readonly count: number;
  readonly root: Uint8Array;
}

const STATEMENT = record<Statement>({
  version: field(1, uint(1, 1)),
  meshId: field(2, bytesOf(HASH)),
  author: field(3, bytesOf(HASH)),
  count: field(4, uint(BATCH_MAX, 1)),
  root: field(5, bytesOf(HASH)),
});

/** A batch's signed statement. */
export interface Batch {
  /** SHA-256(label ‖ statement): signatures are hedged, so one statement may come with several. */
  readonly id: Uint8Array;
  readonly author: Uint8Array;
  readonly count: number;
  readonly root: Uint8Array;
  readonly encoded: Uint8Array;
}

/** Signs records as one batch, at most `BATCH_MAX`; gives each its place and its path. */
export async function signBatch(
  crypto: CryptoProvider,
  meshId: Uint8Array,
  signer: Signer,
  leaves: readonly Uint8Array[],
): Promise<{ readonly batch: Batch; readonly proven: readonly Proven[] }> {
  const hashes = leaves.map((encoded) => leafHash(crypto, signer.keyId, encoded));
  const { root, proven } = treeOf(crypto, hashes);
  const author = signer.keyId;
  const statement = encodeAs(STATEMENT, { version: 1, meshId, author, count: leaves.length, root });
  const encoded = await signCose(crypto, statement, LABEL.recordBatch, [signer]);
  return { batch: { id: idOf(crypto, statement), author, count: leaves.length, root, encoded }, proven };
}

const idOf = (crypto: CryptoProvider, statement: Uint8Array): Uint8Array => crypto.sha256(LABEL.batchId, statement);

/** What a batch says, nothing verified; undefined when it is none of this mesh. */
export function decodeBatch(crypto: CryptoProvider, meshId: Uint8Array, encoded: Uint8Array): Batch | undefined {
  const cose = encoded.length > BATCH_BYTES_MAX ? undefined : decodeCose(encoded, 1);
  const statement = cose && decodeAs(STATEMENT, cose.payload);
  if (!cose || !statement || !equal(statement.meshId, meshId)) return undefined;
  const { author, count, root } = statement;
  return { id: idOf(crypto, cose.payload), author, count, root, encoded };
}

/** Whether its author signed it. `keys` are the author's. */
export async function isSigned(crypto: CryptoProvider, batch: Batch, keys: VerifyingKeys): Promise<boolean> {
  const cose = decodeCose(batch.encoded, 1);
  const [signature] = cose?.signatures ?? [];
  if (!cose || !signature || !equal(signature.keyId, batch.author)) return false;
  return verifySignature(crypto, cose.payload, LABEL.recordBatch, keys, signature);
}

/** A record as it is stored, with what proves it. */
export interface Stored {
  readonly batch: Uint8Array;
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly encoded: Uint8Array;
}

/** Batch (32) ‖ index (u8) ‖ hashes of the path (u8) ‖ these ‖ record: fixed places, since a start reads all of them. */
export const encodeStored = ({ batch, index, path, encoded }: Stored): Uint8Array =>
  concat(batch, Uint8Array.of(index, path.length), ...path, encoded);

/** Views of `data`. */
export function decodeStored(data: Uint8Array): Stored | undefined {
  const [index, hashes] = [data[HASH], data[HASH + 1]];
  if (index === undefined || hashes === undefined || hashes > PATH_MAX) return undefined;
  const at = (i: number): number => HASH + 2 + HASH * i;
  if (data.length <= at(hashes)) return undefined;
  const path = Array.from({ length: hashes }, (_, i) => data.subarray(at(i), at(i + 1)));
  return { batch: data.subarray(0, HASH), index, path, encoded: data.subarray(at(hashes)) };
}
