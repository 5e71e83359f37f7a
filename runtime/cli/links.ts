import { call } from "../api/client.io.ts";
import { command, NONE } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { peerWord } from "./peer-word.ts";
import { roundTrip, shorten, size, table } from "./show.ts";

interface Link {
  readonly name: string;
  readonly interface: string | null;
  readonly endpoint: string;
  /** `carries`, `ready`, `silent` or `over cap`. */
  readonly state: string;
  readonly roundTripMs: number | null;
  readonly jitterMs: number | null;
  /** Shares, 0 to 1. */
  readonly lostOut: number;
  readonly lostIn: number;
  readonly cost: number;
  readonly metered: boolean;
}

/** An interface of which something is set. */
interface Terms {
  readonly interface: string;
  readonly cost: number;
  readonly metered: boolean;
  /** Bytes a day. */
  readonly cap: number | null;
  readonly today: number | null;
}

export const links = command({
  name: "links",
  doc: "every link to every gateway, which carries, what it costs",
  positionals: { peer: { ...peerWord, optional: true } },
  options: NONE,
  examples: [
    ["trellis links", "a line per link: place and interface, quality, cost"],
    ["trellis links b", "those to one gateway"],
    ["trellis links --json", "all about all of them, and what went over capped interfaces today"],
  ],
  async run(args) {
    const answer = await call<{ links: readonly Link[]; interfaces: readonly Terms[] }>(socketOf(args), "links");
    const wanted = answer.links.filter((l) => args.peer === undefined || l.name === args.peer);
    print(args, { ...answer, links: wanted }, () => [...listed(wanted), ...answer.interfaces.map(said)]);
  },
});

const listed = (all: readonly Link[]): string[] =>
  all.length === 0
    ? ["no links: nobody is reached over the underlay itself"]
    : table(
        ["to", "over", "place", "state", "rtt", "jitter", "lost", "cost"],
        all.map((l) => [
          shorten(l.name, 12),
          shorten(l.interface ?? "-", 8),
          shorten(l.endpoint, 19),
          l.state,
          roundTrip(l.roundTripMs),
          l.jitterMs === null ? "-" : l.jitterMs.toFixed(1),
          `${percent(l.lostOut)}/${percent(l.lostIn)}`,
          l.metered ? "metered" : `${l.cost}`,
        ]),
      );

const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;

function said({ interface: name, cost, metered, cap, today }: Terms): string {
  const parts = [`costs ${cost} ms`, ...(metered ? ["metered"] : [])];
  if (cap !== null)
    parts.push(`${size(today ?? 0)} of ${size(cap)} today${(today ?? 0) >= cap ? ": only control" : ""}`);
  return `${name}: ${parts.join(", ")}`;
}
