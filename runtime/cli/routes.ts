import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { command, NONE } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { peerWord } from "./peer-word.ts";
import { facts, shorten, table } from "./show.ts";
import { behind, type Subnets, storyOf, subnetTable } from "./subnet-view.ts";

interface Route {
  readonly name: string;
  readonly address: string;
  readonly state: string;
  readonly hops: readonly string[];
  readonly cost: number | null;
  readonly primary: string | null;
  readonly backup: string | null;
  readonly why: string;
}

interface Routes extends Subnets {
  readonly self: string;
  readonly routes: readonly Route[];
}

export const routes = command({
  name: "routes",
  doc: "the way to each gateway and subnet, and what takes over",
  positionals: { peer: { ...peerWord, doc: "a gateway, or an address or subnet behind one", optional: true } },
  options: NONE,
  examples: [
    ["trellis routes", "a line per gateway"],
    ["trellis routes b", "one of them, explained"],
    ["trellis routes 10.2.0.7", "through whom that is reached, who would take over, who was refused and why"],
    ["trellis routes --json", "hops, costs and backups, for scripts"],
  ],
  async run(args) {
    const [ways, subnets] = await Promise.all([
      call<Pick<Routes, "self" | "routes">>(socketOf(args), "routes"),
      call<Subnets>(socketOf(args), "subnets"),
    ]);
    const answer: Routes = { ...ways, ...subnets };
    const { peer: word } = args;
    if (word === undefined)
      return print(args, answer, () => [...overview(answer), ...subnetTable(answer, (name) => wayTo(answer, name))]);
    const one = answer.routes.find((r) => r.name === word || r.address === word);
    if (one) return print(args, { ...one, subnets: behind(answer, one.name) }, () => explain(answer, one));
    const story = storyOf(answer, word, (name) => wayTo(answer, name));
    if (story) return print(args, story.value, () => story.lines);
    const hint = "trellis routes lists gateways and subnets";
    throw new TrellisError(
      "peer/unknown",
      `no other gateway is called "${word}", and nobody announces a subnet that holds it`,
      { hint },
    );
  },
});

/** In words, for the gateway of a subnet. */
function wayTo({ self, routes: all }: Routes, name: string): string {
  const route = all.find((r) => r.name === name);
  return route ? wayOf(self, route) : "here";
}

const WAY_MAX = 40;

const overview = ({ self, routes: all }: Routes): string[] =>
  all.length === 0
    ? ["no other gateways yet: trellis invite lets one in"]
    : table(
        ["to", "way", "cost", "backup"],
        all.map((r) => [shorten(r.name, 16), shorten(wayOf(self, r), WAY_MAX), `${r.cost ?? "-"}`, r.backup ?? "-"]),
      );

const isDirect = (r: Route): boolean => r.hops.length === 1;

function wayOf(self: string, r: Route): string {
  if (isDirect(r)) return "direct";
  return r.hops.length === 0 ? "none" : [self, ...r.hops].join(" > ");
}

/** Told as a story: an installer asks why, not what. */
const explain = (answer: Routes, r: Route): string[] =>
  facts([
    ["to", `${r.name}, ${r.address}`],
    ["way", way(answer.self, r)],
    ["why", reason(r)],
    ["if it fails", fallback(r)],
    ["behind it", behind(answer, r.name).join(", ") || "no subnet"],
  ]);

function way(self: string, r: Route): string {
  if (isDirect(r)) return `direct, from ${self} to ${r.name} over the underlay`;
  if (r.hops.length === 0) return "none";
  const relays = r.hops.length - 1;
  return `${[self, ...r.hops].join(" > ")}: ${relays === 1 ? "one relay" : `${relays} relays`}, cost ${r.cost}`;
}

function reason(r: Route): string {
  if (r.why === "not-a-member") return "it is no member of this mesh";
  if (r.hops.length === 0) return "no chain of links that both their ends confirm leads there";
  if (isDirect(r)) return r.cost === null ? "there is a session with it" : `there is a link to it, cost ${r.cost}`;
  if (r.why === "around-distrusted") return "the way around a relay that has dropped what it should have relayed";
  return "the cheapest over links that both their ends confirm";
}

function fallback(r: Route): string {
  if (r.backup !== null) return `frames go over ${r.backup} at once`;
  return r.primary === null ? "there is nothing to fail" : "no other way is ready: the mesh looks for one then";
}
