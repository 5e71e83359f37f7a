/** What the programs on the overlay device (`bpf/mesh.bpf.c`) share with the daemon: flows, events, counters. */
import { bytes, reserved, struct } from "../base/struct.ts";

/** What became of a packet that no rule or flow decided, or why it was dropped; the order of the counters. */
export const MESH_DROPS = [
  "rule", //      a rule denies it
  "default", //   no rule matches, and the default denies
  "stranger", //  one of its ends is neither this gateway nor a member
  "fragment", //  a later fragment whose first one was not seen, or not allowed
  "truncated", // it is shorter than its headers say
  "headers", //   more extension headers than anybody needs
  "malformed", // no IP, or a header that contradicts itself
] as const;

export type MeshDrop = (typeof MESH_DROPS)[number];

export const MESH_DIRECTIONS = ["in", "out"] as const;
export type MeshDirection = (typeof MESH_DIRECTIONS)[number];

export const MESH_LIMITS = {
  maxFlows: 32_768,
  /** Attempts that were denied, remembered apart: a scan does not push flows out. */
  maxDenied: 2_048,
  maxFragments: 1_024,
  maxEventBytes: 1 << 17,
  /** Counters of two policies, one after the other. */
  maxCounters: 32_768,
  /** Those that lie in one entry of the kernel's map, of which it allocates each by itself, for each CPU. */
  countersTogether: 128,
} as const;

/** Bits of a flow's state. */
export const MESH_STATE = { answered: 1, closing: 2 } as const;

/** IPv4 as ::ffff:a.b.c.d. Where a protocol has no ports, `remotePort` is the direction: such flows are one-way. An echo has its id as `localPort`. */
export const MeshFlowKey = struct("mesh_flow_key", {
  local: bytes(16), //      0
  remote: bytes(16), //     16
  localPort: "u16le", //    32
  remotePort: "u16le", //   34
  protocol: "u8", //        36
  reserved: reserved(3),
}); //                      40 bytes

export const MeshFlow = struct("mesh_flow", {
  first: "u64le", //        0  CLOCK_MONOTONIC, ns
  last: "u64le", //         8
  inPackets: "u64le", //    16 segments of a superpacket count each
  inBytes: "u64le", //      24 IP packets with their headers
  outPackets: "u64le", //   32
  outBytes: "u64le", //     40
  generation: "u32le", //   48 of the table that judged it
  leaf: "u32le", //         52 rule and verdict, as in a trie
  opener: "u8", //          56 direction of the packet that opened it
  state: "u8", //           57
  drop: "u8", //            58 why it was denied, from 1; 0 while it is allowed
  reserved: reserved(5),
}); //                      64 bytes

/** A flow is new, or was denied: its key and what was decided. No payload. */
export const MeshEvent = struct("mesh_event", {
  local: bytes(16), //      0  as in the key
  remote: bytes(16), //     16
  localPort: "u16le", //    32
  remotePort: "u16le", //   34
  protocol: "u8", //        36
  opener: "u8", //          37
  drop: "u8", //            38
  reserved: reserved(1),
  leaf: "u32le", //         40
  reserved2: reserved(4),
  time: "u64le", //         48 CLOCK_MONOTONIC, ns
}); //                      56 bytes

export const MeshCount = struct("mesh_count", {
  packets: "u64le", //      0
  bytes: "u64le", //        8
}); //                      16 bytes
