import { call } from "../api/client.io.ts";
import { command, NONE } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { facts, roundTrip, shorten, table } from "./show.ts";

interface Nat {
  readonly family: string;
  readonly kind: "none" | "single" | "independent" | "address" | "varying" | "symmetric";
  readonly outer: readonly string[];
  readonly observers: number;
}

interface Netcheck {
  readonly port: number;
  /** What other gateways are told to try. */
  readonly told: readonly string[];
  readonly nat: readonly Nat[];
  readonly observed: readonly { readonly peer: string; readonly at: string; readonly seen: string }[];
  readonly beacons: { readonly on: readonly string[]; readonly reason: string };
}

interface Peer {
  readonly name: string;
  readonly state: string;
  readonly endpoint: string | null;
  readonly via: string | null;
  readonly roundTripMs: number | null;
  readonly pathMtu: number | null;
}

export const netcheck = command({
  name: "netcheck",
  doc: "how other gateways can reach this one: NAT, ways, MTU",
  positionals: NONE,
  options: NONE,
  examples: [
    ["trellis netcheck", "what lies between this gateway and the others"],
    ["trellis netcheck --json", "with what each peer says, for scripts"],
  ],
  async run(args) {
    const socket = socketOf(args);
    const found = await call<Netcheck>(socket, "netcheck");
    const { peers } = await call<{ peers: readonly Peer[] }>(socket, "peers");
    const ways = peers.map(({ name, state, endpoint, via, roundTripMs, pathMtu }) => ({
      name,
      state,
      endpoint,
      via,
      roundTripMs,
      pathMtu,
    }));
    print(args, { ...found, peers: ways }, () => [...about(found), "", ...waysTo(ways)]);
  },
});

const NARROW = 34;

function about({ port, told, nat, beacons }: Netcheck): string[] {
  const boxes = ["IPv4", "IPv6"].flatMap((family) =>
    boxOf(
      family,
      nat.find((n) => n.family === family),
    ),
  );
  return facts([
    ["UDP port", `${port}`],
    ...listed("others try", told, "no address yet: is an interface up?"),
    ...boxes,
    ["beacons", beacons.on.length > 0 ? `on ${beacons.on.join(", ")}` : `none: ${beacons.reason}`],
  ]);
}

function boxOf(family: string, nat: Nat | undefined): [string, string][] {
  if (!nat) return [[family, "no peer has seen us by it"]];
  const says = `${nat.observers} ${nat.observers === 1 ? "peer says" : "peers say"} so`;
  if (nat.kind === "none") return [[family, `no NAT: ${says}`]];
  return [[family, `${NAMES[nat.kind]}: ${says}`], ...listed("seen at", nat.outer, ""), ["", MEANS[nat.kind]]];
}

const NAMES = {
  single: "NAT",
  independent: "NAT, the same port for all (endpoint-independent mapping)",
  address: "NAT, a port for each address (address-dependent mapping)",
  varying: "NAT, another port for each peer",
  symmetric: "symmetric NAT (address and port-dependent mapping)",
} as const;

/** What to expect, and what helps. */
const MEANS = {
  single: "one more peer elsewhere will tell which kind",
  independent: "others come directly: both ends open their boxes at once",
  address: "others come directly, unless their NAT varies too",
  varying: "others come directly, unless their NAT is as strict; then by a relay",
  symmetric: "others come directly, unless their NAT is as strict; then by a relay",
} as const;

const listed = (name: string, values: readonly string[], none: string): [string, string][] =>
  values.length === 0 ? [[name, none]] : values.map((value, i) => [i === 0 ? name : "", value]);

const waysTo = (peers: readonly Peer[]): string[] =>
  peers.length === 0
    ? ["no other gateways yet: trellis invite lets one in"]
    : table(
        ["to", "way", "round trip", "MTU"],
        peers.map((p) => [
          shorten(p.name, 16),
          shorten(wayTo(p), NARROW),
          roundTrip(p.roundTripMs),
          `${p.pathMtu ?? "-"}`,
        ]),
      );

function wayTo({ state, endpoint, via }: Peer): string {
  if (state !== "up") return state;
  if (via !== null) return `over ${via}`;
  return endpoint === null ? "-" : `direct, ${endpoint}`;
}
