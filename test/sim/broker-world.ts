/**
 * Brokers of others in the world of records: they pass on what is published, or do with it what a hostile one can. Gateways meet there by
 * the shipped rendezvous and driver; with whom they have a link they exchange over that.
 */
import { equal, toHex, utf8 } from "../../runtime/base/bytes.ts";
import type { Ms } from "../../runtime/base/time.ts";
import { Driver } from "../../runtime/sync/driver.ts";
import type { Roll } from "../../runtime/sync/rendezvous/certificates.ts";
import { Rendezvous } from "../../runtime/sync/rendezvous/rendezvous.ts";
import { seededRandom } from "../help/seeded.ts";
import { type Gateway, RecordsWorld } from "./records-world.ts";

const TICK: Ms = 250;

export interface Published {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** What a broker makes of one message for one of those that listen: what it gives them, and when. */
export type Conduct = (published: Published, to: Station) => readonly (Published & { readonly after: Ms })[];

export class SimBroker {
  readonly name: string;
  readonly world: BrokerWorld;
  isUp = true;
  conduct: Conduct | undefined;
  /** All that was published. */
  readonly log: Published[] = [];
  bytes = 0;

  constructor(world: BrokerWorld, name: string) {
    this.world = world;
    this.name = name;
  }

  publish(published: Published): void {
    if (!this.isUp) return;
    this.log.push(published);
    this.bytes += published.payload.length;
    for (const station of this.world.stations) {
      const { mesh, own } = station.rendezvous.topics;
      if (published.topic !== mesh && published.topic !== own) continue;
      if (!station.brokers.has(this)) continue;
      const given = this.conduct?.(published, station) ?? [{ ...published, after: 10 }];
      for (const { after, topic, payload } of given) this.give(station, { topic, payload }, after);
    }
  }

  give(station: Station, { topic, payload }: Published, after: Ms): void {
    this.world.at(this.world.now + after, () => {
      if (this.isUp) station.rendezvous.receive(this.name, topic, payload);
    });
  }
}

/** A gateway that meets others at brokers. */
export class Station {
  readonly gateway: Gateway;
  readonly brokers = new Set<SimBroker>();
  /** Whether they hold is for others to say. */
  readonly revocations: Uint8Array[] = [];
  /** Of members that it knows, in the same way. */
  readonly chains: Uint8Array[] = [];
  driver!: Driver;
  rendezvous!: Rendezvous;
  #starts = 0;

  constructor(world: BrokerWorld, gateway: Gateway) {
    this.gateway = gateway;
    this.restart(world);
  }

  /** Another run: what is remembered of others is forgotten, and what they know of this one counts no more. */
  restart(world: BrokerWorld): void {
    const { gateway } = this;
    const now = (): Ms => world.now;
    this.rendezvous = new Rendezvous({
      crypto: world.crypto,
      random: seededRandom(`${world.seed} rendezvous ${gateway.name} ${this.#starts++}`),
      meter: gateway.meter,
      now,
      genesis: utf8(`genesis ${world.seed}`),
      self: { id: gateway.keys.id, agreement: gateway.keys.secrets.x25519 },
      agreementKey: (id) => {
        const isMember = typeof gateway.view.author(id) === "object";
        return isMember ? world.agreementKeys.get(toHex(id)) : undefined;
      },
      publish: (name, topic, payload) => [...this.brokers].find((b) => b.name === name)?.publish({ topic, payload }),
      deliver: (from, message) => void this.driver.hearFrom(from, message),
      revocations: () => this.revocations,
      revoked: (record) => {
        if (!this.revocations.some((known) => equal(known, record))) this.revocations.push(record);
      },
      roll: rollOf(this.chains),
      admitted: (chain) => {
        this.chains.push(chain);
      },
    });
    this.driver = new Driver({
      roster: { byId: () => undefined, byAddress: () => undefined },
      membership: { look: () => {} },
      meter: gateway.meter,
      now,
      sessions: () => this.rendezvous.sessions().filter(({ id }) => !world.isLinked(gateway, id)),
      post: () => {},
      postByBroker: (id, message) => this.rendezvous.send(id, message),
      failed: (thrown) => {
        throw thrown;
      },
    });
    for (const broker of this.brokers) this.rendezvous.up(broker.name);
  }

  connect(broker: SimBroker): void {
    this.brokers.add(broker);
    this.rendezvous.up(broker.name);
  }

  async tick(): Promise<void> {
    for (const broker of this.brokers)
      if (!broker.isUp && this.rendezvous.isUp(broker.name)) this.rendezvous.down(broker.name);
      else if (broker.isUp && !this.rendezvous.isUp(broker.name)) this.rendezvous.up(broker.name);
    this.rendezvous.tick();
    this.driver.replica = this.gateway.replica;
    await this.driver.tick();
  }
}

const rollOf = (chains: readonly Uint8Array[]): Roll => ({
  get revision() {
    return chains.length;
  },
  chains: () => chains,
});

export class BrokerWorld extends RecordsWorld {
  readonly stations: Station[] = [];
  readonly agreementKeys = new Map<string, Uint8Array>();

  async station(name: string): Promise<Station> {
    const station = new Station(this, await this.add(name));
    this.agreementKeys.set(station.gateway.id, station.gateway.keys.public.x25519);
    this.stations.push(station);
    const tick = async (): Promise<void> => {
      await station.tick();
      this.at(this.now + TICK, tick);
    };
    this.at(this.now + Math.floor(this.random() * TICK), tick);
    return station;
  }

  isLinked(gateway: Gateway, id: string): boolean {
    return this.neighboursOf(gateway).some((other) => other.id === id && this.connected(gateway, other));
  }

  override sent(from: Gateway, toId: string, message: Uint8Array): void {
    if (this.isLinked(from, toId)) super.sent(from, toId, message);
    else this.stations.find((s) => s.gateway === from)?.driver.send(toId, message);
  }
}
