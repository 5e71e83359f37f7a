/** Messages larger than a datagram, in fragments of our own (reassembly.ts puts them together). */
import { concat } from "../../base/bytes.ts";
import type { Endpoint } from "../../base/endpoint.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { FRAME, FragmentHeader, WIRE_VERSION } from "../frame.ts";
import { setMac } from "./mac.ts";
import { FRAGMENT_PAYLOAD, MAX_FRAGMENTS, MESSAGE_BYTES, RELAYED_PAYLOAD } from "./message.ts";

export type Fragment = NonNullable<ReturnType<typeof parseFragment>>;

export interface MessageName {
  readonly message: number;
  readonly exchange: Uint8Array; // 8 bytes
}

/** First two bytes of the message's SHA-256. Fragments of one encoding share it, so parts of two are never joined. */
export const instanceOf = (crypto: CryptoProvider, payload: Uint8Array): number => {
  const digest = crypto.sha256(payload);
  return (digest[0] as number) | ((digest[1] as number) << 8);
};

/** How long the pieces of a message are on this way: so that they fit the smallest packet, unless it takes too many of them. */
const pieceOn = (way: Endpoint | undefined, length: number): number =>
  way?.port === 0 && length <= MAX_FRAGMENTS * RELAYED_PAYLOAD ? RELAYED_PAYLOAD : FRAGMENT_PAYLOAD;

/** The datagrams of a message on its way to an endpoint; without one it is a direct one. Throws RangeError beyond 32 fragments: a bug of the caller. */
export function split(
  crypto: CryptoProvider,
  name: MessageName,
  payload: Uint8Array,
  macKey: Uint8Array,
  cookie: Uint8Array,
  way?: Endpoint,
): Uint8Array[] {
  const piece = pieceOn(way, payload.length);
  const count = Math.max(1, Math.ceil(payload.length / piece));
  if (count > MAX_FRAGMENTS)
    throw new RangeError(`a message of ${payload.length} bytes does not fit ${MAX_FRAGMENTS} fragments`);
  const instance = instanceOf(crypto, payload);
  return Array.from({ length: count }, (_, index) => {
    const header = FragmentHeader.encode({
      type: FRAME.handshake,
      version: WIRE_VERSION,
      message: name.message,
      index,
      count,
      instance,
      exchange: name.exchange,
      cookie,
      mac: new Uint8Array(8),
    });
    return setMac(macKey, concat(header, payload.subarray(index * piece, (index + 1) * piece)));
  });
}

const PIECES = [FRAGMENT_PAYLOAD, RELAYED_PAYLOAD];

/** Header and payload, or undefined for anything malformed. The mac is not looked at. */
export function parseFragment(datagram: Uint8Array) {
  const header = FragmentHeader.decode(datagram);
  if (!header || header.type !== FRAME.handshake || header.version !== WIRE_VERSION) return undefined;
  const payload = datagram.subarray(FragmentHeader.size);
  return fits(header, payload.length) ? { ...header, payload, datagram } : undefined;
}

/** Whether such a fragment can belong to a message of the kind it names. */
function fits({ message, index, count }: { message: number; index: number; count: number }, length: number): boolean {
  const bytes = MESSAGE_BYTES.get(message);
  const last = index === count - 1;
  if (!bytes || index >= count) return false;
  if (length === 0) return false;
  const pieces = PIECES.filter((piece) => (last ? length <= piece : length === piece));
  return pieces.some((piece) => {
    const longest = Math.min(bytes.most, (count - 1) * piece + length); // of the whole message
    const shortest = Math.max(bytes.least, (count - 1) * piece + (last ? length : 1));
    return longest - (longest % bytes.step) >= shortest;
  });
}
