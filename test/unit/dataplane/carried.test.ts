import { expect, test } from "bun:test";
import { Carried, Measured } from "../../../runtime/dataplane/carried.ts";
import type { LinkView } from "../../../runtime/dataplane/port.ts";

const session = (localIndex: number, sentPackets: number, receivedPackets: number) => ({
  localIndex,
  sentPackets,
  receivedPackets,
  sentBytes: 0,
  receivedBytes: 0,
  idleMs: undefined,
});

test("sessions that carried packets are told once, whichever way the packets went", () => {
  const carried = new Carried();
  expect(carried.look([session(1, 0, 0), session(2, 1, 0), session(3, 0, 5)])).toEqual([2, 3]);
  expect(carried.look([session(1, 0, 1), session(2, 1, 0), session(3, 0, 6)])).toEqual([1, 3]);
  expect(carried.look([session(3, 0, 6)])).toEqual([]);
  expect(carried.look([session(2, 1, 0), session(3, 0, 6)])).toEqual([2]); // a session of the same index, but another
});

test("the round trip of a link that carries is told when it is new or has moved far", () => {
  const link = (peer: string, roundTripMs: number | undefined, more: object = {}) =>
    ({ peer, roundTripMs, carries: true, silent: false, cost: 0, ...more }) as LinkView;
  const measured = new Measured();
  const first = [link("a", 10), link("b", undefined), link("c", 3, { carries: false }), link("d", 3, { silent: true })];
  expect(measured.look(first)).toEqual([{ peer: "a", roundTrip: 10, shut: false }]);
  expect(measured.look([link("a", 12), link("b", 1)])).toEqual([{ peer: "b", roundTrip: 1, shut: false }]);
  expect(measured.look([link("a", 13)])).toEqual([{ peer: "a", roundTrip: 13, shut: false }]);
  expect(measured.look([link("a", 8)])).toEqual([{ peer: "a", roundTrip: 8, shut: false }]);
  expect(measured.look([link("a", 8, { cost: 20 })])).toEqual([{ peer: "a", roundTrip: 28, shut: false }]);
  expect(measured.look([link("a", 8, { metered: true })])).toEqual([{ peer: "a", roundTrip: 10_008, shut: false }]);
});

test("a neighbour is told to be shut while its links that live are over their caps, and to be open again", () => {
  const link = (more: object) => ({ peer: "a", roundTripMs: 1, silent: false, cost: 0, ...more }) as LinkView;
  const measured = new Measured();
  const over = link({ carries: false, capped: true });
  expect(measured.look([over])).toEqual([{ peer: "a", roundTrip: 1, shut: true }]);
  expect(measured.look([over])).toEqual([]);
  expect(measured.look([over, link({ carries: true })])).toEqual([{ peer: "a", roundTrip: 1, shut: false }]);
});
