import { expect, test } from "bun:test";
import { Carried } from "../../../runtime/dataplane/carried.ts";

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
