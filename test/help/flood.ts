/** A flood of datagrams from invented sources (bench/flood.cc), and what can be in them. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { concat } from "../../runtime/base/bytes.ts";
import { native } from "../../runtime/crypto/native.ts";
import { FRAME, SealedHeader } from "../../runtime/mesh/frame.ts";
import { NO_COOKIE } from "../../runtime/mesh/handshake/cookie.ts";
import { split } from "../../runtime/mesh/handshake/fragment.ts";
import { firstMacKey } from "../../runtime/mesh/handshake/mac.ts";
import { MESSAGE } from "../../runtime/mesh/handshake/message.ts";
import { seededRandom } from "./seeded.ts";
import { must } from "./shell.ts";

const PROGRAM = join(import.meta.dir, "../../build/bench/flood");

export async function buildFlood(): Promise<void> {
  mkdirSync(join(PROGRAM, ".."), { recursive: true });
  await must(["g++", "-std=c++20", "-O2", join(import.meta.dir, "../../bench/flood.cc"), "-o", PROGRAM]);
}

export interface Target {
  readonly device: string;
  /** Ethernet and IPv4 address of the gateway. */
  readonly mac: string;
  readonly address: string;
  readonly port: number;
}

/** The command that sends `payload` to the target, `rate` times a second for some seconds. */
export const floodCommand = (
  { device, mac, address, port }: Target,
  rate: number,
  seconds: number,
  payload: Uint8Array,
): string[] => [
  PROGRAM,
  device,
  mac,
  address,
  ...[port, rate, seconds].map(String),
  Buffer.from(payload).toString("hex"),
];

/**
 * stranger   the end of F1, made by who knows mesh and node
 * long       a part of K1, likewise
 * forged     the end of F1 by who does not
 * cookie     the same with a cookie that was never given
 * session    a data frame of no session
 */
export type FloodKind = "stranger" | "long" | "forged" | "cookie" | "session";

export function floodPayload(kind: FloodKind, meshId: Uint8Array, nodeId: Uint8Array): Uint8Array {
  const random = seededRandom(`flood ${kind}`);
  if (kind === "session") {
    const head = SealedHeader.encode({ type: FRAME.data, flags: 0, receiver: 12_345, counter: 1n });
    return concat(head, random(68));
  }
  const key = kind === "forged" || kind === "cookie" ? random(16) : firstMacKey(native, meshId, nodeId);
  const [message, size] = kind === "long" ? [MESSAGE.k1, 2392] : [MESSAGE.f1, 1252];
  const cookie = kind === "cookie" ? random(8) : NO_COOKIE;
  const parts = split(native, { message, exchange: random(8) }, random(size), key, cookie);
  return parts[parts.length - 1] as Uint8Array;
}
