/** IP packets as they cross the overlay device, well-formed unless asked otherwise. Checksums are not filled in: nothing here looks at them. */
import { concat } from "../../runtime/base/bytes.ts";
import { parseIp } from "../../runtime/base/ip.ts";

export const TCP = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const address = (text: string): Uint8Array => parseIp(text) as Uint8Array;

export interface Ends {
  readonly from: string;
  readonly to: string;
}

/** `next` is the first header behind the IP header, `rest` everything from there on. */
export function v6({ from, to }: Ends, next: number, rest: Uint8Array, length = rest.length): Uint8Array {
  const head = Uint8Array.from([0x60, 0, 0, 0, ...u16(length), next, 64]);
  return concat(head, address(from), address(to), rest);
}

/** `fragment` is the field of that name: offset in units of 8 bytes, 0x2000 for "more". */
export function v4(
  { from, to }: Ends,
  protocol: number,
  rest: Uint8Array,
  { fragment = 0, id = 0, length = 20 + rest.length, options = 0 } = {},
): Uint8Array {
  const head = [0x45 + options, 0, ...u16(length + 4 * options), ...u16(id), ...u16(fragment), 64, protocol, 0, 0];
  return concat(Uint8Array.from(head), address(from), address(to), new Uint8Array(4 * options), rest);
}

export const ip = (ends: Ends, protocol: number, rest: Uint8Array): Uint8Array =>
  ends.from.includes(":") ? v6(ends, protocol, rest) : v4(ends, protocol, rest);

export function tcp(source: number, port: number, flags: number, payload = 0, offset = 5): Uint8Array {
  const head = [...u16(source), ...u16(port), 0, 0, 0, 1, 0, 0, 0, 1, offset << 4, flags, 1, 0, 0, 0, 0, 0];
  return concat(Uint8Array.from(head), new Uint8Array(Math.max(0, 4 * offset - 20) + payload));
}

export const udp = (source: number, port: number, payload = 0): Uint8Array =>
  concat(Uint8Array.from([...u16(source), ...u16(port), ...u16(8 + payload), 0, 0]), new Uint8Array(payload));

export const icmp = (type: number, id: number, payload: Uint8Array = new Uint8Array(8)): Uint8Array =>
  concat(Uint8Array.from([type, 0, 0, 0, ...u16(id), 0, 1]), payload);

/** An extension header of 8 bytes: hop-by-hop (0), routing (43) or destination options (60). */
export const extension = (next: number, rest: Uint8Array, length = 0): Uint8Array =>
  concat(Uint8Array.from([next, length, 1, 4, 0, 0, 0, 0]), new Uint8Array(8 * length), rest);

/** IPv6's fragment header; `offset` in units of 8 bytes. */
export const fragment = (next: number, rest: Uint8Array, id: number, offset: number, more: boolean): Uint8Array =>
  concat(Uint8Array.from([next, 0, ...u16((offset << 3) | (more ? 1 : 0)), 0, 0, ...u16(id)]), rest);
