/**
 * The gateway `e` of the relay's tests and its neighbours on the wire:
 *
 *   a 10.1.0.2, c 2001:db8:1::2 -- r0 [ e ] r1 -- b 10.2.0.2, d 2001:db8:2::2, and a again: 10.2.0.22
 */
import { FRAME } from "../../runtime/mesh/frame.ts";
import { type Deviation, relayFrame } from "../help/relay-frames.ts";
import { must } from "../help/shell.ts";
import type { Datagram } from "../help/underlay-packet.ts";
import type { LabOptions } from "./relay-lab.ts";

export const NETNS = `trellis-bpf-${process.pid}`;
export const PORT = 5000;
export const THERE = 6000;
export const MTU = 1500;
export const OWN = "e";

/** `a2` is another place of the neighbour `a`. */
export type Name = "a" | "b" | "c" | "d" | "a2";
export const ON_WIRE: Record<Name, { address: string; mac: string; device: "r0" | "r1" }> = {
  a: { address: "10.1.0.2", mac: "02:00:00:00:00:0a", device: "r0" },
  b: { address: "10.2.0.2", mac: "02:00:00:00:00:0b", device: "r1" },
  c: { address: "2001:db8:1::2", mac: "02:00:00:00:00:0c", device: "r0" },
  d: { address: "2001:db8:2::2", mac: "02:00:00:00:00:0d", device: "r1" },
  a2: { address: "10.2.0.22", mac: "02:00:00:00:00:a2", device: "r1" },
};
/** What the mesh calls who is there. */
export const ownerOf = (name: Name): string => (name === "a2" ? "a" : name);
export const DEVICE = {
  r0: { mac: "02:00:00:00:01:00", v4: "10.1.0.254", v6: "2001:db8:1::fe" },
  r1: { mac: "02:00:00:00:01:01", v4: "10.2.0.254", v6: "2001:db8:2::fe", linkLocal: "fe80::ff" },
};
/** Neighbours that the kernel cannot send to: nobody answers for the first, nothing leads to the second. */
const UNRESOLVED = { "1": "10.1.0.66", "2": "203.0.113.9" };
/** Reached by a link-local address on r1. */
export const LINK_LOCAL = { name: "3", address: "fe80::3", mac: "02:00:00:00:00:03" };

export const isV4 = (name: Name): boolean => ON_WIRE[name].address.includes(".");
const ownAddress = (device: "r0" | "r1", v4: boolean): string => DEVICE[device][v4 ? "v4" : "v6"];

const ip = (...args: string[]): Promise<string> => must(["ip", "-n", NETNS, ...args]);

export async function build(): Promise<void> {
  await must(["ip", "netns", "add", NETNS]);
  await ip("link", "set", "lo", "up");
  for (const name of ["r0", "r1"] as const) {
    const { mac, v4, v6 } = DEVICE[name];
    await ip("link", "add", name, "address", mac, "mtu", String(MTU), "type", "veth", "peer", "name", `${name}p`);
    await ip("link", "set", name, "up");
    await ip("link", "set", `${name}p`, "up");
    await ip("address", "add", `${v4}/24`, "dev", name);
    await ip("address", "add", `${v6}/64`, "dev", name, "nodad");
  }
  for (const { address, mac, device } of Object.values(ON_WIRE))
    await ip("neighbour", "add", address, "lladdr", mac, "dev", device, "nud", "permanent");
  await ip("address", "add", `${DEVICE.r1.linkLocal}/64`, "dev", "r1", "nodad");
  await ip("neighbour", "add", LINK_LOCAL.address, "lladdr", LINK_LOCAL.mac, "dev", "r1", "nud", "permanent");
}

export const LAB: LabOptions = {
  own: OWN,
  port: PORT,
  devices: ["r0", "r1"],
  neighbours: {
    ...Object.fromEntries(
      (["a", "b", "c", "d"] as const).map((name) => [name, { address: ON_WIRE[name].address, port: THERE }]),
    ),
    ...Object.fromEntries(Object.entries(UNRESOLVED).map(([name, address]) => [name, { address, port: THERE }])),
    [LINK_LOCAL.name]: { address: `${LINK_LOCAL.address}%r1`, port: THERE },
  },
  places: { a2: { address: ON_WIRE.a2.address, port: THERE } },
};

export const INNER = Uint8Array.from({ length: 40 }, (_, i) => (i === 0 ? FRAME.control : i));
export const inner = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i === 0 ? FRAME.data : i & 255));

/** A datagram as it arrives at the gateway from a neighbour. */
export const arriving = (from: Name, payload: Uint8Array, more: Partial<Datagram> = {}): Datagram => ({
  macs: { from: ON_WIRE[from].mac, to: DEVICE[ON_WIRE[from].device].mac },
  from: ON_WIRE[from].address,
  to: ownAddress(ON_WIRE[from].device, isV4(from)),
  ports: { from: THERE, to: PORT },
  payload,
  hops: 37,
  ...more,
});

/** The same payload as it must leave for the next one. */
export const leaving = (to: Name, payload: Uint8Array, more: Partial<Datagram> = {}): Datagram => ({
  macs: { from: DEVICE[ON_WIRE[to].device].mac, to: ON_WIRE[to].mac },
  from: ownAddress(ON_WIRE[to].device, isV4(to)),
  to: ON_WIRE[to].address,
  ports: { from: PORT, to: THERE },
  payload,
  hops: 64,
  ...more,
});

export const flow = (
  from: Name,
  destination: string,
  body: Uint8Array = INNER,
  deviation: Deviation = {},
): Uint8Array => relayFrame({ from, to: OWN }, from, destination, body, deviation);
