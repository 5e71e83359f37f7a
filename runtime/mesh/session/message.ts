/** What a control frame says. An empty plaintext is the confirmation and the keepalive. */
import {
  bytesBetween,
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  listOf,
  oneOf,
  optional,
  record,
  text,
  uint,
} from "../../base/cbor-shape.ts";
import { parseEndpoint } from "../../base/endpoint.ts";

export interface ControlMessage {
  readonly kind: "ping" | "pong" | "offer" | "want" | "member" | "revocation" | "goodbye";
  /** ping, pong */
  readonly token?: number | undefined;
  /** SHA-256 of chains and records. offer: the sender has them; want: it lacks them. At most 32. */
  readonly hashes?: readonly Uint8Array[] | undefined;
  /** member: one part of a chain or revocation record. */
  readonly hash?: Uint8Array | undefined;
  readonly part?: number | undefined;
  readonly parts?: number | undefined;
  readonly data?: Uint8Array | undefined;
  /** member: where it was last heard; never believed over what was authenticated. */
  readonly endpoint?: string | undefined;
}

export const PART_BYTES = 1000;
export const PARTS_MAX = 80;
export const OFFER_MAX = 32;

const SHAPE = record<ControlMessage>({
  kind: field(1, oneOf("ping", "pong", "offer", "want", "member", "revocation", "goodbye")),
  token: optional(2, uint(0xffff_ffff)),
  hashes: optional(3, listOf(bytesOf(32), OFFER_MAX)),
  hash: optional(4, bytesOf(32)),
  part: optional(5, uint(PARTS_MAX - 1)),
  parts: optional(6, uint(PARTS_MAX, 1)),
  data: optional(7, bytesBetween(1, PART_BYTES)),
  endpoint: optional(
    8,
    text((t) => t.length <= 64 && parseEndpoint(t) !== undefined),
  ),
});

export const encodeMessage = (message: ControlMessage): Uint8Array => encodeAs(SHAPE, message);

/** Undefined for anything else. Never throws. */
export const decodeMessage = (data: Uint8Array): ControlMessage | undefined => decodeAs(SHAPE, data);
