/**
 * What the relay looks up and what it may decide, once for the kernel programs (`bpf/relay_*.bpf.c`, whose map values these
 * are) and for the userspace forwarder (`native/lib/relay.h`). The rules themselves are `bpf/relay_rules.h`.
 */
import { bytes, reserved, several, struct } from "../base/struct.ts";

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
  "elsewhere", //   not from where the neighbour is known to be
  "leaseOver", //   the daemon has not said for long that it lives: nobody is answered in its name
  "newPlace", //    a neighbour's fresh question from where it was not known to be: the daemon is told
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

/** Bounds of the tables. Neighbours and states are numbered from 1; 0 means "none". */
export const RELAY_LIMITS = {
  maxSessions: 16384,
  maxNeighbours: 4096,
  paths: 4, // to one neighbour
  maxStates: 8192, // one per path; each neighbour is sure of one
  maxDestinations: 16384,
  maxDevices: 256,
} as const;

/** How the program is attached to a device; the values of the map `relay_devices`. */
export const RELAY_DEVICE = { tc: 1, xdp: 2 } as const;

/** Of this gateway. The label is in wire order, like all labels. */
export const RelayConfig = struct("relay_config", {
  label: "u64le", //      0
  clock: "u64le", //      8  what our questions have more than CLOCK_MONOTONIC, ticks: nobody learns when this machine started
  port: "u16be", //       16 of our UDP sockets
  reserved: reserved(2),
  generation: "u32le", // 20 grows with every change of the tables; what was looked up before counts no more
  mark: "u64le", //       24 on a packet from the program before ours: a later process of this gateway has looked at it
  behind: "u64le", //     32 the same of the program behind ours, of a process that is gone; 0: there is none
}); //                   40 bytes

/** By session index (`link`): who sends with this index, and the key that the tag must be made with. */
export const RelaySession = struct("relay_session", {
  keyLow: "u64le", //     0  SipHash key, first and last eight bytes
  keyHigh: "u64le", //    8
  neighbour: "u32le", //  16
  reserved: reserved(4),
}); //                   24 bytes

/** One way to a neighbour: what people call a link. */
export const RelayPath = struct("relay_path", {
  address: bytes(16), //  0  of the neighbour; IPv4 as ::ffff:a.b.c.d
  local: bytes(16), //    16 of ours, towards it; zero: not known
  device: "u32le", //     32 interface that it must leave by: of a link-local address, or because routes lead elsewhere; else 0
  state: "u32le", //      36 which state is its own; 0: there is no such path, nor one behind it
  port: "u16be", //       40
  family: "u8", //        42 4 or 6
  reserved: reserved(5),
}); //                   48 bytes

/** By number: how a frame reaches this neighbour. Replaced as a whole, so that a reader never sees half of a change. */
export const RelayNeighbour = struct("relay_neighbour", {
  keyLow: "u64le", //     0  SipHash key of our tags
  keyHigh: "u64le", //    8
  link: "u32le", //       16 session index that the neighbour chose
  reserved: reserved(4),
  paths: several(RELAY_LIMITS.paths, RelayPath), // 24
}); //                  216 bytes

/**
 * By a path's state number: what changes all the time. Shared memory of the kernel, the workers and the thread that asks. Times are
 * CLOCK_MONOTONIC, ns. Number 0 is this gateway: `until` is the end of its lease, up to which others are answered in its name; `asked` the
 * latest sign of its threads, without which they are told that it stands still.
 */
export const RelayState = struct("relay_state", {
  until: "u64le", //      0  from then on it counts as silent; 0 means never, as long as nobody has asked
  asked: "u64le", //      8  our latest question that was answered over it
  roundTrip: "u64le", //  16 ns, of that question
  rank: "u64le", //       24 of the paths that are not silent the one with the lowest carries
  frames: "u64le", //     32 sent over it
  bytes: "u64le", //      40 the same, UDP payload
  sequence: "u64le", //   48 of our latest question over it
  newest: "u64le", //     56 the neighbour's latest question over it, as it came; 0 before the first
  seen: "u64le", //       64 which of the 64 questions up to that one have come, a bit each
  expected: "u64le", //   72 questions that the neighbour has sent over it, by their numbers
  received: "u64le", //   80 those of them that came
  lost: "u64le", //       88 1/256: share of the neighbour's questions that we miss, to be told to it
  smoothed: "u64le", //   96 round trip, ns, as RFC 6298 smooths it
  jitter: "u64le", //    104 of the round trip, ns, as RFC 3550 smooths it
  still: "u64le", //     112 1: by the latest answer over it the neighbour's daemon stands still; it relays, and takes nothing itself
  terms: "u64le", //     120 HELLO_TERMS of its interface here, to be told to the neighbour; RELAY_CLOSED
}); //                  128 bytes: two cache lines each

/** Added to `terms` when by either end's nothing but control may go over the path. */
export const RELAY_CLOSED = 256;

/** Added to `rank` when a path that was silent is answered over again: it comes behind the others until it has proven itself. */
export const RELAY_RETURNED = 256;

/** By label: the neighbours that lead there, 0 for none. */
export const RelayDestination = struct("relay_destination", {
  primary: "u32le", //    0
  backup: "u32le", //     4
}); //                    8 bytes
