import { describe, expect, test } from "bun:test";
import type { Endpoint } from "../../../runtime/base/endpoint.ts";
import { NAT, Nat, type NatName } from "./nat.ts";
import type { Packet } from "./packet.ts";

const INSIDE = { address: "192.168.0.2", port: 51_820 };
const OTHER = { address: "192.168.0.3", port: 51_820 };
const SERVER = { address: "198.51.100.1", port: 1000 };
const SAME_ADDRESS = { address: "198.51.100.1", port: 2000 };
const STRANGER = { address: "203.0.113.9", port: 1000 };
const payload = new Uint8Array(1);
const packet = (from: Endpoint, to: Endpoint): Packet => ({ from, to, payload });

const box = (name: NatName, timeout = 30_000): Nat => new Nat(NAT[name], "192.0.2.1", timeout);
const opened = (nat: Nat, to: Endpoint, now = 0): Endpoint => nat.outbound(packet(INSIDE, to), now).from;

describe.each([
  // who may answer through a mapping that was opened towards SERVER
  ["full-cone", { server: true, samePort: true, stranger: true, shared: true }],
  ["address-restricted", { server: true, samePort: true, stranger: false, shared: true }],
  ["port-restricted", { server: true, samePort: false, stranger: false, shared: true }],
  ["symmetric", { server: true, samePort: false, stranger: false, shared: false }],
] as const)("a %s box", (name, lets) => {
  test("shows its own address and lets in whom its kind lets in", () => {
    const nat = box(name);
    const outer = opened(nat, SERVER);
    expect(outer.address).toBe("192.0.2.1");
    for (const [from, allowed] of [
      [SERVER, lets.server],
      [SAME_ADDRESS, lets.samePort],
      [STRANGER, lets.stranger],
    ] as const)
      expect(nat.inbound(packet(from, outer), 10)).toEqual(allowed ? packet(from, INSIDE) : undefined);
  });

  test("uses one outer port for all destinations, or one for each", () => {
    const nat = box(name);
    const same = opened(nat, SERVER).port === opened(nat, STRANGER).port;
    expect(same).toBe(lets.shared);
    expect(opened(nat, SERVER)).toEqual(opened(nat, SERVER));
  });

  test("keeps a mapping while packets leave, forgets it after its timeout, and then takes another port", () => {
    const nat = box(name, 1000);
    const outer = opened(nat, SERVER, 0);
    expect(opened(nat, SERVER, 900)).toEqual(outer);
    expect(nat.inbound(packet(SERVER, outer), 1899)).toBeDefined();
    expect(nat.inbound(packet(SERVER, outer), 1900)).toBeUndefined();
    expect(opened(nat, SERVER, 1900).port).not.toBe(outer.port);
    expect(nat.inbound(packet(SERVER, outer), 1901)).toBeUndefined();
  });

  test("is not kept open by what arrives", () => {
    const nat = box(name, 1000);
    const outer = opened(nat, SERVER, 0);
    for (let now = 100; now < 1000; now += 100) expect(nat.inbound(packet(SERVER, outer), now)).toBeDefined();
    expect(nat.inbound(packet(SERVER, outer), 1000)).toBeUndefined();
  });

  test("forgets everything when it restarts", () => {
    const nat = box(name);
    const outer = opened(nat, SERVER);
    nat.restart();
    expect(nat.inbound(packet(SERVER, outer), 1)).toBeUndefined();
    expect(opened(nat, SERVER, 1).port).not.toBe(outer.port);
  });

  test("tells two hosts inside apart", () => {
    const nat = box(name);
    const first = opened(nat, SERVER);
    const second = nat.outbound(packet(OTHER, SERVER), 0).from;
    expect(second).not.toEqual(first);
    expect(nat.inbound(packet(SERVER, second), 1)?.to).toEqual(OTHER);
    expect(nat.inbound(packet(SERVER, first), 1)?.to).toEqual(INSIDE);
  });
});

test("a restricted box lets a second destination in only once it was written to", () => {
  const nat = box("port-restricted");
  const outer = opened(nat, SERVER);
  expect(nat.inbound(packet(STRANGER, outer), 1)).toBeUndefined();
  opened(nat, STRANGER, 2);
  expect(nat.inbound(packet(STRANGER, outer), 3)).toBeDefined();
});

test("a permission ends before its mapping when only another destination keeps that alive", () => {
  const nat = box("port-restricted", 1000);
  const outer = opened(nat, SERVER, 0);
  opened(nat, STRANGER, 900);
  expect(nat.inbound(packet(STRANGER, outer), 1500)).toBeDefined();
  expect(nat.inbound(packet(SERVER, outer), 1500)).toBeUndefined();
});

test("a port in use is not given out again; one whose mapping has ended is", () => {
  const nat = box("symmetric", 1000);
  const all = (now: number): Set<number> =>
    new Set(Array.from({ length: 45_536 }, (_, i) => opened(nat, { address: "198.51.100.1", port: i + 1 }, now).port));
  const ports = all(0);
  expect(ports.size).toBe(45_536);
  expect(Math.min(...ports)).toBe(20_000);
  expect(Math.max(...ports)).toBe(65_535);
  expect(() => opened(nat, STRANGER, 999)).toThrow("no port left");
  expect(all(1000).size).toBe(45_536);
});
