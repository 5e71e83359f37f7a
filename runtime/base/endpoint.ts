/** A UDP endpoint of the underlay. `address` is canonical text (RFC 5952 for IPv6, `%scope` for link-local). */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export const endpointKey = (e: Endpoint): string =>
  e.address.includes(":") ? `[${e.address}]:${e.port}` : `${e.address}:${e.port}`;

/** Parses `1.2.3.4:51820` or `[fe80::1%eth0]:51820`; undefined when it is neither. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|(\d{1,3}(?:\.\d{1,3}){3})):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const port = Number(match[3]);
  const address = match[1] ?? (match[2] as string);
  if (port < 1 || port > 65_535) return undefined;
  if (match[2] && address.split(".").some((octet) => Number(octet) > 255)) return undefined;
  return { address, port };
}
