/** By which way the driver sends, as sessions come and go. */
import { describe, expect, test } from "bun:test";
import { Meter } from "../../../runtime/base/meter.ts";
import { Driver, TICK } from "../../../runtime/sync/driver.ts";
import type { Session } from "../../../runtime/sync/neighbourhood.ts";
import type { Replica } from "../../../runtime/sync/replica.ts";

const ID = "0a".repeat(32);

function driven() {
  const state = { now: 0, sessions: [] as Session[] };
  const said: string[] = [];
  const driver = new Driver({
    roster: {
      byId: (id) => ({ id, address: "fd00::a" }),
      byAddress: () => ({ id: Uint8Array.fromHex(ID), address: "fd00::a" }),
    },
    membership: { look: () => {} },
    meter: new Meter(),
    now: () => state.now,
    sessions: () => state.sessions,
    post: (peer) => said.push(`session ${peer}`),
    postByBroker: (id) => said.push(`broker ${id.slice(0, 2)}`),
    failed: (thrown) => {
      throw thrown;
    },
  });
  const replica: Pick<Replica, "neighbourUp" | "neighbourDown" | "tick" | "receive"> = {
    neighbourUp: async (_, atBroker) => void said.push(atBroker ? "up by broker" : "up"),
    neighbourDown: async () => void said.push("down"),
    tick: async () => {},
    receive: async () => void said.push("heard"),
  };
  driver.replica = replica as Replica;
  const look = async (...sessions: Session[]): Promise<string[]> => {
    state.sessions = sessions;
    state.now += 1_000;
    await driver.tick();
    driver.send(ID, new Uint8Array(1));
    return said.splice(0);
  };
  return { driver, look, said, state };
}

describe("the driver", () => {
  const session: Session = { id: ID, kept: true };
  const met: Session = { id: ID, kept: true, way: "incarnation" };

  test("sends over sessions while they stand, and by brokers where only they lead", async () => {
    const { look } = driven();
    expect(await look(session, met)).toEqual(["up", "session fd00::a"]);
    expect(await look(met)).toEqual(["down", "up by broker", "broker 0a"]);
    expect(await look(met)).toEqual(["broker 0a"]);
    expect(await look(session, met)).toEqual(["down", "up", "session fd00::a"]);
  });

  test("takes who speaks at a broker for a neighbour, and does not lose it when a session with it ends", async () => {
    const { driver, look, said, state } = driven();
    await look({ ...met, kept: false });
    said.splice(0);
    state.now += TICK;
    await driver.hearFrom(ID, new Uint8Array(1));
    expect(said.splice(0)).toEqual(["up by broker", "heard"]);
    driver.notice({ kind: "sessionDown", peer: "fd00::a" });
    expect(await look({ ...met, kept: false })).toEqual(["broker 0a"]);
  });
});
