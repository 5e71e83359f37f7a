/** What a simulated run is told as: for people, or as JSON. */
import type { SimProviderName } from "../help/sim-providers.ts";
import type { TopologyName } from "./topology.ts";
import type { World } from "./world.ts";

export interface RunOptions {
  readonly seed: string;
  readonly gateways: number;
  readonly hours: number;
  /** Percent. */
  readonly loss: number;
  readonly topology: TopologyName;
  readonly provider: SimProviderName;
  readonly knows: "neighbours" | "all";
  /** Data packets per second and session, each way. */
  readonly load: number;
  /** Parts per million. */
  readonly drift: number;
  /** Records that each gateway writes once all sessions are up; without any there is no replica either. */
  readonly records: number;
}

export interface Report {
  readonly options: RunOptions;
  readonly provider: string;
  readonly reproducible: boolean;
  /** Seen from both ends. `allUpAfter`: simulated seconds, when they first were all up. */
  readonly sessions: {
    readonly up: number;
    readonly wanted: number;
    readonly allUpAfter: number | undefined;
    readonly broken: number;
  };
  readonly handshakes: number;
  /** Bytes on the underlay per gateway and simulated second, headers included. */
  readonly bytesPerNodeSecond: { readonly handshake: number; readonly control: number; readonly data: number };
  readonly datagrams: {
    readonly sent: number;
    readonly arrived: number;
    readonly lost: number;
    readonly unreachable: number;
  };
  readonly data: { readonly opened: number; readonly unopened: number };
  /** `founding`: making all keys and members. `cpu` beside `wall` tells a slow run from a busy machine. */
  readonly seconds: {
    readonly simulated: number;
    readonly founding: number;
    readonly wall: number;
    readonly cpu: number;
  };
  readonly events: number;
  readonly trace: string;
}

export function reportOf(
  world: World,
  options: RunOptions,
  sessions: { readonly up: number; readonly wanted: number; readonly allUpAfter: number | undefined },
  took: { readonly founding: number; readonly wall: number; readonly cpu: number },
): Report {
  const { counts, network, provider, trace, now, gateways } = world;
  const rate = (bytes: number): number => (now > 0 ? bytes / gateways.length / (now / 1000) : 0);
  return {
    options,
    provider: provider.says,
    reproducible: provider.reproducible,
    sessions: { ...sessions, broken: counts.sessionsDown },
    handshakes: counts.handshakes,
    bytesPerNodeSecond: {
      handshake: rate(counts.handshake.bytes),
      control: rate(counts.control.bytes),
      data: rate(counts.payload.bytes),
    },
    datagrams: { ...network.counts },
    data: { opened: counts.opened, unopened: counts.unopened },
    seconds: { simulated: now / 1000, ...took },
    events: trace.events,
    trace: trace.hash,
  };
}

/** Whether the run did what a mesh should do. */
export const isGood = (r: Report): boolean => r.sessions.up === r.sessions.wanted && r.data.unopened === 0;

/** The command that gives the same run again. */
export const commandOf = (o: RunOptions): string =>
  `just sim ${Object.entries(o)
    .map(([name, value]) => `--${name} ${value}`)
    .join(" ")}`;

export function textOf(r: Report): string[] {
  const { options: o, sessions: s, bytesPerNodeSecond: b, datagrams: d, data, seconds } = r;
  const whole = (n: number): string => Math.round(n).toLocaleString("en");
  const after = s.allUpAfter === undefined ? "never all at once" : `all up after ${s.allUpAfter.toFixed(2)} s`;
  const speed = seconds.wall > 0 ? whole(seconds.simulated / seconds.wall) : "-";
  const rows: [string, string][] = [
    ["run", `${o.gateways} gateways, ${o.topology}, ${o.loss} % loss, ${o.hours} h, seed ${o.seed}`],
    ["provider", r.provider],
    ["sessions", `${s.up} of ${s.wanted} ends up; ${after}; ${s.broken} broke`],
    ["handshakes", whole(r.handshakes)],
    ["control", `${whole(b.control + b.handshake)} bytes per node and second (handshakes ${whole(b.handshake)})`],
    ["data", `${whole(b.data)} bytes per node and second; ${whole(data.opened)} packets opened, ${data.unopened} not`],
    [
      "datagrams",
      `${whole(d.sent)} sent, ${whole(d.arrived)} arrived, ${whole(d.lost)} lost, ${whole(d.unreachable)} to nobody`,
    ],
    [
      "time",
      `${seconds.simulated.toFixed(1)} s simulated in ${seconds.wall.toFixed(1)} s (${speed} x; ${seconds.cpu.toFixed(1)} s of CPU), founding ${seconds.founding.toFixed(1)} s`,
    ],
    ["trace", `${r.trace} over ${whole(r.events)} events${r.reproducible ? "" : " (differs from run to run)"}`],
  ];
  return rows.map(([name, value]) => `${name.padEnd(11)} ${value}`);
}
