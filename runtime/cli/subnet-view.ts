/** Subnets as people read them: who announces what, which of it counts, who is used and who would be. */
import { contains, containsAddress, parseIp, parsePrefix } from "../base/ip.ts";
import { facts, table } from "./show.ts";

export interface SubnetGateway {
  readonly name: string;
  readonly self: boolean;
  readonly reached: boolean;
  readonly cost: number | null;
}

export interface Subnet {
  readonly prefix: string;
  readonly own: boolean;
  readonly device: string | null;
  readonly source: string | null;
  readonly problem: string | null;
  /** The one in use first. */
  readonly gateways: readonly SubnetGateway[];
}

interface Refusal {
  readonly prefix: string;
  readonly gateway: string;
  readonly reason: string;
}

export interface Subnets {
  readonly masquerade: boolean;
  readonly withdrawn: readonly { readonly prefix: string; readonly reason: string }[];
  readonly subnets: readonly Subnet[];
  readonly refused: readonly Refusal[];
}

export const behind = ({ subnets }: Subnets, gateway: string): string[] =>
  subnets.filter((s) => s.gateways.some((g) => g.name === gateway)).map((s) => s.prefix);

type WayTo = (gateway: string) => string;

/** Nothing where nobody announces anything. */
export function subnetTable({ subnets, refused, withdrawn }: Subnets, wayTo: WayTo): string[] {
  const rows = subnets.map((s) => [s.prefix, used(s), s.own ? "here" : wayOf(s, wayTo), others(s)]);
  return [
    ...(rows.length > 0 ? ["", ...table(["subnet", "gateway", "way", "takes over"], rows)] : []),
    ...section("refused", refused.map(refusal)),
    ...section(
      "not announced",
      withdrawn.map(({ prefix, reason }) => `${prefix}: ${reason}`),
    ),
  ];
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ["", `${title}:`, ...lines.map((line) => `  ${line}`)];

const refusal = ({ prefix, gateway, reason }: Refusal): string => `${prefix} of ${gateway}: ${reason}`;
const used = (s: Subnet): string => (s.own ? "this one" : (s.gateways[0]?.name ?? "-"));
const others = (s: Subnet): string =>
  s.gateways
    .slice(1)
    .map((g) => (g.reached ? g.name : `${g.name} (not reached)`))
    .join(", ") || "-";

function wayOf({ problem, gateways }: Subnet, wayTo: WayTo): string {
  if (problem !== null) return "none";
  const [first] = gateways;
  return first?.reached ? wayTo(first.name) : "none: no gateway is reached";
}

export interface Story {
  readonly value: { readonly subnet: Subnet | null; readonly refused: readonly Refusal[] };
  readonly lines: readonly string[];
}

/** About an address or a subnet; undefined when nobody announces anything there. */
export function storyOf(all: Subnets, word: string, wayTo: WayTo): Story | undefined {
  const holds = holderOf(word);
  if (!holds) return undefined;
  const matching = all.subnets.filter((s) => holds(s.prefix));
  const subnet = matching.reduce<Subnet | null>((a, b) => (a && lengthOf(a) >= lengthOf(b) ? a : b), null);
  const refused = all.refused.filter((r) => holds(r.prefix));
  if (!subnet && refused.length === 0) return undefined;
  return { value: { subnet, refused }, lines: facts([...tell(subnet, word, all, wayTo), ...refused.map(tellRefused)]) };
}

const lengthOf = (s: Subnet): number => parsePrefix(s.prefix)?.length ?? 0;

function holderOf(word: string): ((subnet: string) => boolean) | undefined {
  const [address, prefix] = [parseIp(word), parsePrefix(word)];
  if (!address && !prefix) return undefined;
  return (text) => {
    const outer = parsePrefix(text);
    if (!outer) return false;
    return address ? containsAddress(outer, address) : prefix !== undefined && contains(outer, prefix);
  };
}

const tellRefused = (r: Refusal): readonly [string, string] => ["refused", refusal(r)];

function tell(s: Subnet | null, word: string, { masquerade }: Subnets, wayTo: WayTo): (readonly [string, string])[] {
  if (!s) return [["to", `${word}: no announcement that holds it counts, so it is not routed into the mesh`]];
  if (s.own)
    return [
      ["to", `${s.prefix}, behind this gateway`],
      [
        "forwarded",
        masquerade
          ? "with this gateway's own address in front of those in the mesh"
          : "as it is: hosts there need a route back",
      ],
      ["also by", others(s)],
    ];
  const [first, ...rest] = s.gateways;
  const next = rest.find((g) => g.reached);
  return [
    ["to", `${s.prefix}, behind ${s.gateways.map((g) => g.name).join(" and ")}`],
    ["gateway", first ? `${first.name}, ${why(first, rest)}` : "none"],
    ["way", wayOf(s, wayTo)],
    [
      "if it fails",
      next ? `${next.name} takes over at once` : "nobody else announces it: packets wait for it, and go nowhere else",
    ],
    ["kernel", s.problem ?? `route into ${s.device}${s.source === null ? "" : `, our own packets from ${s.source}`}`],
  ];
}

function why(first: SubnetGateway, rest: readonly SubnetGateway[]): string {
  if (!first.reached) return "which is not reached now";
  if (rest.length === 0) return "the only one that announces it";
  const cheaper = rest.find((g) => g.reached && g.cost !== null && first.cost !== null && g.cost < first.cost);
  if (cheaper) return `in use, and no other is nearer by a quarter (cost ${first.cost})`;
  return rest.some((g) => g.reached)
    ? `the nearest, or as near and in use (cost ${first.cost})`
    : "the only one that is reached";
}
