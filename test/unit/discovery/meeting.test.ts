import { describe, expect, test } from "bun:test";
import { seconds } from "../../../runtime/base/time.ts";
import { Meeting } from "../../../runtime/mesh/discovery/meeting.ts";
import type { RemoteMember } from "../../../runtime/mesh/handshake/ports.ts";
import { through } from "../../../runtime/mesh/neighbours.ts";
import { type Peer, PeerTable } from "../../../runtime/mesh/peers.ts";
import type { ControlSession } from "../../../runtime/mesh/session/control.ts";
import { Stream } from "../../../runtime/mesh/stream/stream.ts";
import { seededRandom } from "../../help/seeded.ts";

const HERE = { address: "10.0.0.1", port: 1 };
const THERE = { address: "10.0.0.2", port: 2 };
const SESSION = {} as ControlSession;
const MEMBER = { address: "fd00::1" } as RemoteMember;
const table = new PeerTable(() => new Stream(() => 1));
const idOf = (name: string): Uint8Array => seededRandom(name)(32);

/** A member as the mesh has it. */
function peer(name: string, more: Partial<Pick<Peer, "current" | "endpoint" | "silent" | "refusedUntil">> = {}): Peer {
  const made = table.of(idOf(name), 0);
  return Object.assign(made, { member: MEMBER }, more);
}
const seen = (p: Peer, endpoint = THERE, fresh = false) => ({ id: p.id, endpoint, fresh });

describe("a member that a beacon shows", () => {
  test.each<[string, Peer, boolean, boolean, string]>([
    ["and that has no session is called", peer("a"), true, false, "call"],
    ["and that is not to be called is remembered, no more", peer("b"), false, false, "nothing"],
    ["and that has refused us is left alone", peer("c", { refusedUntil: 1000 }), true, false, "nothing"],
    ["at a new place is asked there", peer("d", { current: SESSION, endpoint: HERE }), true, false, "seek"],
    ["where it is spoken to is no news", peer("e", { current: SESSION, endpoint: THERE }), true, true, "nothing"],
    [
      "and that is spoken to through the mesh is asked",
      peer("f", { current: SESSION, endpoint: through("fd00::1") }),
      true,
      false,
      "seek",
    ],
    [
      "and that is silent is asked also where it is spoken to",
      peer("g", { current: SESSION, endpoint: THERE, silent: true }),
      true,
      false,
      "seek",
    ],
  ])("%s", (_, p, mayCall, fresh, step) => {
    expect(new Meeting().sighted(seen(p, THERE, fresh), p, mayCall, 0)).toBe(step as "call");
    expect(p.places.all).toContainEqual(THERE);
  });

  test("at a place that is known is asked there only when it has just come there", () => {
    const p = peer("h", { current: SESSION, endpoint: HERE });
    const meeting = new Meeting();
    const step = (fresh: boolean): string => meeting.sighted(seen(p, THERE, fresh), p, true, 0);
    expect([step(false), step(false), step(true)]).toEqual(["seek", "nothing", "seek"]);
  });
});

test("a node that nobody knows is asked who it is, each once in ten minutes, and few of them", () => {
  const meeting = new Meeting();
  const step = (name: string, now: number): string =>
    meeting.sighted({ id: idOf(name), endpoint: THERE, fresh: true }, undefined, true, now);
  expect([step("x", 0), step("x", 1000), step("x", seconds(700))]).toEqual(["contact", "nothing", "contact"]);
  const many = Array.from({ length: 100 }, (_, i) => step(`stranger ${i}`, seconds(800)));
  expect(many.filter((s) => s === "contact").length).toBeLessThanOrEqual(4);
});

test("whoever names places makes us ask at a bounded rate, for one peer and for all", () => {
  const meeting = new Meeting();
  const place = (i: number) => ({ address: `10.9.${i >> 8}.${i & 255}`, port: 1 });
  const victim = peer("victim", { current: SESSION, endpoint: HERE });
  const one = Array.from({ length: 600 }, (_, i) => meeting.told(victim, place(i), i * 100));
  expect(one.filter((s) => s === "seek").length).toBeLessThanOrEqual(8 + 60 / 5);
  const many = Array.from({ length: 600 }, (_, i) => {
    const other = peer(`peer ${i}`, { current: SESSION, endpoint: HERE });
    return meeting.told(other, place(i), seconds(100));
  });
  expect(many.filter((s) => s === "seek").length).toBeLessThanOrEqual(64);
  expect(meeting.told(peer("without a session"), HERE, 0)).toBe("nothing");
});

test("whoever shows members at wrong places makes us call at a bounded rate", () => {
  const meeting = new Meeting();
  const calls = Array.from({ length: 1000 }, (_, i) => {
    const p = peer(`called ${i}`);
    return meeting.sighted(seen(p), p, true, i * 10);
  });
  expect(calls.filter((s) => s === "call").length).toBeLessThanOrEqual(64 + 10_000 / 500);
});
