import { describe, expect, test } from "bun:test";
import {
  type NetworkInterface,
  reachableAddresses,
  underlayInterfaces,
} from "../../../runtime/dataplane/interfaces.ts";
import { aliasOf } from "../../../runtime/dataplane/links.ts";

const addressed = (...texts: readonly string[]) =>
  texts.map((address) => ({ address, prefixLength: 24, temporary: false }));
const plain = (name: string, ...texts: readonly string[]): NetworkInterface => ({
  name,
  index: 2,
  alias: "",
  up: true,
  loopback: false,
  multicast: true,
  pointToPoint: false,
  addresses: addressed(...texts),
});
const LO: NetworkInterface = { ...plain("lo", "127.0.0.1", "::1"), loopback: true };
const ETH0 = plain("eth0", "192.0.2.1", "2001:db8::1", "fe80::1");
const WLAN0 = plain("wlan0", "198.51.100.1");

describe("the underlay", () => {
  test.each<[string, NetworkInterface]>([
    ["an interface that is up", ETH0],
    ["one with somebody else's alias", { ...ETH0, alias: "to the office" }],
  ])("is carried by %s", (_, one) => {
    expect(underlayInterfaces([one], undefined)).toEqual([one]);
  });

  test.each<[string, NetworkInterface]>([
    ["one that is down", { ...ETH0, up: false }],
    ["loopback", LO],
    ["the device of an overlay, ours or another gateway's", { ...ETH0, alias: aliasOf("fd00::1", 7) }],
  ])("is not carried by %s", (_, one) => {
    expect(underlayInterfaces([one], undefined)).toEqual([]);
  });

  test("that is bound to one interface has no other", () => {
    expect(underlayInterfaces([LO, ETH0, WLAN0], "wlan0")).toEqual([WLAN0]);
    expect(reachableAddresses([LO, ETH0, WLAN0], "wlan0", 4)).toEqual(["198.51.100.1"]);
  });
});

describe("addresses that others are told", () => {
  test("are those of all interfaces, the families in turn, and mean something elsewhere", () => {
    expect(reachableAddresses([LO, ETH0, WLAN0], undefined, 4)).toEqual(["192.0.2.1", "2001:db8::1", "198.51.100.1"]);
  });

  test("of one family leave room for the other", () => {
    const many = plain("eth1", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "2001:db8::5");
    expect(reachableAddresses([many], undefined, 4)).toEqual(["10.0.0.1", "2001:db8::5", "10.0.0.2", "10.0.0.3"]);
  });

  test("are none that go within a day", () => {
    const [own] = addressed("2001:db8::7");
    const passing = { ...plain("eth0"), addresses: own ? [{ ...own, temporary: true }] : [] };
    expect(reachableAddresses([passing, WLAN0], undefined, 4)).toEqual(["198.51.100.1"]);
  });

  test("are loopback's only where there is nothing else", () => {
    expect(reachableAddresses([LO, plain("eth0", "fe80::1")], undefined, 4)).toEqual(["127.0.0.1"]);
    expect(reachableAddresses([], undefined, 4)).toEqual([]);
  });
});
