/** IPv4 and IPv6 addresses and prefixes as bytes (4 or 16) and as their one canonical text. */
import { equal } from "./bytes.ts";

/** An address whose bits after `length` are zero. */
export interface Prefix {
  readonly address: Uint8Array;
  readonly length: number;
}

const OCTET = /^(?:0|[1-9]\d{0,2})$/; // a leading zero would be octal to some readers
const GROUP = /^[0-9a-f]{1,4}$/i;

/** The 4 or 16 bytes of an address (RFC 4291 §2.2, without a scope), or undefined when `text` is none. */
export const parseIp = (text: string): Uint8Array | undefined => (text.includes(":") ? parseV6(text) : parseV4(text));

function parseV4(text: string): Uint8Array | undefined {
  const octets = text.split(".");
  if (octets.length !== 4 || !octets.every((o) => OCTET.test(o) && Number(o) <= 255)) return undefined;
  return Uint8Array.from(octets, Number);
}

function parseV6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail].flatMap((g) => [g >> 8, g & 255]));
}

/** 16-bit groups; an IPv4 address may stand for the last two where the text ends here. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const out: number[] = [];
  for (const [i, part] of parts.entries()) {
    const v4 = last && i === parts.length - 1 && part.includes(".") ? parseV4(part) : undefined;
    if (v4) out.push(((v4[0] as number) << 8) | (v4[1] as number), ((v4[2] as number) << 8) | (v4[3] as number));
    else if (GROUP.test(part)) out.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return out;
}

/** Canonical text (RFC 5952) of 4 or 16 bytes; anything else throws RangeError. */
export function formatIp(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  if (address.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, ${address.length} came`);
  if (isMapped(address)) return `::ffff:${address.subarray(12).join(".")}`; // RFC 5952 §5
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((address[2 * i] as number) << 8) | (address[2 * i + 1] as number),
  );
  const run = longestZeroRun(groups);
  const hex = (part: readonly number[]): string => part.map((g) => g.toString(16)).join(":");
  if (run.length < 2) return hex(groups); // §4.2.2: one group of zeros is not shortened
  return `${hex(groups.slice(0, run.at))}::${hex(groups.slice(run.at + run.length))}`;
}

const isMapped = (a: Uint8Array): boolean =>
  a.subarray(0, 10).every((b) => b === 0) && a[10] === 0xff && a[11] === 0xff;

/** The first of the longest runs (RFC 5952 §4.2.3). */
function longestZeroRun(groups: readonly number[]): { at: number; length: number } {
  let best = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at++) {
    let end = at;
    while (groups[end] === 0) end++;
    if (end - at > best.length) best = { at, length: end - at };
    at = Math.max(at, end);
  }
  return best;
}

/** `10.1.0.0/16` or `fd00::/8` with no bit set behind the length, or undefined. */
export function parsePrefix(text: string): Prefix | undefined {
  const [host, bits, ...rest] = text.split("/");
  const address = parseIp(host as string);
  if (!address || bits === undefined || rest.length > 0 || !OCTET.test(bits)) return undefined;
  const length = Number(bits);
  if (length > 8 * address.length || !equal(masked(address, length), address)) return undefined;
  return { address, length };
}

/** `10.1.0.0/16` as `formatPrefix` writes it. */
export const isCanonicalPrefix = (text: string): boolean => {
  const prefix = parsePrefix(text);
  return prefix !== undefined && formatPrefix(prefix) === text;
};

export const formatPrefix = (prefix: Prefix): string => `${formatIp(prefix.address)}/${prefix.length}`;

/** Whether every address of `inner` lies in `outer`. The families never mix. */
export const contains = (outer: Prefix, inner: Prefix): boolean =>
  outer.address.length === inner.address.length &&
  outer.length <= inner.length &&
  equal(masked(inner.address, outer.length), outer.address);

export const containsAddress = (prefix: Prefix, address: Uint8Array): boolean =>
  contains(prefix, { address, length: 8 * address.length });

function masked(address: Uint8Array, length: number): Uint8Array {
  return address.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))) & 0xff);
}
