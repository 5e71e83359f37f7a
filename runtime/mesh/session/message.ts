/** What a control frame says outside the reliable stream: lost ones are not missed. An empty plaintext is the keepalive. */
import { bytesOf, decodeAs, encodeAs, field, oneOf, optional, record, uint } from "../../base/cbor-shape.ts";

export interface ControlMessage {
  readonly kind: "ping" | "pong" | "digest" | "goodbye";
  /** ping, pong */
  readonly token?: number | undefined;
  /** digest: SHA-256 over all that the sender knows of roster and revocations. */
  readonly digest?: Uint8Array | undefined;
}

const SHAPE = record<ControlMessage>({
  kind: field(1, oneOf("ping", "pong", "digest", "goodbye")),
  token: optional(2, uint(0xffff_ffff)),
  digest: optional(3, bytesOf(32)),
});

export const encodeMessage = (message: ControlMessage): Uint8Array => encodeAs(SHAPE, message);

/** Undefined for anything else. Never throws. */
export const decodeMessage = (data: Uint8Array): ControlMessage | undefined => decodeAs(SHAPE, data);
