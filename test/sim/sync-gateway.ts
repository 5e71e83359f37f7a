/** Records on simulated gateways: the shipped replica over the shipped core, joined as the daemon joins them. */
import { utf8 } from "../../runtime/base/bytes.ts";
import { MemoryKeyValue, MemoryMedium } from "../../runtime/store/memory-key-value.ts";
import { Store } from "../../runtime/store/store.ts";
import { Driver, RECORDS, TICK } from "../../runtime/sync/driver.ts";
import { sessionsOf } from "../../runtime/sync/neighbourhood.ts";
import { Replica } from "../../runtime/sync/replica.ts";
import { RosterMembership } from "../../runtime/sync/roster-membership.ts";
import { seededRandom } from "../help/seeded.ts";
import type { Gateway } from "./gateway.ts";
import type { World } from "./world.ts";

export class Recorder {
  readonly gateway: Gateway;
  readonly replica: Replica;
  readonly driver: Driver;

  private constructor(gateway: Gateway, replica: Replica, driver: Driver) {
    this.gateway = gateway;
    this.replica = replica;
    this.driver = driver;
  }

  static async start(world: World, gateway: Gateway): Promise<Recorder> {
    const { crypto } = world.provider;
    const keys = await gateway.home.keys();
    if (!keys) throw new Error(`${gateway.label} has no keys`);
    const { roster, meter } = gateway;
    const membership = new RosterMembership(crypto, roster, keys);
    const now = (): number => gateway.now;
    const driver = new Driver({
      roster,
      membership,
      meter,
      now,
      sessions: () => sessionsOf(gateway.peers()),
      // Behind the event at hand, as the daemon's queue has it.
      post: (peer, data) =>
        world.at(world.now, () => world.command(gateway, { type: "post", peer, protocol: RECORDS, data })),
      failed: (thrown) => {
        throw thrown;
      },
    });
    const replica = await Replica.open({
      crypto,
      random: seededRandom(`${world.seed}/records ${gateway.label}`),
      store: await Store.open(new MemoryKeyValue(new MemoryMedium()), { now }),
      membership,
      meter,
      now,
      send: driver.send,
      changed: () => {},
    });
    driver.replica = replica;
    const recorder = new Recorder(gateway, replica, driver);
    const tick = async (): Promise<void> => {
      await driver.tick();
      world.at(world.now + TICK, tick);
    };
    world.at(world.now, tick);
    return recorder;
  }

  write(key: string, value: string): Promise<void> {
    return this.replica.write({ kind: "application", key: utf8(key), value: utf8(value) });
  }

  /** Undefined while it is not here, or its group key is not. */
  async read(key: string): Promise<string | undefined> {
    const found = await this.replica.get("application", utf8(key)).catch(() => undefined);
    return found && new TextDecoder().decode(found.value);
  }
}

/** Every gateway of the world gets records. */
export async function withRecords(world: World): Promise<Recorder[]> {
  const all: Recorder[] = [];
  for (const gateway of world.gateways) all.push(await Recorder.start(world, gateway));
  const of = new Map(all.map((r) => [r.gateway, r]));
  world.also = async (gateway, action) => {
    const driver = of.get(gateway)?.driver;
    if (action.type === "notice") driver?.notice(action.notice);
    if (action.type === "message" && action.protocol === RECORDS) await driver?.hear(action.peer, action.data);
  };
  return all;
}

export const alike = (all: readonly Recorder[]): boolean =>
  all.every((r) => r.replica.digest === all[0]?.replica.digest && r.replica.size === all[0]?.replica.size);
