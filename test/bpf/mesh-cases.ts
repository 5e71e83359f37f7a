/**
 * What the programs on the overlay device must do with a packet, as rows: what it is, its bytes, what becomes of it, and how much of a
 * flow it makes. The policy is `POLICY`; members and addresses are those of the unit tests' world.
 */
import { extension, fragment, icmp, ip, TCP, tcp, udp, v4, v6 } from "../help/overlay-packet.ts";
import { policyOf, SELF } from "../unit/policy/world.ts";
import type { Fate } from "./mesh-lab.ts";

export const POLICY = policyOf(
  "deny",
  "deny from c.site1 to self tcp 22",
  "allow from role:ops to self tcp 22,8000-8999",
  "allow from a to self udp 53",
  "allow from b to self icmp",
  "allow from fd00::c to self 47",
  "allow from c to self any",
);

const A = { from: "fd00::a", to: SELF };
const B = { from: "fd00::b", to: SELF };
const C = { from: "fd00::c", to: SELF };
const D = { from: "fd00::d", to: SELF };
const SYN = tcp(4000, 22, TCP.syn);

export interface Case {
  readonly name: string;
  readonly packet: Uint8Array;
  readonly fate: Fate;
  /** The rule whose counter grows; 0 is the default; none for what is denied before any rule is asked. */
  readonly rule?: number;
  /** Payload of each packet of a superpacket. */
  readonly segment?: number;
  readonly packets?: number;
  readonly bytes?: number;
  readonly flow?: boolean;
}

const hops = (count: number, inner: Uint8Array): Uint8Array =>
  Array.from({ length: count }).reduce<Uint8Array>((rest, _, i) => extension(i === 0 ? 6 : 60, rest), inner);

export const CASES: readonly Case[] = [
  { name: "TCP that a rule allows by role", packet: v6(A, 6, SYN), fate: "pass", rule: 2, bytes: 60, flow: true },
  { name: "the same from whom an earlier rule denies it", packet: v6(D, 6, SYN), fate: "rule", rule: 1 },
  { name: "the first port of a range", packet: v6(B, 6, tcp(1, 8000, TCP.syn)), fate: "pass", rule: 2, flow: true },
  { name: "the port before a range", packet: v6(B, 6, tcp(1, 7999, TCP.syn)), fate: "default", rule: 0 },
  { name: "the same port over UDP", packet: v6(B, 17, udp(1, 8000)), fate: "default", rule: 0 },
  {
    name: "UDP that a rule allows by name",
    packet: v6(A, 17, udp(1, 53, 100)),
    fate: "pass",
    rule: 3,
    bytes: 148,
    flow: true,
  },
  { name: "an echo request", packet: v6(B, 58, icmp(128, 7)), fate: "pass", rule: 4, flow: true },
  { name: "another ICMPv6 message, of no flow", packet: v6(B, 58, icmp(136, 7)), fate: "pass", rule: 4 },
  { name: "an echo request from whom no rule names", packet: v6(A, 58, icmp(128, 7)), fate: "default", rule: 0 },
  { name: "an echo reply that nobody asked for", packet: v6(A, 58, icmp(129, 7)), fate: "default", rule: 0 },
  {
    name: "an error about a flow that is none",
    packet: v6(A, 58, icmp(1, 0, v6({ from: SELF, to: A.from }, 6, SYN))),
    fate: "default",
    rule: 0,
  },
  { name: "a protocol by its number", packet: v6(C, 47, new Uint8Array(40)), fate: "pass", rule: 5, flow: true },
  { name: "an unknown protocol that no rule names", packet: v6(A, 200, new Uint8Array(40)), fate: "default", rule: 0 },
  {
    name: "an unknown protocol that `any` allows",
    packet: v6(C, 200, new Uint8Array(40)),
    fate: "pass",
    rule: 6,
    flow: true,
  },
  { name: "no next header", packet: v6(C, 59, new Uint8Array(0)), fate: "pass", rule: 6, flow: true },
  { name: "a packet of nobody", packet: v6({ from: "fd00::99", to: SELF }, 6, SYN), fate: "stranger" },
  { name: "a packet to nobody", packet: v6({ from: A.from, to: "fd00::99" }, 6, SYN), fate: "stranger" },
  {
    name: "a packet between two other members",
    packet: v6({ from: A.from, to: B.from }, 6, SYN),
    fate: "stranger",
  },
  { name: "multicast", packet: v6({ from: "fe80::1", to: "ff02::16" }, 58, icmp(143, 0)), fate: "stranger" },
  {
    name: "IPv4 of nobody",
    packet: ip({ from: "10.0.0.1", to: "10.0.0.2" }, 6, SYN),
    fate: "stranger",
  },

  { name: "one extension header", packet: v6(A, 0, extension(6, SYN)), fate: "pass", rule: 2, bytes: 68, flow: true },
  { name: "a long extension header", packet: v6(A, 60, extension(6, SYN, 20)), fate: "pass", rule: 2, flow: true },
  { name: "eight extension headers", packet: v6(A, 60, hops(8, SYN)), fate: "pass", rule: 2, flow: true },
  { name: "nine extension headers", packet: v6(A, 60, hops(9, SYN)), fate: "headers" },
  {
    name: "a port behind extension headers that no rule allows",
    packet: v6(A, 43, extension(0, extension(6, tcp(1, 23, 2)))),
    fate: "default",
    rule: 0,
  },
  {
    name: "an extension header that ends behind the packet",
    packet: v6(A, 0, extension(6, SYN).subarray(0, 4)),
    fate: "truncated",
  },
  {
    name: "an extension header that says it is longer than the packet",
    packet: v6(A, 0, Uint8Array.from([6, 255, 0, 0, 0, 0, 0, 0])),
    fate: "truncated",
  },
  {
    name: "authentication (AH), which is a protocol here",
    packet: v6(A, 51, extension(6, SYN)),
    fate: "default",
    rule: 0,
  },

  {
    name: "a fragment that is the whole datagram",
    packet: v6(A, 44, fragment(6, SYN, 1, 0, false)),
    fate: "pass",
    rule: 2,
    flow: true,
  },
  {
    name: "a first fragment with its ports",
    packet: v6(A, 44, fragment(6, SYN, 2, 0, true)),
    fate: "pass",
    rule: 2,
    flow: true,
  },
  {
    name: "a first fragment without all of its header",
    packet: v6(A, 44, fragment(6, SYN.subarray(0, 16), 3, 0, true)),
    fate: "truncated",
  },
  {
    name: "a first fragment that the rules deny",
    packet: v6(A, 44, fragment(6, tcp(1, 23, 2), 4, 0, true)),
    fate: "default",
    rule: 0,
  },
  {
    name: "a later fragment without its first",
    packet: v6(A, 44, fragment(6, new Uint8Array(64), 5, 185, false)),
    fate: "fragment",
  },
  {
    name: "a fragment of a fragment",
    packet: v6(A, 44, fragment(44, fragment(6, SYN, 6, 0, true), 6, 0, true)),
    fate: "malformed",
  },
  {
    name: "a later fragment of IPv4",
    packet: v4({ from: "10.0.0.1", to: "10.0.0.2" }, 17, new Uint8Array(64), { fragment: 185 }),
    fate: "fragment",
  },

  { name: "no TCP header at all", packet: v6(A, 6, new Uint8Array(0)), fate: "truncated" },
  { name: "a TCP header cut off", packet: v6(A, 6, SYN.subarray(0, 19)), fate: "truncated" },
  { name: "a UDP header cut off", packet: v6(A, 17, udp(1, 53).subarray(0, 7)), fate: "truncated" },
  { name: "an ICMPv6 header cut off", packet: v6(B, 58, icmp(128, 1).subarray(0, 7)), fate: "truncated" },
  { name: "less payload than the header says", packet: v6(A, 6, SYN, 21), fate: "truncated" },
  { name: "a header that says it carries less than the TCP header", packet: v6(A, 6, SYN, 19), fate: "truncated" },
  {
    name: "more bytes than the header says",
    packet: v6(A, 6, tcp(4000, 22, TCP.syn, 9), 20),
    fate: "pass",
    rule: 2,
    bytes: 60,
    flow: true,
  },
  { name: "a TCP header shorter than TCP's", packet: v6(A, 6, tcp(4000, 22, TCP.syn, 0, 4)), fate: "malformed" },
  {
    name: "a TCP header longer than the packet",
    packet: v6(A, 6, tcp(4000, 22, TCP.syn, 0, 15).subarray(0, 24)),
    fate: "truncated",
  },
  { name: "another version in an IPv6 packet", packet: v6(A, 6, SYN).with(0, 0x50), fate: "malformed" },
  {
    name: "an IPv4 header shorter than IPv4's",
    packet: v4({ from: "10.0.0.1", to: "10.0.0.2" }, 6, SYN).with(0, 0x44),
    fate: "malformed",
  },
  {
    name: "an IPv4 packet of no length",
    packet: v4({ from: "10.0.0.1", to: "10.0.0.2" }, 6, SYN, { length: 0 }),
    fate: "truncated",
  },
  {
    name: "IPv4 with options",
    packet: v4({ from: "10.0.0.1", to: "10.0.0.2" }, 6, SYN, { options: 3 }),
    fate: "stranger",
  },

  {
    name: "a TCP superpacket, as the packets it stands for",
    packet: v6(A, 6, tcp(4000, 22, TCP.ack, 2500)),
    segment: 1000,
    fate: "pass",
    rule: 2,
    packets: 3,
    bytes: 3 * 60 + 2500,
    flow: true,
  },
  {
    name: "a UDP superpacket",
    packet: v6(A, 17, udp(9, 53, 3600)),
    segment: 1200,
    fate: "pass",
    rule: 3,
    packets: 3,
    bytes: 3 * 48 + 3600,
    flow: true,
  },
  {
    name: "a superpacket that is denied",
    packet: v6(D, 6, tcp(4000, 22, TCP.ack, 2500)),
    segment: 1000,
    fate: "rule",
    rule: 1,
    packets: 3,
  },
];
