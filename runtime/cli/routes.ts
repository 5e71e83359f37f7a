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
  readonly hops: readonly string[];
  readonly cost: number | null;
  readonly primary: string | null;
  readonly backup: string | null;
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

const isDirect = (r: Route): boolean => r.hops.length === 1;

function wayOf(self: string, r: Route): string {
  if (isDirect(r)) return "direct";
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
