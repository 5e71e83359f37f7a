/** A beacon: "I am here", sealed so that members of the mesh alone read it (SPEC.md). */
import { concat, equal } from "../../base/bytes.ts";
import type { Endpoint } from "../../base/endpoint.ts";
import { parseIp } from "../../base/ip.ts";
import type { RandomBytes } from "../../base/random.ts";
import { bytes, reserved, struct } from "../../base/struct.ts";
import { LABEL } from "../../crypto/labels.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";

export const BEACON_VERSION = 1;

export const BeaconBody = struct("beacon_body", {
  version: "u8", //        0  BEACON_VERSION
  flags: "u8", //          1  BEACON_FLAG; unknown bits are ignored
  port: "u16be", //        2  where its handshakes go
  address: bytes(16), //   4  what it is sent from, IPv4 as ::ffff:a.b.c.d
  node: bytes(32), //     20  node id
  reserved: reserved(4), //  52
}); //                    56  bytes

/** Sent by who has just started, or has just got this address: nobody can know yet. */
export const BEACON_FLAG = { fresh: 1 } as const;

const SALT = 16;
const TAG = 16;
const NONCE = new Uint8Array(12); // each beacon has a key of its own
const NOTHING = new Uint8Array(0);

/** Of every beacon: nothing shows in its length. */
export const BEACON_BYTES = SALT + BeaconBody.size + TAG;

export interface Beacon {
  readonly id: Uint8Array;
  readonly port: number;
  readonly fresh: boolean;
}

/** What all members hold, and nobody who only has an invite: 32 bytes. */
export const beaconKey = (crypto: CryptoProvider, genesis: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.beacon, genesis);

/** `address`: what it will be sent from, IPv4 or IPv6 without a scope. */
export function sealBeacon(
  crypto: CryptoProvider,
  key: Uint8Array,
  beacon: Beacon,
  address: string,
  random: RandomBytes,
): Uint8Array {
  const salt = random(SALT);
  const body = BeaconBody.encode({
    version: BEACON_VERSION,
    flags: beacon.fresh ? BEACON_FLAG.fresh : 0,
    port: beacon.port,
    address: addressBytes(address) as Uint8Array,
    node: beacon.id,
  });
  return concat(salt, crypto.aead["aes-256-gcm"].seal(crypto.hkdfExpand(key, salt, 32), NONCE, NOTHING, body));
}

/** The beacon, or why it is dropped: of another mesh, garbage, or not from where it was made. Never throws. */
export function openBeacon(
  crypto: CryptoProvider,
  key: Uint8Array,
  data: Uint8Array,
  source: Endpoint,
): Beacon | { readonly refused: "length" | "foreign" | "version" | "source" } {
  if (data.length !== BEACON_BYTES) return { refused: "length" };
  const salt = data.subarray(0, SALT);
  const aead = crypto.aead["aes-256-gcm"];
  const plain = aead.open(crypto.hkdfExpand(key, salt, 32), NONCE, NOTHING, data.subarray(SALT));
  if (!plain) return { refused: "foreign" };
  const body = BeaconBody.decode(plain);
  if (body?.version !== BEACON_VERSION || body.port === 0) return { refused: "version" };
  const from = addressBytes(source.address.split("%")[0] as string);
  if (!from || !equal(from, body.address)) return { refused: "source" };
  return { id: body.node.slice(), port: body.port, fresh: (body.flags & BEACON_FLAG.fresh) !== 0 };
}

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

function addressBytes(text: string): Uint8Array | undefined {
  const address = parseIp(text);
  return address?.length === 4 ? concat(MAPPED, address) : address;
}
