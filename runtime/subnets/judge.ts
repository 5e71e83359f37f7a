/**
 * Which announcements of subnets count, and why the others do not. Everybody comes to the same by the same announcements, but for what
 * lies around a gateway itself: the networks that it is in.
 *
 * - A certificate must allow it: announcing is no right.
 * - One subnet of several gateways is one subnet with several gateways (choose.ts).
 * - Of two subnets that overlap the wider counts, and the narrower only when a gateway of the wider announces it too: who holds the whole
 *   says so. Thus nobody takes a part of another's subnet by announcing it more precisely.
 */
import { contains, formatPrefix, type Prefix, parsePrefix } from "../base/ip.ts";

export interface Announcer {
  /** Overlay address. */
  readonly address: string;
  readonly name: string;
  /** What its certificate allows, and everything in it. */
  readonly certified: readonly Prefix[];
  readonly announced: readonly Prefix[];
}

export interface Surroundings {
  /** This gateway's overlay address. */
  readonly self: string;
  readonly overlay: Prefix;
  /** Those that this machine's interfaces are in, but for the overlay's. */
  readonly networks: readonly { readonly prefix: Prefix; readonly device: string }[];
}

export interface Subnet {
  readonly prefix: Prefix;
  /** Overlay addresses of those whose announcement counts, in order. */
  readonly gateways: readonly string[];
}

export interface Refusal {
  readonly prefix: Prefix;
  /** Overlay address of who announced it. */
  readonly gateway: string;
  /** For people. */
  readonly reason: string;
}

export interface Judgement {
  /** In the order of their texts. */
  readonly subnets: readonly Subnet[];
  readonly refused: readonly Refusal[];
}

interface Claim {
  readonly prefix: Prefix;
  readonly by: Announcer;
}

export function judge(announcers: readonly Announcer[], around: Surroundings): Judgement {
  const refused: Refusal[] = [];
  const refuse = ({ prefix, by }: Claim, reason: string): void =>
    void refused.push({ prefix, gateway: by.address, reason });
  const groups = new Map<string, Claim[]>();
  for (const claim of claimsOf(announcers)) {
    const reason = unfit(claim, around);
    if (reason !== undefined) refuse(claim, reason);
    else groups.set(formatPrefix(claim.prefix), [...(groups.get(formatPrefix(claim.prefix)) ?? []), claim]);
  }
  const counted: (readonly Claim[])[] = [];
  for (const group of [...groups.values()].sort(widerFirst)) {
    const above = counted.find((wider) => contains(prefixOf(wider), prefixOf(group)) && !hasOneOf(wider, group));
    if (!above) counted.push(group);
    else for (const claim of group) refuse(claim, liesIn(above));
  }
  const subnets = counted.map((group) => ({
    prefix: prefixOf(group),
    gateways: group.map((c) => c.by.address).sort(),
  }));
  return { subnets: subnets.sort(byText), refused: refused.sort(byText) };
}

/** Each announcement once. */
const claimsOf = (announcers: readonly Announcer[]): Claim[] =>
  announcers.flatMap((by) => {
    const each = new Map(by.announced.map((prefix) => [formatPrefix(prefix), { prefix, by }]));
    return [...each.values()];
  });

const prefixOf = (group: readonly Claim[]): Prefix => (group[0] as Claim).prefix;
const hasOneOf = (wider: readonly Claim[], group: readonly Claim[]): boolean =>
  wider.some(({ by }) => group.some((claim) => claim.by.address === by.address));
const liesIn = (wider: readonly Claim[]): string =>
  `it lies in ${formatPrefix(prefixOf(wider))} of ${wider.map((c) => c.by.name).join(" and ")}, which does not announce it too`;

const byText = (a: { readonly prefix: Prefix }, b: { readonly prefix: Prefix }): number =>
  formatPrefix(a.prefix) < formatPrefix(b.prefix) ? -1 : Number(formatPrefix(a.prefix) > formatPrefix(b.prefix));
const widerFirst = (a: readonly Claim[], b: readonly Claim[]): number => prefixOf(a).length - prefixOf(b).length;

/** Of one machine or link, or of nobody. */
const RESERVED = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"],
  ...["::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8"],
].map((text) => parsePrefix(text) as Prefix);

const overlaps = (a: Prefix, b: Prefix): boolean => contains(a, b) || contains(b, a);

/** Why a claim cannot count whatever others announce. */
function unfit({ prefix, by }: Claim, { self, overlay, networks }: Surroundings): string | undefined {
  if (prefix.length === 0) return "a route to everywhere is no subnet";
  if (RESERVED.some((range) => overlaps(range, prefix))) return "these addresses belong to no subnet";
  if (!by.certified.some((outer) => contains(outer, prefix))) return `the certificate of ${by.name} does not allow it`;
  if (overlaps(overlay, prefix)) return `it overlaps the overlay, ${formatPrefix(overlay)}`;
  if (by.address === self) return undefined;
  const network = networks.find((n) => overlaps(n.prefix, prefix));
  return network && `${network.device} of this gateway is in ${formatPrefix(network.prefix)}`;
}
