/** What a control frame says outside the reliable stream: lost ones are not missed. An empty plaintext is the keepalive. */
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
} from "../../base/cbor-shape.ts";
import { parseEndpoint } from "../../base/endpoint.ts";

export interface ControlMessage {
  /**
   * seek: are you there, and where do I seem to be? found: its answer, which goes to where it came from. meet, through the mesh: I seek
   * you over the underlay now, do the same.
   */
  readonly kind: "ping" | "pong" | "digest" | "goodbye" | "probe" | "probed" | "seek" | "found" | "meet";
  /** ping, pong, seek, found; of probe and probed the size of the IP packet */
  readonly token?: number | undefined;
  /** ping: questions before this one that the sender has seen no answer to. */
  readonly unanswered?: number | undefined;
  /** digest: SHA-256 over all that the sender knows of roster and revocations. */
  readonly digest?: Uint8Array | undefined;
  /** digest: that of link state; of a neighbour only. */
  readonly links?: Uint8Array | undefined;
  /** probe: zero bytes that make its packet so large. */
  readonly padding?: Uint8Array | undefined;
  /** found: where the question came from; absent when that was the mesh. */
  readonly seen?: string | undefined;
}

const PADDING_MAX = 2048;
const ENDPOINT = text((t) => t.length <= 64 && parseEndpoint(t) !== undefined);

const SHAPE = record<ControlMessage>({
  kind: field(1, oneOf("ping", "pong", "digest", "goodbye", "probe", "probed", "seek", "found", "meet")),
  token: optional(2, uint(0xffff_ffff)),
  digest: optional(3, bytesOf(32)),
  padding: optional(4, bytesBetween(0, PADDING_MAX)),
  seen: optional(5, ENDPOINT),
  links: optional(6, bytesOf(16)),
  unanswered: optional(7, uint(0xffff)),
});

export const encodeMessage = (message: ControlMessage): Uint8Array => encodeAs(SHAPE, message);

/** A probe whose encoding has this length, bytes; undefined when no padding gives it. */
export function encodeProbe(size: number, length: number): Uint8Array | undefined {
  const encode = (padding: number): Uint8Array =>
    encodeMessage({ kind: "probe", token: size, padding: new Uint8Array(Math.max(0, padding)) });
  const first = encode(length);
  const fitted = encode(2 * length - first.length);
  return fitted.length === length ? fitted : undefined;
}

/** Undefined for anything else. Never throws. */
export const decodeMessage = (data: Uint8Array): ControlMessage | undefined => decodeAs(SHAPE, data);
