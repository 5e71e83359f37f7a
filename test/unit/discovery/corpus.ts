/** What a link may bring to the group of beacons beside beacons: name and bytes. */
import { concat, utf8 } from "../../../runtime/base/bytes.ts";
import { NASTY } from "../../help/nasty.ts";

const of = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

export const BEACON_CORPUS: readonly (readonly [string, Uint8Array])[] = [
  ...NASTY.map(([name, data]) => [`CBOR: ${name}`, data] as const),
  ["zeros of the right length", of(88, 0)],
  ["ones of the right length", of(88, 0xff)],
  ["the largest datagram that is read", of(512, 7)],
  ["an SSDP search", utf8('M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\n\r\n')],
  ["an mDNS question", concat(of(12, 0), utf8("\x05_http\x04_tcp\x05local\x00"), of(4, 1))],
  ["the first bytes of a handshake fragment", concat(Uint8Array.of(1, 1, 1, 0, 2, 0), of(82, 9))],
  ["a sealed frame", concat(Uint8Array.of(5, 0, 0, 0), of(84, 3))],
];
