import { expect, test } from "bun:test";
import { NO_TRAFFIC, PeerTraffic } from "../../../runtime/dataplane/peer-traffic.ts";
import type { SessionStats } from "../../../runtime/dataplane/port.ts";

const A = "fd00::a";
const B = "fd00::b";
const counted = (localIndex: number, n: number): SessionStats => ({
  localIndex,
  sentPackets: n,
  sentBytes: 100 * n,
  receivedPackets: 2 * n,
  receivedBytes: 200 * n,
  idleMs: undefined,
});
const times = (n: number) => ({ sentPackets: n, sentBytes: 100 * n, receivedPackets: 2 * n, receivedBytes: 200 * n });

test("a peer's traffic is that of all its sessions, and of no other's", () => {
  const traffic = new PeerTraffic();
  traffic.installed(A, 1);
  traffic.installed(A, 2);
  traffic.installed(B, 3);
  const totals = traffic.totals([counted(1, 5), counted(2, 1), counted(3, 7), counted(99, 1000)]);
  expect(Object.fromEntries(totals)).toEqual({ [A]: times(6), [B]: times(7) });
});

test("what a replaced session carried stays counted, once", () => {
  const traffic = new PeerTraffic();
  traffic.installed(A, 1);
  traffic.installed(A, 2);
  traffic.ending(1, [counted(1, 5), counted(2, 1)]);
  expect(traffic.totals([counted(2, 1)]).get(A)).toEqual(times(6));
  traffic.ending(1, [counted(1, 5)]); // a second word about it changes nothing
  traffic.ending(2, [counted(2, 4)]);
  expect(traffic.totals([]).get(A)).toEqual(times(9));
});

test("a session that the data path does not know adds nothing", () => {
  const traffic = new PeerTraffic();
  traffic.installed(A, 1);
  traffic.ending(1, []);
  expect(traffic.totals([]).get(A) ?? NO_TRAFFIC).toEqual(NO_TRAFFIC);
});

test("a peer that is forgotten begins anew", () => {
  const traffic = new PeerTraffic();
  traffic.installed(A, 1);
  traffic.ending(1, [counted(1, 5)]);
  traffic.installed(A, 2);
  traffic.forget(A);
  expect(traffic.totals([counted(2, 1)]).size).toBe(0);
});
