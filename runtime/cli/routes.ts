import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { command, NONE } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { peerWord } from "./peer-word.ts";
import { facts, shorten, table } from "./show.ts";

interface Route {
  readonly name: string;
  readonly address: string;
  readonly state: string;
  readonly direct: boolean;
  readonly hops: readonly string[];
  readonly cost: number | null;
  readonly primary: string | null;
  readonly backup: string | null;
  readonly protects: "node" | "link" | null;
  readonly why: string;
}

interface Routes {
  readonly self: string;
  readonly routes: readonly Route[];
}

export const routes = command({
  name: "routes",
  doc: "the way to each gateway, and what takes over",
  positionals: { peer: { ...peerWord, optional: true } },
  options: NONE,
  examples: [
    ["trellis routes", "a line per gateway"],
    ["trellis routes b", "one of them, explained"],
    ["trellis routes --json", "hops, costs and backups, for scripts"],
  ],
  async run(args) {
    const answer = await call<Routes>(socketOf(args), "routes");
    if (args.peer === undefined) return print(args, answer, () => overview(answer));
    const one = answer.routes.find((r) => r.name === args.peer || r.address === args.peer);
    if (!one) {
      const hint = "trellis routes lists them";
      throw new TrellisError("peer/unknown", `no other gateway is called "${args.peer}"`, { hint });
    }
    print(args, one, () => explain(answer.self, one));
  },
});

const WAY_MAX = 40;

const overview = ({ self, routes: all }: Routes): string[] =>
  all.length === 0
    ? ["no other gateways yet: trellis invite lets one in"]
    : table(
        ["to", "way", "cost", "backup"],
        all.map((r) => [shorten(r.name, 16), shorten(wayOf(self, r), WAY_MAX), `${r.cost ?? "-"}`, r.backup ?? "-"]),
      );

function wayOf(self: string, r: Route): string {
  if (r.direct) return "direct";
  return r.hops.length === 0 ? "none" : [self, ...r.hops].join(" > ");
}

/** Told as a story: an installer asks why, not what. */
const explain = (self: string, r: Route): string[] =>
  facts([
    ["to", `${r.name}, ${r.address}`],
    ["way", way(self, r)],
    ["why", reason(r)],
    ["if it fails", fallback(r)],
  ]);

function way(self: string, r: Route): string {
  if (r.direct) return `direct, from ${self} to ${r.name} over the underlay`;
  if (r.hops.length === 0) return "none";
  const relays = r.hops.length - 1;
  return `${[self, ...r.hops].join(" > ")}: ${relays === 1 ? "one relay" : `${relays} relays`}, cost ${r.cost}`;
}

function reason(r: Route): string {
  if (r.direct) return r.cost === null ? "there is a session; no link of the mesh leads there" : "there is a session";
  if (r.why === "shortest") return "the cheapest over links that both their ends confirm";
  if (r.why === "around-distrusted") return "around a relay that has dropped what it should have relayed";
  if (r.why === "not-a-member") return "it is no member of this mesh";
  return r.hops.length === 0 ? "no chain of links that both ends confirm leads there" : "it is a neighbour";
}

function fallback(r: Route): string {
  if (r.backup === null) {
    if (r.direct && r.hops.length > 1) return `frames go over ${r.primary} at once`;
    return r.primary === null ? "there is nothing to fail" : "the mesh looks for another way; none is ready";
  }
  const sure =
    r.protects === "node" ? "also when the next gateway is gone" : "when the link to the next gateway is gone";
  return `frames go over ${r.backup} at once, ${sure}`;
}
