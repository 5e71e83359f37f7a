/** The zones that a gateway answers for: its mesh's names, and the overlay prefix turned round. Pure values, made anew when members change. */
import { type Prefix, parseIp } from "../base/ip.ts";

export interface Named {
  readonly name: string;
  /** Overlay address, canonical text. */
  readonly address: string;
}

export type Entry = { readonly type: "AAAA" | "PTR"; readonly data: string };

export interface Zone {
  /** Lower case, without a dot at the end, as all names here. */
  readonly apex: string;
  /** Who answers: the gateway's own name. */
  readonly host: string;
  readonly serial: number;
  /** What stands at a name of the zone; empty: the name exists, or one below it; undefined: neither. */
  readonly at: (name: string) => readonly Entry[] | undefined;
}

export interface ZoneTerms {
  readonly meshName: string;
  /** The overlay's, of whole hex digits. */
  readonly prefix: Prefix;
  /** This gateway's name. */
  readonly self: string;
  readonly members: readonly Named[];
  /** 32 bits. */
  readonly serial: number;
}

/** `.internal` is reserved for such names: nobody outside will ever have them. */
export const domainOf = (meshName: string): string => `${meshName}.internal`;

/** Characters of a name (RFC 1035 §2.3.4: 255 bytes with its lengths). */
const NAME_MAX = 253;

export function zonesOf({ meshName, prefix, self, members, serial }: ZoneTerms): readonly Zone[] {
  const domain = domainOf(meshName);
  const known = members
    .map(({ name, address }) => ({ name: `${name}.${domain}`, address }))
    .filter(({ name }) => name.length <= NAME_MAX); // a longer one is a name in the mesh and none in the DNS
  const host = `${self}.${domain}`;
  const forward = known.map(({ name, address }) => [name, { type: "AAAA", data: address }] as const);
  const back = known.map(({ name, address }) => [reverseName(address), { type: "PTR", data: name }] as const);
  return [zone(domain, host, serial, forward), zone(reverseApex(prefix), host, serial, back)];
}

function zone(apex: string, host: string, serial: number, entries: readonly (readonly [string, Entry])[]): Zone {
  const names = new Map<string, readonly Entry[]>([[apex, []]]);
  for (const [name] of entries) for (const above of between(name, apex)) names.set(above, []); // RFC 8020: no NXDOMAIN there
  for (const [name, entry] of entries) names.set(name, [entry]);
  return { apex, host, serial: serial >>> 0, at: (name) => names.get(name) };
}

/** The names above `name` and below `apex`. */
function between(name: string, apex: string): string[] {
  const out: string[] = [];
  for (let at = name.indexOf("."); at >= 0 && name.length - at - 1 > apex.length; at = name.indexOf(".", at + 1))
    out.push(name.slice(at + 1));
  return out;
}

/** The zone that a name lies in. */
export const zoneOf = (zones: readonly Zone[], name: string): Zone | undefined =>
  zones.find(({ apex }) => name === apex || name.endsWith(`.${apex}`));

const digits = (address: Uint8Array): string[] =>
  [...address].flatMap((b) => [b >> 4, b & 15]).map((d) => d.toString(16));

/** RFC 3596 §2.5. */
const reverseName = (address: string): string =>
  `${digits(parseIp(address) as Uint8Array)
    .reverse()
    .join(".")}.ip6.arpa`;

/** The zone of a prefix of whole hex digits. */
export const reverseApex = ({ address, length }: Prefix): string =>
  `${digits(address)
    .slice(0, length / 4)
    .reverse()
    .join(".")}.ip6.arpa`;
