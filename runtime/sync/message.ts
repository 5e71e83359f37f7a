/** What neighbours tell each other of records (SPEC.md, Messages): a byte for the type, then its shape. */
import { concat } from "../base/bytes.ts";
import {
  bytesBetween,
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  flag,
  listOf,
  optional,
  record,
  type Shape,
  text,
  uint,
  where,
} from "../base/cbor-shape.ts";
import { CARRIED_MAX } from "./epochs.ts";
import { FINGERPRINT, PARTS } from "./id-tree.ts";
import { CHUNK_SIZE } from "./kinds.ts";
import { BATCH_MAX } from "./merkle.ts";
import { BATCH_BYTES_MAX, HASH, ID_BYTES, LEAF_MAX } from "./record.ts";

export const RANGES_PER_ASK = 64;
/** A range with no more ids is told by them. */
export const IDS_PER_RANGE = 64;
export const IDS_PER_OFFER = 512;
export const IDS_PER_WANT = 256;
/** Bytes of records in one message, before the last of them. */
export const ITEMS_BYTES: number = 64 * 1024;
export const CHUNKS_PER_WANT = 3;
export const EPOCHS_PER_MESSAGE = 512;
/** Largest message: what may be posted to a neighbour. */
export const MESSAGE_MAX: number = 128 * 1024;

export interface Range {
  /** Hex digits that its ids begin with. */
  readonly prefix: string;
  readonly fingerprint: Uint8Array;
}

/** About one range: the same, or its parts' fingerprints one after the other, or its ids one after the other. */
export interface Answer {
  readonly parts: Uint8Array | undefined;
  readonly ids: Uint8Array | undefined;
}

/** Records of one batch. */
export interface Group {
  /** The signed statement, or its id alone when it was sent before. */
  readonly batch: Uint8Array | undefined;
  readonly id: Uint8Array | undefined;
  /** By index, ascending. */
  readonly records: readonly { readonly index: number; readonly encoded: Uint8Array }[];
  /** Hashes of the proof for all of them. */
  readonly proof: readonly Uint8Array[];
}

export interface Bodies {
  /** All that is known, as one fingerprint. */
  readonly digest: { readonly fingerprint: Uint8Array; readonly count: number };
  readonly ask: { readonly number: number; readonly ranges: readonly Range[] };
  readonly tell: { readonly number: number; readonly answers: readonly Answer[] };
  /** Ids, one after the other, of what may be news. */
  readonly offer: { readonly ids: Uint8Array };
  /** `signed`: with the signatures of all batches, also of those that were sent before. */
  readonly want: { readonly number: number; readonly ids: Uint8Array; readonly signed: boolean };
  /** `more`: something that was wanted is here and did not fit. */
  readonly items: { readonly number: number; readonly groups: readonly Group[]; readonly more: boolean };
  readonly wantChunks: { readonly hashes: readonly Uint8Array[] };
  readonly chunks: { readonly chunks: readonly Uint8Array[] };
  readonly epochs: { readonly ids: readonly Uint8Array[] };
  readonly wantEpochs: { readonly ids: readonly Uint8Array[] };
  readonly epochKey: { readonly carried: Uint8Array };
}
export type MessageType = keyof Bodies;
export type Message = { [T in MessageType]: { readonly type: T } & Bodies[T] }[MessageType];

const NUMBER = uint(0xffff_ffff);
const idsUpTo = (max: number): Shape<Uint8Array> =>
  where(bytesBetween(0, ID_BYTES * max), (b) => b.length % ID_BYTES === 0);
const hashes = (max: number): Shape<readonly Uint8Array[]> => listOf(bytesOf(HASH), max);

const RANGE = record<Range>({
  prefix: field(
    1,
    text((t) => /^[0-9a-f]{0,32}$/.test(t)),
  ),
  fingerprint: field(2, bytesOf(FINGERPRINT)),
});
const ANSWER = where(
  record<Answer>({ parts: optional(1, bytesOf(PARTS * FINGERPRINT)), ids: optional(2, idsUpTo(IDS_PER_RANGE)) }),
  ({ parts, ids }) => !(parts && ids),
);
const GROUP = where(
  record<Group>({
    batch: optional(1, bytesBetween(1, BATCH_BYTES_MAX)),
    id: optional(4, bytesOf(HASH)),
    records: field(
      2,
      listOf(record({ index: field(1, uint(BATCH_MAX - 1)), encoded: field(2, bytesBetween(1, LEAF_MAX)) }), BATCH_MAX),
    ),
    proof: field(3, hashes(BATCH_MAX)),
  }),
  ({ batch, id }) => (batch === undefined) !== (id === undefined),
);

const SHAPES: { readonly [T in MessageType]: readonly [number: number, shape: Shape<Bodies[T]>] } = {
  digest: [1, record({ fingerprint: field(1, bytesOf(FINGERPRINT)), count: field(2, uint(Number.MAX_SAFE_INTEGER)) })],
  ask: [2, record({ number: field(1, NUMBER), ranges: field(2, listOf(RANGE, RANGES_PER_ASK)) })],
  tell: [3, record({ number: field(1, NUMBER), answers: field(2, listOf(ANSWER, RANGES_PER_ASK)) })],
  offer: [4, record({ ids: field(1, idsUpTo(IDS_PER_OFFER)) })],
  want: [5, record({ number: field(1, NUMBER), ids: field(2, idsUpTo(IDS_PER_WANT)), signed: field(3, flag) })],
  items: [6, record({ number: field(1, NUMBER), groups: field(2, listOf(GROUP, IDS_PER_WANT)), more: field(3, flag) })],
  wantChunks: [7, record({ hashes: field(1, hashes(CHUNKS_PER_WANT)) })],
  chunks: [8, record({ chunks: field(1, listOf(bytesBetween(1, CHUNK_SIZE), CHUNKS_PER_WANT)) })],
  epochs: [9, record({ ids: field(1, hashes(EPOCHS_PER_MESSAGE)) })],
  wantEpochs: [10, record({ ids: field(1, hashes(EPOCHS_PER_MESSAGE)) })],
  epochKey: [11, record({ carried: field(1, bytesBetween(1, CARRIED_MAX)) })],
};
const TYPES = Object.keys(SHAPES) as readonly MessageType[];

export function encodeMessage<T extends MessageType>(type: T, body: Bodies[T]): Uint8Array {
  const [number, shape] = SHAPES[type];
  return concat(Uint8Array.of(number), encodeAs(shape, body));
}

/** Undefined for anything else. */
export function decodeMessage(data: Uint8Array): Message | undefined {
  const type = data.length > MESSAGE_MAX ? undefined : TYPES.find((t) => SHAPES[t][0] === data[0]);
  return type && decodeBody(type, data.subarray(1));
}

function decodeBody<T extends MessageType>(type: T, data: Uint8Array): Message | undefined {
  const body = decodeAs<Bodies[T]>(SHAPES[type][1], data);
  return body && ({ type, ...body } as unknown as Message);
}

/** Whether it tells of or hands on group keys: such go over sessions only. */
export const isSecretBearing = (message: Uint8Array): boolean =>
  (["epochs", "wantEpochs", "epochKey"] as const).some((type) => SHAPES[type][0] === message[0]);

/** `ids` are hex, 16 bytes each. */
export const joinIds = (ids: readonly string[]): Uint8Array => concat(...ids.map((id) => Uint8Array.fromHex(id)));

export function splitIds(joined: Uint8Array): string[] {
  const hex = joined.toHex();
  return Array.from({ length: joined.length / ID_BYTES }, (_, i) =>
    hex.slice(2 * ID_BYTES * i, 2 * ID_BYTES * (i + 1)),
  );
}
