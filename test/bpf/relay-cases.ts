/** Frames for the relay, each with what must become of it: in the kernel, and in userspace where that differs. */
import { concat } from "../../runtime/base/bytes.ts";
import type { RelayVerdict } from "../../runtime/dataplane/relay-layout.ts";
import { FRAME, RELAY_TTL } from "../../runtime/mesh/frame.ts";
import { indexOf, relayFrame } from "../help/relay-frames.ts";
import { type Datagram, ethernetFrame, type Oddity } from "../help/underlay-packet.ts";
import { arriving, flow, INNER, inner, MTU, type Name, ON_WIRE, OWN, PORT, THERE } from "./relay-wire.ts";

export interface Case {
  readonly name: string;
  readonly from?: Name;
  readonly payload: Uint8Array;
  readonly oddity?: Oddity;
  readonly datagram?: Partial<Datagram>;
  /** Of the kernel; undefined: untouched and not counted. */
  readonly kernel: RelayVerdict | undefined;
  /** Of the userspace forwarder, where it differs. */
  readonly userspace?: RelayVerdict;
  readonly to?: Name;
  /** Where `to` is a neighbour that only the userspace forwarder reaches. */
  readonly userspaceTo?: string;
}

export const CASES: readonly Case[] = [
  { name: "a frame over IPv4", payload: flow("a", "b"), kernel: "forward", to: "b" },
  { name: "a frame over IPv6", from: "c", payload: flow("c", "d"), kernel: "forward", to: "d" },
  { name: "the smallest frame", payload: flow("a", "b", Uint8Array.of(5)), kernel: "forward", to: "b" },
  {
    name: "a frame of odd length over IPv6",
    from: "c",
    payload: flow("c", "d", inner(1001)),
    kernel: "forward",
    to: "d",
  },
  { name: "a frame as long as the MTU", payload: flow("a", "b", inner(MTU - 60)), kernel: "forward", to: "b" },
  { name: "a frame with one hop more to go", payload: flow("a", "b", INNER, { ttl: 2 }), kernel: "forward", to: "b" },
  {
    name: "a frame without an outer checksum",
    payload: flow("a", "b"),
    datagram: { checksum: "none" },
    kernel: "forward",
    to: "b",
  },
  { name: "a frame for this gateway", payload: flow("a", OWN), kernel: "deliver" },
  { name: "a frame for this gateway at its last hop", payload: flow("a", OWN, INNER, { ttl: 1 }), kernel: "deliver" },
  { name: "a relay header alone", payload: flow("a", "b", new Uint8Array(0)), kernel: "short" },
  { name: "half a relay header", payload: flow("a", "b").subarray(0, 16), kernel: "short" },
  { name: "a reserved byte set", payload: flow("a", "b", INNER, { reserved: 1 }), kernel: "malformed" },
  { name: "no hops left", payload: flow("a", "b", INNER, { ttl: 0 }), kernel: "malformed" },
  { name: "too many hops", payload: flow("a", "b", INNER, { ttl: RELAY_TTL + 1 }), kernel: "malformed" },
  { name: "an index of nobody", payload: flow("a", "b", INNER, { link: 7 }), kernel: "unknownLink" },
  {
    name: "the index of another neighbour",
    payload: flow("a", "b", INNER, { link: indexOf(OWN, "b") }),
    kernel: "badTag",
  },
  {
    name: "our own frame come back: tagged for the other direction",
    payload: relayFrame({ from: OWN, to: "a" }, "a", "b", INNER, { link: indexOf(OWN, "a") }),
    kernel: "badTag",
  },
  { name: "a changed tag", payload: flow("a", "b", INNER, { flip: 30 }), kernel: "badTag" },
  { name: "a changed source", payload: flow("a", "b", INNER, { flip: 23 }), kernel: "badTag" },
  { name: "another's last hop", payload: flow("a", "b", INNER, { ttl: 1 }), kernel: "expired" },
  { name: "a destination nobody leads to", payload: flow("a", "9"), kernel: "noRoute" },
  { name: "a destination behind its sender", payload: flow("a", "a"), kernel: "loop" },
  {
    name: "a next hop over IPv6",
    payload: flow("a", "d"),
    kernel: "otherFamily",
    userspace: "forward",
    userspaceTo: "d",
  },
  {
    name: "a next hop over IPv4",
    from: "c",
    payload: flow("c", "b"),
    kernel: "otherFamily",
    userspace: "forward",
    userspaceTo: "b",
  },
  {
    name: "a next hop without a MAC address",
    payload: flow("a", "1"),
    kernel: "unresolved",
    userspace: "forward",
    userspaceTo: "1",
  },
  {
    name: "a next hop without a route",
    payload: flow("a", "2"),
    kernel: "unresolved",
    userspace: "forward",
    userspaceTo: "2",
  },
  {
    name: "a frame larger than the next hop's MTU",
    payload: flow("a", "b", inner(MTU - 59)),
    kernel: "unresolved",
    userspace: "forward",
    userspaceTo: "b",
  },
  ...(
    [
      ["a VLAN tag", "a", { vlan: 5 }],
      ["IPv4 options", "a", { extension: true }],
      ["an IPv6 extension header", "c", { extension: true }],
      ["a first fragment", "a", { fragment: 0x2000 }],
      ["a last fragment", "a", { fragment: 0x0010 }],
      ["a length beyond the packet", "a", { longer: 1 }],
    ] as const
  ).map(
    ([what, from, oddity]): Case => ({
      name: what,
      from,
      payload: flow(from, from === "a" ? "b" : "d"),
      oddity,
      kernel: undefined,
      userspace: "forward",
      userspaceTo: from === "a" ? "b" : "d",
    }),
  ),
];

/** Not ours: the programs must leave them alone and count nothing. */
export const FOREIGN: readonly (readonly [string, Uint8Array])[] = [
  ["UDP to another port", ethernetFrame(arriving("a", flow("a", "b"), { ports: { from: THERE, to: PORT + 1 } }))],
  ["a data frame to our port", ethernetFrame(arriving("a", concat(Uint8Array.of(FRAME.data), INNER)))],
  ["an empty datagram to our port", ethernetFrame(arriving("a", new Uint8Array(0)))],
  ["TCP to our port", ethernetFrame(arriving("a", flow("a", "b")), { protocol: 6 })],
  ["ARP", concat(ethernetFrame(arriving("a", INNER)).subarray(0, 12), Uint8Array.of(8, 6), new Uint8Array(46))],
  [
    "a bad tag in a datagram to somebody behind us",
    ethernetFrame(arriving("a", flow("a", "b", INNER, { flip: 31 }), { to: ON_WIRE.b.address })),
  ],
  [
    "an unknown index in a datagram to somebody behind us over IPv6",
    ethernetFrame(arriving("c", flow("c", "d", INNER, { link: 1 }), { to: ON_WIRE.d.address })),
  ],
];
