/**
 * What the relay looks up and what it may decide, once for the kernel programs (`bpf/relay_*.bpf.c`, whose map values these
 * are) and for the userspace forwarder (`native/lib/relay.h`). The rules themselves are `bpf/relay_rules.h`.
 */
import { bytes, reserved, struct } from "../base/struct.ts";

/** What becomes of a frame, in the order of the counters. `bpf/layout.gen.h` gets them as `RELAY_VERDICT_FORWARD` and so on. */
export const RELAY_VERDICTS = [
  "forward", //     to the next hop
  "deliver", //     it is for us
  "short", //       nothing behind the relay header, or not even that; or a hello of another length than that
  "malformed", //   a reserved byte is set, or the hops left are none or too many
  "unknownLink", // no session of ours has this index
  "badTag", //      the tag is not by the hop key of that session
  "expired", //     it is not for us and this was its last hop
  "noRoute", //     no neighbour leads to its destination
  "loop", //        the next hop is where it came from
  // Hellos.
  "reply", //       a neighbour was answered, or told that it was heard
  "heard", //       a neighbour has answered
  "stale", //       it answers a question that is too old, or older than one that was answered already
  "elsewhere", //   not from where the neighbour is
  "leaseOver", //   the daemon has not said for long that it lives: nobody is answered in its name
  // Only of the kernel programs: left to the userspace forwarder.
  "unresolved", //  no route, neighbour or device that the program may use, or too large for it
  "otherFamily", // it came over IPv4 and goes on over IPv6, or the other way round
  "mixed", //       datagrams joined by the kernel that are not all of one flow, or too many of them
] as const;

export type RelayVerdict = (typeof RELAY_VERDICTS)[number];

/** Frames by verdict. */
export type RelayCounters = Readonly<Record<RelayVerdict, number>>;

/** Verdicts after which the frame is gone. */
export const RELAY_DROPS = [
  "short",
  "malformed",
  "unknownLink",
  "badTag",
  "expired",
  "noRoute",
  "loop",
  "stale",
  "elsewhere",
  "leaseOver",
] as const satisfies readonly RelayVerdict[];

/** Bounds of the tables. Neighbours are numbered from 1; 0 means "none". */
export const RELAY_LIMITS = {
  maxSessions: 16384,
  maxNeighbours: 4096,
  maxDestinations: 16384,
  maxDevices: 256,
} as const;

/** How the program is attached to a device; the values of the map `relay_devices`. */
export const RELAY_DEVICE = { tc: 1, xdp: 2 } as const;

/** Of this gateway. The label is in wire order, like all labels. */
export const RelayConfig = struct("relay_config", {
  label: "u64le", //      0
  clock: "u64le", //      8  what our questions have more than CLOCK_MONOTONIC, ns: nobody learns when this machine started
  port: "u16be", //       16 of our UDP sockets
  reserved: reserved(2),
  generation: "u32le", // 20 grows with every change of the tables; what was looked up before counts no more
}); //                   24 bytes

/** By session index (`link`): who sends with this index, and the key that the tag must be made with. */
export const RelaySession = struct("relay_session", {
  keyLow: "u64le", //     0  SipHash key, first and last eight bytes
  keyHigh: "u64le", //    8
  neighbour: "u32le", //  16
  reserved: reserved(4),
}); //                   24 bytes

/** By number: how a frame reaches this neighbour. Replaced as a whole, so that a reader never sees half of a change. */
export const RelayNeighbour = struct("relay_neighbour", {
  keyLow: "u64le", //     0  SipHash key of our tags
  keyHigh: "u64le", //    8
  address: bytes(16), //  16 of the neighbour; IPv4 as ::ffff:a.b.c.d
  local: bytes(16), //    32 of ours, towards it
  link: "u32le", //       48 session index that the neighbour chose
  scope: "u32le", //      52 interface index of a link-local address, else 0
  port: "u16be", //       56
  family: "u8", //        58 4 or 6
  reserved: reserved(5),
}); //                   64 bytes

/**
 * By number: what changes with every frame. Shared memory of the kernel, the workers and the control thread. Times are
 * CLOCK_MONOTONIC, ns. Number 0 is this gateway: `until` is the end of its lease, up to which others are answered in its name.
 */
export const RelayState = struct("relay_state", {
  until: "u64le", //      0  from then on it counts as silent: another is used if there is one; 0 means never
  asked: "u64le", //      8  our latest question that it has answered
  roundTrip: "u64le", //  16 ns, of that question
  frames: "u64le", //     24 sent on to it
  bytes: "u64le", //      32 the same, UDP payload
  reserved: reserved(24), // a cache line each
}); //                   64 bytes

/** By label: the neighbours that lead there, 0 for none. */
export const RelayDestination = struct("relay_destination", {
  primary: "u32le", //    0
  backup: "u32le", //     4
}); //                    8 bytes
