import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { integer } from "../config/parsers.ts";
import { command, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { peerWord } from "./peer-word.ts";
import { roundTrip, table } from "./show.ts";

interface Routes {
  readonly self: string;
  readonly routes: readonly { readonly name: string; readonly address: string; readonly hops: readonly string[] }[];
}

interface Hop {
  readonly name: string;
  /** A round trip each, null where no answer came. */
  readonly roundTripMs: readonly (number | null)[];
}

export const trace = command({
  name: "trace",
  doc: "each gateway on the way to another, and its round trip",
  positionals: { peer: peerWord },
  options: {
    count: option({
      key: "count",
      short: "c",
      fallback: 3,
      unit: "",
      doc: "how often each is asked",
      parse: integer(1, 100),
    }),
  },
  examples: [
    ["trellis trace c", "which gateway on the way is slow, or does not answer"],
    ["trellis trace c --json -c 10", "ten round trips of each, for scripts"],
  ],
  async run(args) {
    const { self, routes } = await call<Routes>(socketOf(args), "routes");
    const route = routes.find((r) => r.name === args.peer || r.address === args.peer);
    if (!route) {
      const hint = "trellis routes lists them";
      throw new TrellisError("peer/unknown", `no other gateway is called "${args.peer}"`, { hint });
    }
    if (route.hops.length === 0) {
      const hint = "trellis graph shows the links that both their ends confirm";
      throw new TrellisError("trace/no-way", `no way leads from ${self} to ${route.name}`, { hint });
    }
    const hops: Hop[] = [];
    for (const name of route.hops) hops.push({ name, roundTripMs: await ask(socketOf(args), name, args.count) });
    print(args, { from: self, to: route.name, hops }, () => draw(hops));
    if (hops.at(-1)?.roundTripMs.every((ms) => ms === null))
      throw new TrellisError("trace/silent", `${route.name} did not answer`, { hint: `trellis routes ${route.name}` });
  },
});

/** Sealed end to end: who is asked answers, and those between only carry it. */
async function ask(socket: string, peer: string, count: number): Promise<(number | null)[]> {
  const trips: (number | null)[] = [];
  for (let i = 0; i < count; i++) {
    const { roundTripMs } = await call<{ roundTripMs: number | null }>(socket, "ping", { peer });
    trips.push(roundTripMs);
  }
  return trips;
}

const draw = (hops: readonly Hop[]): string[] =>
  table(
    ["hop", "gateway", "round trips"],
    hops.map(({ name, roundTripMs }, i) => [`${i + 1}`, name, roundTripMs.map(shown).join("  ")]),
  );

const shown = (ms: number | null): string => (ms === null ? "no answer" : roundTrip(ms));
