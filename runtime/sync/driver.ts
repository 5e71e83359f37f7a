/**
 * Drives the replica by what goes on in the mesh and at brokers: sessions that come and go, what comes over them, time. Pure: mesh, brokers, the
 * clock and who calls `tick` are given.
 */
import { toHex } from "../base/bytes.ts";
import type { Meter } from "../base/meter.ts";
import { type Ms, seconds } from "../base/time.ts";
import { Neighbourhood, type Session } from "./neighbourhood.ts";
import type { Replica } from "./replica.ts";

/** The word under which messages go over a session. */
export const RECORDS = "records";

/** So often `tick` is to be called. */
export const TICK: Ms = 250;
const LOOK: Ms = seconds(1);
/** Bytes of one neighbour that wait to be looked at; what is above it is lost, and repaired later. */
const WAITING_MAX: number = 1024 ** 2;

interface Member {
  readonly id: Uint8Array;
  /** Overlay address. */
  readonly address: string;
}

export interface DriverDeps {
  readonly roster: { byId(id: Uint8Array): Member | undefined; byAddress(address: string): Member | undefined };
  /** Whose `look` is called about once a second. */
  readonly membership: { look(): void };
  readonly meter: Meter;
  readonly now: () => Ms;
  /** Over the underlay and at brokers, as they stand: of those with one member the first that is kept counts. */
  readonly sessions: () => readonly Session[];
  /** To an overlay address, under `RECORDS`. */
  readonly post: (peer: string, data: Uint8Array) => void;
  /** To a member (node id, hex) that is met at brokers. */
  readonly postByBroker?: (id: string, data: Uint8Array) => void;
  /** What is thrown beyond `TrellisError` is a bug of ours. */
  readonly failed: (thrown: unknown) => void;
}

/** What the mesh says of a peer. */
interface Notice {
  readonly kind: string;
  /** Overlay address. */
  readonly peer?: string;
  readonly protocol?: string;
}

export class Driver {
  readonly #deps: DriverDeps;
  readonly #neighbourhood = new Neighbourhood();
  /** Bytes that wait, by node id. */
  readonly #waiting = new Map<string, number>();
  #replica: Replica | undefined;
  #looked: Ms = Number.NEGATIVE_INFINITY;
  #ticking = false;

  constructor(deps: DriverDeps) {
    this.#deps = deps;
  }

  /** Undefined takes it away. */
  set replica(replica: Replica | undefined) {
    this.#replica = replica;
  }

  /** Node ids, hex, of those with whom records are exchanged. */
  get neighbours(): ReadonlySet<string> {
    return this.#neighbourhood.current;
  }

  isMetAtBroker(id: string): boolean {
    return this.#neighbourhood.wayTo(id) !== undefined;
  }

  /** As `ReplicaDeps.send`. */
  readonly send = (id: string, message: Uint8Array): void => {
    const member = this.#deps.roster.byId(Uint8Array.fromHex(id));
    if (this.isMetAtBroker(id)) this.#deps.postByBroker?.(id, message);
    else if (member) this.#deps.post(member.address, message);
  };

  async tick(): Promise<void> {
    const replica = this.#replica;
    if (!replica || this.#ticking) return; // where the store is slow no second one waits
    this.#ticking = true;
    if (this.#deps.now() >= this.#looked + LOOK) this.#look(replica);
    await this.#safely(replica.tick());
    this.#ticking = false;
  }

  /** A message that a peer posted, by its overlay address. */
  async hear(peer: string, data: Uint8Array): Promise<void> {
    const member = this.#deps.roster.byAddress(peer);
    if (member) await this.hearFrom(toHex(member.id), data);
  }

  /** A message of a member (node id, hex). */
  async hearFrom(id: string, data: Uint8Array): Promise<void> {
    const replica = this.#replica;
    if (!replica) return;
    const waiting = (this.#waiting.get(id) ?? 0) + data.length;
    if (waiting > WAITING_MAX) {
      this.#deps.meter.count("sync.overflow");
      return;
    }
    this.#waiting.set(id, waiting);
    const now = this.#deps.now();
    this.#neighbourhood.spoke(id, now);
    if (!this.#neighbourhood.has(id) && now >= this.#looked + TICK) this.#look(replica);
    await this.#safely(replica.receive(id, data));
    const left = (this.#waiting.get(id) ?? 0) - data.length;
    if (left > 0) this.#waiting.set(id, left);
    else this.#waiting.delete(id);
  }

  /** What the mesh says of sessions: what was on the way is lost with them. */
  notice({ kind, peer, protocol }: Notice): void {
    const replica = this.#replica;
    if (!replica || peer === undefined) return;
    if (kind === "sessionUp" || kind === "revoked") this.#look(replica);
    const isLoss = kind === "streamReset" || (kind === "undelivered" && protocol === RECORDS);
    const member = isLoss || kind === "sessionDown" ? this.#deps.roster.byAddress(peer) : undefined;
    if (!member) return; // of who was revoked the next look sees that it has no session
    const id = toHex(member.id);
    if (this.isMetAtBroker(id)) return; // nothing was on that session
    if (isLoss) this.#neighbourhood.lost(id, this.#deps.now());
    else if (this.#neighbourhood.ended(id)) void this.#safely(replica.neighbourDown(id));
  }

  #look(replica: Replica): void {
    this.#looked = this.#deps.now();
    this.#deps.membership.look();
    const { up, down } = this.#neighbourhood.look(this.#deps.sessions(), this.#looked);
    for (const id of down) void this.#safely(replica.neighbourDown(id));
    for (const id of up) void this.#safely(replica.neighbourUp(id, this.isMetAtBroker(id)));
  }

  async #safely(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (thrown) {
      this.#deps.failed(thrown);
    }
  }
}
