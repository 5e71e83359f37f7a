/**
 * The form in which the kernel has a policy (`bpf/mesh.bpf.c`): rows of sixteen 32-bit words. Row 0 is a header, row 1 says where subnets
 * are found; then the nodes of the tries; then a hash of the members by address, each with the roots of its tries; then the subnets. Replaced as a whole, so that no packet
 * sees half of one.
 */
import { bytes, reserved, struct } from "../base/struct.ts";

/** Rows that a member may be found in, from the one that its address hashes to. */
export const PROBES_MAX = 8;

export const TABLE_FLAG = {
  enforce: 1, //      otherwise everything passes, and is counted
  defaultAllow: 2,
  subnets: 4, //      there are some
} as const;

/** Row 0. Times in milliseconds: how long a silent flow of that kind is remembered. */
export const PolicyHeader = struct("policy_header", {
  generation: "u32le", //  0  rises with each table; a flow that an older one allowed is judged again
  flags: "u16le", //       4
  link: "u16le", //        6  bytes before the IP header: none on a TUN device
  mask: "u32le", //        8  of the hash: its rows less one, a power of two
  seed: "u32le", //        12
  anyIn: "u32le", //       16 roots for rules about any member, by direction
  anyOut: "u32le", //      20
  counterBase: "u32le", // 24 of the rules' counters; rule 0 stands for the default
  tcpMs: "u32le", //       28 a connection that was answered
  openingMs: "u32le", //   32 TCP before the answer, or after FIN or RST
  udpMs: "u32le", //       36
  otherMs: "u32le", //     40
  members: "u32le", //     44 first row of the hash
  own: bytes(16), //       48 our overlay address
}); //                     64 bytes

/**
 * Row 1: a trie over addresses, 4 bits a level as in those of rules; IPv4 as ::ffff:a.b.c.d. A leaf's number is that of a row which begins with
 * a `policy_member` for the subnet's gateways; LEAF alone is nobody's, `OWN_LEAF` ours.
 */
export const PolicySubnets = struct("policy_subnets", {
  root: "u32le", //       0
  reserved: reserved(60), // 4
}); //                    64 bytes
export const OWN_LEAF = 0xffff_ffff;

/** Two of them make a row; an address of zeros is none. */
export const PolicyMember = struct("policy_member", {
  address: bytes(16), //   0
  nameIn: "u32le", //      16 roots for rules about this member by name or address, by direction
  nameOut: "u32le", //     20
  rolesIn: "u32le", //     24 and by its roles
  rolesOut: "u32le", //    28
}); //                     32 bytes

export interface FlowTimes {
  readonly tcpMs: number;
  readonly openingMs: number;
  readonly udpMs: number;
  readonly otherMs: number;
}

/** RFC 5382 wants two hours and four minutes at least for TCP, RFC 4787 two minutes for UDP. */
export const FLOW_TIMES: FlowTimes = { tcpMs: 7_440_000, openingMs: 240_000, udpMs: 180_000, otherMs: 30_000 };

/** Of the four words of an address; `seed` is odd. The kernel has the same (`member_hash`). */
export function memberHash(words: ArrayLike<number>, seed: number): number {
  let hash = seed;
  for (let i = 0; i < 4; i++) {
    hash = Math.imul(hash ^ (words[i] as number), 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}
