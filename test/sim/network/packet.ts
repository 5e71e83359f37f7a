/** A UDP datagram on the simulated underlay, with the addresses that it shows at this point of its way. */
import type { Endpoint } from "../../../runtime/base/endpoint.ts";

export interface Packet {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly payload: Uint8Array;
}

/** IPv6 and UDP headers: what a link carries beside the payload. */
export const HEADER_BYTES = 48;
