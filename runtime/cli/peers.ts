import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { flag } from "../config/parsers.ts";
import { command, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { peerWord } from "./peer-word.ts";
import { age, facts, roundTrip, shorten, size, table } from "./show.ts";

interface Traffic {
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
}

interface Peer {
  readonly name: string;
  readonly nodeId: string;
  readonly address: string;
  readonly endpoint: string | null;
  /** The gateway through which it is reached. */
  readonly via: string | null;
  readonly state: string;
  readonly wireVersion: number;
  readonly suite: string;
  readonly aead: string | null;
  readonly pattern: string | null;
  readonly handshakeAgeMs: number | null;
  readonly handshakeTookMs: number | null;
  readonly sessionAgeMs: number | null;
  readonly lastSeenMs: number | null;
  readonly roundTripMs: number | null;
  /** Whether a neighbour answers the data path; null of one that is none. */
  readonly link: "alive" | "silent" | null;
  readonly pathMtu: number | null;
  readonly rekeys: number;
  readonly traffic: Traffic;
}

export const peers = command({
  name: "peers",
  doc: "the other gateways: sessions, paths, traffic",
  positionals: { peer: { ...peerWord, optional: true } },
  options: {
    wide: option({ key: "wide", fallback: false, unit: "", doc: "every column, unshortened", parse: flag }),
  },
  examples: [
    ["trellis peers", "a line per gateway"],
    ["trellis peers b", "all about one of them"],
    ["trellis peers --json", "all about all of them, for scripts"],
  ],
  async run(args) {
    const answer = await call<{ peers: readonly Peer[] }>(socketOf(args), "peers");
    if (args.peer === undefined) print(args, answer, () => (args.wide ? wide(answer.peers) : short(answer.peers)));
    else {
      const one = oneOf(answer.peers, args.peer);
      print(args, one, () => details(one));
    }
  },
});

function oneOf(all: readonly Peer[], word: string): Peer {
  const byId = /^[0-9a-f]{8,64}$/.test(word) ? all.filter((p) => p.nodeId.startsWith(word)) : [];
  const found = all.find((p) => p.name === word || p.address === word) ?? (byId.length === 1 ? byId[0] : undefined);
  if (found) return found;
  throw new TrellisError("peer/unknown", `no other gateway is called "${word}"`, { hint: "trellis peers lists them" });
}

const pathOf = (p: Peer): string => p.endpoint ?? (p.via === null ? "-" : `via ${p.via}`);

const NAME_MAX = 16;
const ENDPOINT_MAX = 22;

const short = (all: readonly Peer[]): string[] =>
  all.length === 0
    ? ["no other gateways yet: trellis invite lets one in"]
    : table(
        ["name", "state", "endpoint", "rtt", "sent", "received"],
        all.map((p) => [
          shorten(p.name, NAME_MAX),
          p.state,
          shorten(pathOf(p), ENDPOINT_MAX),
          roundTrip(p.roundTripMs),
          size(p.traffic.sentBytes),
          size(p.traffic.receivedBytes),
        ]),
      );

const wide = (all: readonly Peer[]): string[] =>
  table(
    [
      "name",
      "state",
      "node id",
      "address",
      "endpoint",
      "rtt",
      "handshake",
      "rekeys",
      "data",
      "sent",
      "received",
      "wire",
      "suite",
    ],
    all.map((p) => [
      p.name,
      p.state,
      p.nodeId,
      p.address,
      pathOf(p),
      roundTrip(p.roundTripMs),
      age(p.handshakeAgeMs),
      String(p.rekeys),
      p.aead ?? "-",
      carried(p.traffic.sentBytes, p.traffic.sentPackets),
      carried(p.traffic.receivedBytes, p.traffic.receivedPackets),
      String(p.wireVersion),
      p.suite,
    ]),
  );

const carried = (bytes: number, packets: number): string => `${size(bytes)} in ${packets}`;

const details = (p: Peer): string[] =>
  facts([
    ["name", p.name],
    ["state", p.state],
    ["node id", p.nodeId],
    ["address", p.address],
    ["endpoint", pathOf(p)],
    ["link", p.link ?? "none of its own"],
    ["last heard", p.lastSeenMs === null ? "never" : `${age(p.lastSeenMs)} ago`],
    ["round trip", p.roundTripMs === null ? "not measured: trellis ping does" : roundTrip(p.roundTripMs)],
    ["path MTU", p.pathMtu === null ? "not known" : `${p.pathMtu} bytes`],
    ["session", p.sessionAgeMs === null ? "none" : `for ${age(p.sessionAgeMs)}, rekeyed ${p.rekeys} times`],
    [
      "handshake",
      p.handshakeAgeMs === null
        ? "none"
        : `${age(p.handshakeAgeMs)} ago, took ${age(p.handshakeTookMs)} (${p.pattern})`,
    ],
    ["suite", p.suite],
    ["data", p.aead ?? "-"],
    ["sent", `${carried(p.traffic.sentBytes, p.traffic.sentPackets)} packets`],
    ["received", `${carried(p.traffic.receivedBytes, p.traffic.receivedPackets)} packets`],
    ["wire", `version ${p.wireVersion}`],
  ]);
