/** UDP datagrams as Ethernet frames, byte by byte, and their checksums the slow, obvious way. */
import { concat } from "../../runtime/base/bytes.ts";
import { parseIp } from "../../runtime/base/ip.ts";

export interface Datagram {
  readonly macs: { readonly from: string; readonly to: string };
  readonly from: string;
  readonly to: string;
  readonly ports: { readonly from: number; readonly to: number };
  readonly payload: Uint8Array;
  readonly hops?: number;
  /** `partial`: the pseudo-header's sum only, as between machines that share memory. */
  readonly checksum?: "full" | "partial" | "none";
}

/** What makes a datagram one that the relay's programs leave to the stack. */
export interface Oddity {
  /** An 802.1Q tag. */
  readonly vlan?: number;
  /** IPv4 options, or an IPv6 extension header (destination options), of eight bytes. */
  readonly extension?: boolean;
  /** IPv4 flags and fragment offset as the header has them. */
  readonly fragment?: number;
  /** Added to UDP's length. */
  readonly longer?: number;
  readonly protocol?: number;
}

const UDP = 17;
const HOPS = 64;

const mac = (text: string): Uint8Array => Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
const be16 = (value: number): Uint8Array => Uint8Array.of((value >> 8) & 255, value & 255);
const ip = (text: string): Uint8Array => parseIp(text) ?? new Uint8Array(0);

/** One's complement sum of 16-bit words, folded. */
export function sum(...parts: readonly Uint8Array[]): number {
  let total = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) total += (part[i] as number) << (i % 2 === 0 ? 8 : 0);
  }
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return total;
}

function udpOf({ from, to, ports, payload, checksum = "full" }: Datagram, longer: number): Uint8Array {
  const length = be16(8 + payload.length + longer);
  const header = concat(be16(ports.from), be16(ports.to), length);
  const pseudo = sum(ip(from), ip(to), be16(UDP), length);
  const whole = 0xffff - sum(be16(pseudo), header, payload);
  const field = { none: 0, partial: pseudo, full: whole === 0 ? 0xffff : whole }[checksum];
  return concat(header, be16(field), payload);
}

function v4Header(d: Datagram, size: number, { extension, fragment = 0x4000, protocol = UDP }: Oddity): Uint8Array {
  const options = extension ? new Uint8Array(8).fill(1) : new Uint8Array(0); // no-operations
  const header = concat(
    Uint8Array.of(0x45 + options.length / 4, 0),
    be16(20 + options.length + size),
    be16(0x1234),
    be16(fragment),
    Uint8Array.of(d.hops ?? HOPS, protocol, 0, 0),
    ip(d.from),
    ip(d.to),
    options,
  );
  header.set(be16(0xffff - sum(header)), 10);
  return header;
}

function v6Header(d: Datagram, size: number, { extension, protocol = UDP }: Oddity): Uint8Array {
  const behind = extension ? Uint8Array.of(protocol, 0, 1, 4, 0, 0, 0, 0) : new Uint8Array(0); // PadN
  return concat(
    Uint8Array.of(0x60, 0, 0, 0),
    be16(behind.length + size),
    Uint8Array.of(extension ? 60 : protocol, d.hops ?? HOPS),
    ip(d.from),
    ip(d.to),
    behind,
  );
}

/** The datagram on the wire. */
export function ethernetFrame(datagram: Datagram, oddity: Oddity = {}): Uint8Array {
  const v4 = datagram.to.includes(".");
  const udp = udpOf(datagram, oddity.longer ?? 0);
  const tag = oddity.vlan === undefined ? new Uint8Array(0) : concat(be16(0x8100), be16(oddity.vlan));
  const header = (v4 ? v4Header : v6Header)(datagram, udp.length, oddity);
  return concat(mac(datagram.macs.to), mac(datagram.macs.from), tag, be16(v4 ? 0x0800 : 0x86dd), header, udp);
}

/** Where UDP's checksum lies in a plain frame. */
export const checksumAt = (frame: Uint8Array): number => (frame[12] === 0x08 ? 14 + 20 : 14 + 40) + 6;
