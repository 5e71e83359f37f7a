/** What the two daemons of a file transfer tell each other. */
import {
  bytesBetween,
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  oneOf,
  optional,
  record,
  text,
  uint,
} from "../base/cbor-shape.ts";

export interface TransferMessage {
  /**
   * offer: name and size. accept: the receiver takes it. data: the next bytes. credit: how many bytes the receiver has
   * taken off our hands so far. end: hash of all. done: the receiver holds a file with that hash. fail: either side, why.
   */
  readonly kind: "offer" | "accept" | "data" | "credit" | "end" | "done" | "fail";
  readonly id: Uint8Array; // 8 bytes, chosen at random by the sender
  readonly name?: string | undefined;
  readonly size?: number | undefined;
  readonly data?: Uint8Array | undefined;
  readonly taken?: number | undefined;
  readonly sha256?: Uint8Array | undefined;
  readonly reason?: string | undefined;
}

export const CHUNK_MAX = 64 * 1024;
/** A file's own name: no path, nothing hidden, nothing a terminal would act on. */
const NAME = /^(?!\.)[^/\\\p{Cc}]{1,200}$/u;

export const isFileName = (name: string): boolean => NAME.test(name);

const SHAPE = record<TransferMessage>({
  kind: field(1, oneOf("offer", "accept", "data", "credit", "end", "done", "fail")),
  id: field(2, bytesOf(8)),
  name: optional(3, text(isFileName)),
  size: optional(4, uint(Number.MAX_SAFE_INTEGER)),
  data: optional(5, bytesBetween(1, CHUNK_MAX)),
  taken: optional(6, uint(Number.MAX_SAFE_INTEGER)),
  sha256: optional(7, bytesOf(32)),
  reason: optional(
    8,
    text((t) => t.length <= 200),
  ),
});

export const encodeTransfer = (message: TransferMessage): Uint8Array => encodeAs(SHAPE, message);

/** Undefined for anything else. Never throws. */
export const decodeTransfer = (data: Uint8Array): TransferMessage | undefined => decodeAs(SHAPE, data);
