/** When a peer is called, and which of its places have a turn. */
import { expect, test } from "bun:test";
import { seconds } from "../../../runtime/base/time.ts";
import { Calling } from "../../../runtime/mesh/calling.ts";
import type { RemoteMember } from "../../../runtime/mesh/handshake/ports.ts";
import { type Peer, PeerTable } from "../../../runtime/mesh/peers.ts";
import { MESH_SETTINGS } from "../../../runtime/mesh/ports.ts";
import { Stream } from "../../../runtime/mesh/stream/stream.ts";
import { seededRandom } from "../../help/seeded.ts";

const OWN = new Uint8Array(32);
const calling = new Calling({ settings: MESH_SETTINGS, random: seededRandom("calls"), ways: { to: () => undefined } });

/** A member that is kept and was told to be at one place. */
function peer(name: string): Peer {
  const made = new PeerTable(() => new Stream(() => 1)).of(seededRandom(name)(32), 0);
  made.places.tell({ address: "10.0.0.1", port: 1 });
  return Object.assign(made, { member: { address: "fd00::1" } as RemoteMember, kept: true });
}

test("where a peer was seen has its turn alone for two seconds, and then another place where it is seen", () => {
  const p = peer("a");
  const turns = [0, 1, 1999, 2000, 2001].map((now) => calling.turnTo(p, now));
  expect(turns).toEqual([true, false, false, true, false]);
});

test("while it has its turn the peer is called nowhere else", () => {
  const p = peer("b");
  expect(calling.dialAt(p, OWN)).toBe(0);
  calling.turnTo(p, 10);
  expect(calling.dialAt(p, OWN)).toBe(10 + seconds(2));
  expect(calling.dial(p, 10)).toBeUndefined();
  expect(calling.dial(p, 10 + seconds(2))).toEqual({ address: "10.0.0.1", port: 1 });
});

test("who is said to be somewhere all the time is called elsewhere too", () => {
  const p = peer("d");
  let called = 0;
  for (let now = 10; now < seconds(12); now += 100) {
    calling.turnTo(p, now);
    if (calling.dial(p, now)) called++;
  }
  expect(called).toBe(1); // and an attempt lasts longer than this
  expect(calling.turnTo(p, seconds(30))).toBe(true); // after a rest a turn is one again
  expect(calling.dialAt(p, OWN)).toBeGreaterThanOrEqual(seconds(32));
});

test("an attempt that has failed ends the turn", () => {
  const p = peer("c");
  calling.turnTo(p, 10);
  calling.gaveUp(p, 100);
  expect(calling.dialAt(p, OWN)).toBeLessThan(10 + seconds(2));
});
