/** A UDP endpoint of the underlay. `address` is canonical text (RFC 5952 for IPv6, `%scope` for link-local). */
import { formatIp, parseIp } from "./ip.ts";

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export const endpointKey = (e: Endpoint): string =>
  e.address.includes(":") ? `[${e.address}]:${e.port}` : `${e.address}:${e.port}`;

export const sameEndpoint = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.address === b.address;

/** Means something on one link only (RFC 4291 §2.5.6). */
export const isLinkLocal = (e: Endpoint): boolean => e.address.startsWith("fe80:");

const TEXT = /^(?:\[([0-9a-f:.]+)(%[\w.-]{1,32})?\]|([\d.]+)):([1-9]\d{0,4})$/i;

/** Parses `1.2.3.4:51820` or `[fe80::1%eth0]:51820`, and gives it in canonical form; undefined when it is neither. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, v6, scope = "", v4, digits] = TEXT.exec(text) ?? [];
  const address = parseIp(v6 ?? v4 ?? "");
  const port = Number(digits);
  if (address?.length !== (v6 === undefined ? 4 : 16) || port > 65_535) return undefined;
  return { address: formatIp(address) + scope, port };
}
