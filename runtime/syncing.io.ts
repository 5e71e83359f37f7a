/**
 * Records on a running gateway: the store, the replica over it, its exchange with neighbours over the mesh's streams and brokers of others, and
 * our own broker. A gateway works without them: what keeps the store from opening is logged, shown, and tried again.
 */
import { EventLog } from "./api/event-log.ts";
import type { JsonObject } from "./api/protocol.ts";
import { recordMethods, shownKey } from "./api/records.ts";
import type { Handler } from "./api/server.io.ts";
import { toHex } from "./base/bytes.ts";
import { messageOf, TrellisError } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import type { Meter } from "./base/meter.ts";
import { type Ms, seconds } from "./base/time.ts";
import { Brokering, type MqttOptions, mosquittoFor } from "./brokering.io.ts";
import type { CryptoProvider } from "./crypto/provider.ts";
import type { Roster } from "./identity/roster.ts";
import { type BrokerOptions, Meeting } from "./meeting.io.ts";
import type { Loaded } from "./membership.ts";
import type { MeshNotice, PeerView } from "./mesh/types.ts";
import { openStore } from "./store/open-store.io.ts";
import type { Store } from "./store/store.ts";
import { Driver, TICK } from "./sync/driver.ts";
import type { Held } from "./sync/holdings.ts";
import { sessionsOf } from "./sync/neighbourhood.ts";
import { Replica } from "./sync/replica.ts";
import { RosterMembership } from "./sync/roster-membership.ts";
import { systemClock, systemRandom } from "./system.io.ts";

const OPEN_AGAIN: Ms = seconds(30);

export interface SyncingTerms {
  /** Directory of the store. */
  readonly path: string;
  readonly loaded: Loaded;
  /** Our overlay address. */
  readonly address: string;
  readonly mqtt: MqttOptions;
  /** Resolves when there is memory for so many bytes more. */
  readonly room: (bytes: number) => Promise<void>;
  readonly brokers: BrokerOptions;
  readonly crypto: CryptoProvider;
  readonly meter: Meter;
  readonly log: Log;
  peers(): readonly PeerView[];
  post(peer: string, data: Uint8Array): void;
  /** A record of revocation came by a broker. */
  revoked(record: Uint8Array): void;
  /** A member's certificate chain did. */
  admitted(chain: Uint8Array): void;
}

interface Opened {
  readonly store: Store;
  readonly replica: Replica;
}

export class Syncing {
  readonly #terms: SyncingTerms;
  readonly #membership: RosterMembership;
  readonly #driver: Driver;
  readonly #meeting: Meeting;
  readonly #mosquitto: ReturnType<typeof mosquittoFor>;
  readonly #changes = new EventLog(Date.now);
  #opened: Opened | undefined;
  /** Why there are no records. */
  #reason = "the store is being opened";
  #brokering: Brokering | undefined;
  #opening: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #closed = false;

  /** Throws `broker/credentials`, `broker/file`, `broker/missing`, `broker/user` and `broker/rules`. */
  constructor(terms: SyncingTerms) {
    this.#terms = terms;
    this.#mosquitto = mosquittoFor(terms.mqtt);
    const { crypto, loaded } = terms;
    this.#meeting = new Meeting({
      ...terms,
      options: terms.brokers,
      deliver: (from, message) => void this.#driver.hearFrom(from, message),
    });
    this.#membership = new RosterMembership(crypto, loaded.roster, loaded.keys);
    this.#driver = new Driver({
      roster: loaded.roster,
      membership: this.#membership,
      meter: terms.meter,
      now: systemClock.now,
      sessions: () => sessionsOf(terms.peers(), this.#meeting.rendezvous.sessions()),
      post: terms.post,
      postByBroker: (id, message) => this.#meeting.rendezvous.send(id, message),
      failed: (thrown) => this.#sayBug(thrown),
    });
  }

  /** Goes on in the background: reading a large store takes its time. `reachable`: whether a device has the overlay address. */
  start(reachable: boolean): void {
    const { mqtt: options, room, loaded, address, meter, log } = this.#terms;
    const replica = (): Replica => this.#openedOrThrow().replica;
    this.#brokering = new Brokering({
      options,
      mosquitto: this.#mosquitto,
      roster: loaded.roster,
      address,
      reachable,
      replica,
      room,
      meter,
      log: log.part("mqtt"),
    });
    this.#opening = this.#open();
  }

  async #open(): Promise<void> {
    const { path, crypto, meter, log } = this.#terms;
    let store: Store | undefined;
    try {
      const opened = await openStore(path, { now: systemClock.now });
      store = opened.store;
      if (opened.setAside)
        log.warn("the store was damaged; what is whole was kept, the rest comes back from others", {
          reason: opened.setAside.reason,
          kept: opened.setAside.kept,
          old: opened.setAside.path,
        });
      const replica = await Replica.open({
        crypto,
        random: systemRandom,
        store,
        membership: this.#membership,
        meter,
        now: systemClock.now,
        send: this.#driver.send,
        changed: (records) => this.#changed(records),
        removed: (records) => this.#brokering?.changed(records),
      });
      this.#opened = { store, replica };
      this.#reason = "";
      log.info("records are here", { records: replica.size });
      this.#driver.replica = replica;
      this.#timer = setInterval(() => this.#tick(), TICK);
      void this.#brokering?.start().catch((cause: unknown) => this.#sayBug(cause));
      this.#meeting.start();
    } catch (thrown) {
      await store?.close();
      this.#sayWhyNot(thrown);
      this.#timer = setTimeout(() => {
        this.#opening = this.#open();
      }, OPEN_AGAIN);
    }
    if (this.#closed) clearTimeout(this.#timer);
  }

  #sayWhyNot(thrown: unknown): void {
    const reason = messageOf(thrown);
    const hint = thrown instanceof TrellisError ? thrown.hint : undefined;
    if (this.#reason !== reason)
      this.#terms.log.error("no records: the store does not open; tried again", { reason, hint });
    this.#reason = reason;
  }

  #tick(): void {
    this.#meeting.rendezvous.tick();
    void this.#driver.tick();
    this.#brokering?.look();
  }

  #sayBug(thrown: unknown): void {
    this.#terms.log.error("records failed", { error: messageOf(thrown) });
  }

  /** A message that a peer posted. */
  hear(peer: string, data: Uint8Array): void {
    void this.#driver.hear(peer, data);
  }

  notice(notice: MeshNotice): void {
    this.#driver.notice(notice);
  }

  #changed(records: readonly Held[]): void {
    this.#brokering?.changed(records);
    for (const held of records)
      this.#changes.add("record", {
        record: held.kind,
        ...shownKey(held.keyName),
        author: this.#nameOf(held.author),
        version: held.version,
        deleted: held.deleted,
      });
  }

  get #roster(): Roster {
    return this.#terms.loaded.roster;
  }

  #nameOf = (id: Uint8Array): string => this.#roster.byId(id)?.name ?? toHex(id);

  #namesOf = (ids: readonly string[]): string[] => ids.map((id) => this.#nameOf(Uint8Array.fromHex(id))).sort();

  /** Throws `sync/closed`. */
  #openedOrThrow(): Opened {
    if (this.#opened) return this.#opened;
    throw new TrellisError("sync/closed", `there are no records here: ${this.#reason}`, {
      hint: "trellis sync status; `trellis store check` looks at the store while the daemon is stopped",
    });
  }

  /** Resolves when it is read. Rejects with `sync/closed`. */
  store(): Promise<Store> {
    return this.#opening.then(() => this.#openedOrThrow().store);
  }

  /** For `status`. */
  view(): JsonObject {
    const { replica } = this.#opened ?? {};
    const neighbours = [...this.#driver.neighbours];
    return {
      records: replica?.size ?? null,
      digest: replica?.digest ?? null,
      pending: replica?.pending ?? 0,
      reason: this.#reason || null,
      mqtt: this.#brokering?.view() ?? null,
      neighbours: this.#namesOf(neighbours),
      atBrokers: this.#namesOf(neighbours.filter((id) => this.#driver.isMetAtBroker(id))),
      brokers: this.#meeting.view(),
    };
  }

  methods(): Readonly<Record<string, Handler>> {
    return recordMethods({
      view: () => ({ ...this.view(), flash: this.#opened ? { ...this.#opened.store.flash } : null }),
      replica: () => this.#opening.then(() => this.#openedOrThrow().replica),
      room: this.#terms.room,
      roster: this.#roster,
      changes: this.#changes,
    });
  }

  /** After what is being written. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#opening;
    this.#meeting.close();
    await this.#brokering?.close();
    const opened = this.#opened;
    this.#opened = undefined;
    this.#driver.replica = undefined;
    this.#reason = "closed";
    await opened?.replica.settled();
    await opened?.store.close();
  }
}
