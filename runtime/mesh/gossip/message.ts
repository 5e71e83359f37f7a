/** What neighbours tell each other over the reliable stream. */
import {
  bytesBetween,
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  flag,
  listOf,
  oneOf,
  optional,
  record,
  text,
} from "../../base/cbor-shape.ts";
import { parseEndpoint } from "../../base/endpoint.ts";

export interface Hint {
  readonly id: Uint8Array;
  /** Where the sender has a session with it; never believed over what was authenticated. */
  readonly endpoint: string;
  /** Where it says itself that it can be reached, which the sender passes on. */
  readonly others?: readonly string[] | undefined;
}

export interface StreamMessage {
  /**
   * have: the hashes of all that the sender knows. offer: of what it thinks we lack. want: of what it lacks.
   * member, revocation: one such thing. neighbours: all that the sender has a session with over the underlay, and where; and where
   * the sender itself may be reached. routing: of link state (`routing/SPEC.md`). payload: of a protocol above the mesh.
   */
  readonly kind: "have" | "offer" | "want" | "member" | "revocation" | "neighbours" | "routing" | "payload";
  /** have, offer, want: the first HASH_BYTES of SHA-256 of chains and revocation records. */
  readonly hashes?: readonly Uint8Array[] | undefined;
  /** member: an encoded chain. revocation: the record. routing, payload: its bytes. */
  readonly data?: Uint8Array | undefined;
  /** member: as in a hint. */
  readonly endpoint?: string | undefined;
  readonly neighbours?: readonly Hint[] | undefined;
  /** neighbours: addresses of the sender's own. */
  readonly own?: readonly string[] | undefined;
  /** payload: which protocol it belongs to. */
  readonly protocol?: string | undefined;
  /** routing: the sender keeps the session. */
  readonly kept?: boolean | undefined;
}

export const HASH_BYTES = 16;
export const HASHES_MAX = 8192;
export const NEIGHBOURS_MAX = 256;
/** Addresses of its own that a gateway tells. */
export const OWN_MAX = 6;
export const DATA_MAX = 128 * 1024;

const ENDPOINT = text((t) => t.length <= 64 && parseEndpoint(t) !== undefined);
const OWN = listOf(ENDPOINT, OWN_MAX);
const HINT = record<Hint>({ id: field(1, bytesOf(32)), endpoint: field(2, ENDPOINT), others: optional(3, OWN) });
const SHAPE = record<StreamMessage>({
  kind: field(1, oneOf("have", "offer", "want", "member", "revocation", "neighbours", "routing", "payload")),
  hashes: optional(2, listOf(bytesOf(HASH_BYTES), HASHES_MAX)),
  data: optional(3, bytesBetween(1, DATA_MAX)),
  endpoint: optional(4, ENDPOINT),
  neighbours: optional(5, listOf(HINT, NEIGHBOURS_MAX)),
  protocol: optional(
    6,
    text((t) => /^[a-z0-9-]{1,16}$/.test(t)),
  ),
  own: optional(7, OWN),
  kept: optional(8, flag),
});

export const encodeStreamMessage = (message: StreamMessage): Uint8Array => encodeAs(SHAPE, message);

/** Undefined for anything else. Never throws. */
export const decodeStreamMessage = (data: Uint8Array): StreamMessage | undefined => decodeAs(SHAPE, data);
