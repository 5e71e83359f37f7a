import { FRAME, WIRE_VERSION } from "../frame.ts";
import type { Fragment } from "./fragment.ts";
import { setMac } from "./mac.ts";
import { Acknowledge } from "./message.ts";

/** "These fragments have arrived": one datagram of 32 bytes, made with the key of the message itself. */
export function acknowledgement(f: Fragment, bitmap: number, key: Uint8Array): Uint8Array {
  const { message, instance, exchange } = f;
  const head = { type: FRAME.acknowledge, version: WIRE_VERSION, message, instance, exchange, bitmap };
  return setMac(key, Acknowledge.encode({ ...head, mac: new Uint8Array(8) }));
}

export const allFragments = (count: number): number => 2 ** count - 1;
