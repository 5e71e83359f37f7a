/**
 * Replicas of records over a simulated medium: links with delays that keep order, as the stream between neighbours does,
 * or hostile ones that do not; partitions; power cuts; disks that fill up; revocations that spread as gossip does. All from one seed, on
 * a virtual clock; what is sent is counted.
 */
import { equal, toHex, utf8 } from "../../runtime/base/bytes.ts";
import { Meter } from "../../runtime/base/meter.ts";
import type { RandomBytes } from "../../runtime/base/random.ts";
import type { Ms } from "../../runtime/base/time.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import type { Capability } from "../../runtime/identity/certificate.ts";
import { generateKeys, type NodeKeys } from "../../runtime/identity/keys.ts";
import { MemoryKeyValue, MemoryMedium } from "../../runtime/store/memory-key-value.ts";
import { Store } from "../../runtime/store/store.ts";
import { revocationName } from "../../runtime/sync/epochs.ts";
import type { Held } from "../../runtime/sync/holdings.ts";
import type { Author, Membership } from "../../runtime/sync/membership.ts";
import { order } from "../../runtime/sync/merge.ts";
import { Replica } from "../../runtime/sync/replica.ts";
import { seededNumber, seededRandom } from "../help/seeded.ts";
import { standIn } from "../help/stand-in-provider.ts";
import type { Sharing } from "./records-sharing.ts";

const TICK: Ms = 250;

/** What a link does with a message: when it arrives, how often, and as what. */
export type Tamper = (
  message: Uint8Array,
  from: Gateway,
  to: Gateway,
) => readonly { readonly after: Ms; readonly data: Uint8Array }[];

/** One gateway's view of who belongs. */
class View implements Membership {
  readonly #world: RecordsWorld;
  readonly #keys: NodeKeys;
  readonly revoked = new Set<string>();
  revision = 0;

  constructor(world: RecordsWorld, keys: NodeKeys) {
    this.#world = world;
    this.#keys = keys;
  }

  get meshId(): Uint8Array {
    return this.#world.meshId;
  }

  get self(): { keyId: Uint8Array; secrets: NodeKeys["secrets"] } {
    return { keyId: this.#keys.id, secrets: this.#keys.secrets };
  }

  author(id: Uint8Array): Author | "gone" | "unknown" {
    const hex = toHex(id);
    if (this.revoked.has(hex)) return "gone";
    return this.#world.roster.get(hex) ?? "unknown";
  }

  revocations(): ReadonlySet<string> {
    return new Set([...this.revoked].map((hex) => revocationName(this.#world.crypto, utf8(hex))));
  }

  learn(hex: string): boolean {
    if (this.revoked.has(hex)) return false;
    this.revoked.add(hex);
    this.revision++;
    return true;
  }
}

export class Gateway {
  readonly world: RecordsWorld;
  readonly name: string;
  readonly keys: NodeKeys;
  readonly view: View;
  readonly medium: MemoryMedium;
  readonly meter = new Meter();
  readonly #random: RandomBytes;
  readonly #seen = new Map<string, Held>();
  /** Undefined while it has no power. */
  replica: Replica | undefined;
  /** Writes that were acknowledged, by kind and key: the last value. */
  readonly acknowledged = new Map<string, string | undefined>();

  constructor(world: RecordsWorld, name: string, keys: NodeKeys) {
    this.world = world;
    this.name = name;
    this.keys = keys;
    this.medium = new MemoryMedium();
    this.medium.keep = (value) => world.shared(value);
    this.view = new View(world, keys);
    this.#random = seededRandom(`${world.seed} ${name}`);
  }

  get id(): string {
    return toHex(this.keys.id);
  }

  async start(): Promise<void> {
    const { world, view, meter } = this;
    const store =
      world.sharing?.store() ?? (await Store.open(new MemoryKeyValue(this.medium), { now: () => world.now }));
    this.replica = await Replica.open({
      crypto: world.crypto,
      random: this.#random,
      store,
      ...(world.sharing && { decoding: world.sharing.decoding }),
      membership: view,
      meter,
      now: () => world.now,
      send: (to, message) => world.sent(this, to, message),
      changed: (records) => this.#saw(records),
    });
    for (const other of world.neighboursOf(this)) await world.meet(this, other);
  }

  /** What is seen never goes back, and nothing is seen that its author did not write. */
  #saw(records: readonly Held[]): void {
    for (const held of records) {
      const author = toHex(held.author);
      if (author === this.id && !this.world.written.has(held.id)) this.world.written.add(held.id);
      if (this.world.sharing) continue;
      if (!this.world.written.has(held.id)) this.world.wrongs.push(`${this.name} took ${held.kind} that nobody wrote`);
      const slot = `${author} ${held.kind} ${held.keyName}`;
      const seen = this.#seen.get(slot);
      if (seen && order(held, seen) <= 0) this.world.wrongs.push(`${this.name} went back in ${held.kind}`);
      this.#seen.set(slot, held);
    }
  }

  /** The power goes; what was not durable is lost. */
  async stop(): Promise<void> {
    this.medium.cutPower();
    this.#seen.clear(); // what was not durable it may see again
    this.replica = undefined;
    for (const other of this.world.neighboursOf(this)) await other.replica?.neighbourDown(this.id);
  }

  /** Gives the refusal's code, or undefined when it was acknowledged. */
  async write(
    kind: "application" | "health" | "policy" | "round" | "name",
    key: string,
    value: string | undefined,
  ): Promise<string | undefined> {
    try {
      await this.replica?.write({ kind, key: utf8(key), value: value === undefined ? undefined : utf8(value) });
      this.acknowledged.set(`${kind} ${key}`, value);
      return undefined;
    } catch (thrown) {
      return thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
    }
  }

  async read(
    kind: "application" | "health" | "policy" | "round" | "name",
    key: string,
    author?: Gateway,
  ): Promise<string | undefined> {
    const found = await this.replica?.get(kind, utf8(key), author?.keys.id);
    return found && new TextDecoder().decode(found.value);
  }
}

type Event = { readonly at: Ms; readonly order: number; readonly run: () => Promise<void> | void };

export class RecordsWorld {
  readonly seed: string;
  readonly crypto: CryptoProvider;
  readonly random: () => number;
  readonly meshId: Uint8Array;
  readonly gateways: Gateway[] = [];
  readonly roster = new Map<string, Author>();
  readonly #links = new Map<string, Set<string>>();
  readonly #byId = new Map<string, Gateway>();
  readonly #events: Event[] = [];
  readonly #shared = new Map<string, Uint8Array>();
  readonly #cut = new Set<string>();
  readonly #arrival = new Map<string, Ms>();
  #order = 0;
  now: Ms = 1_000_000;
  /** Ids of records that their authors wrote. */
  readonly written = new Set<string>();
  /** What must never be. */
  readonly wrongs: string[] = [];
  /** What replicas have in common, where there are very many; what each sees is not kept then. */
  sharing: Sharing | undefined;
  bytes = 0;
  messages = 0;
  /** One way delay of a link. */
  delay: Ms = 10;
  tamper: Tamper | undefined;
  /** Sees everything that is sent, as somebody who records it would. */
  onSent: ((from: Gateway, to: Gateway, message: Uint8Array) => void) | undefined;

  constructor(seed: string, crypto: CryptoProvider = standIn) {
    this.seed = seed;
    this.crypto = crypto;
    this.random = seededNumber(seed);
    this.meshId = crypto.sha256(utf8(`mesh ${seed}`));
  }

  async add(name: string, capabilities: readonly Capability[] = []): Promise<Gateway> {
    const keys = await generateKeys(this.crypto, seededRandom(`${this.seed} keys ${name}`));
    const gateway = new Gateway(this, name, keys);
    this.gateways.push(gateway);
    this.#byId.set(gateway.id, gateway);
    this.roster.set(gateway.id, { keys: keys.public, capabilities });
    await gateway.start();
    this.#tickLater(gateway, Math.floor(this.random() * TICK));
    return gateway;
  }

  async link(a: Gateway, b: Gateway): Promise<void> {
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      const set = this.#links.get(x.id) ?? new Set();
      set.add(y.id);
      this.#links.set(x.id, set);
    }
    await this.meet(a, b);
  }

  neighboursOf(gateway: Gateway): Gateway[] {
    return [...(this.#links.get(gateway.id) ?? [])].map((id) => this.#byId.get(id) as Gateway);
  }

  /** A session between two comes up, where the link is and both know no reason against it. */
  async meet(a: Gateway, b: Gateway): Promise<void> {
    if (!a.replica || !b.replica || !this.connected(a, b)) return;
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const)
      for (const hex of y.view.revoked) this.#learn(x, hex);
    if (!this.connected(a, b)) return;
    await a.replica.neighbourUp(b.id);
    await b.replica.neighbourUp(a.id);
  }

  connected(a: Gateway, b: Gateway): boolean {
    if (a.view.revoked.has(b.id) || b.view.revoked.has(a.id)) return false;
    return this.#cut.has(a.id) === this.#cut.has(b.id);
  }

  /** Splits off some gateways; `heal` brings them back. */
  async partition(away: readonly Gateway[]): Promise<void> {
    for (const gateway of away) this.#cut.add(gateway.id);
    for (const a of this.gateways)
      for (const b of this.neighboursOf(a)) if (!this.connected(a, b)) await a.replica?.neighbourDown(b.id);
  }

  async heal(): Promise<void> {
    const away = new Set(this.#cut);
    this.#cut.clear();
    for (const a of this.gateways.filter((g) => away.has(g.id)))
      for (const b of this.neighboursOf(a)) if (!away.has(b.id)) await this.meet(a, b);
  }

  /** `by` hears first that `target` is revoked; it spreads from neighbour to neighbour. */
  revoke(by: Gateway, target: Gateway): void {
    this.#learn(by, target.id);
  }

  #learn(gateway: Gateway, hex: string): void {
    if (!gateway.view.learn(hex)) return;
    void gateway.replica?.neighbourDown(hex);
    for (const other of this.neighboursOf(gateway))
      if (other.id !== hex && this.connected(gateway, other))
        this.at(this.now + this.delay, () => {
          if (this.connected(gateway, other)) this.#learn(other, hex);
        });
  }

  sent(from: Gateway, toId: string, message: Uint8Array): void {
    const to = this.#byId.get(toId) as Gateway;
    this.bytes += message.length;
    this.messages++;
    this.onSent?.(from, to, message);
    const copies = this.tamper?.(message, from, to) ?? [{ after: this.delay, data: message }];
    const ordered = this.tamper === undefined;
    const sessionOf = to.replica;
    for (const { after, data } of copies) {
      // A stream keeps its order.
      const line = `${from.id}${to.id}`;
      const at = ordered ? Math.max(this.now + after, this.#arrival.get(line) ?? 0) : this.now + after;
      if (ordered) this.#arrival.set(line, at);
      this.at(at, async () => {
        if (this.connected(from, to) && to.replica === sessionOf) await to.replica?.receive(from.id, data);
      });
    }
  }

  /** Gateways store equal bytes of one record: once in this process. Tests that harm a medium take copies. */
  shared(value: Uint8Array): Uint8Array {
    const name = Bun.hash(value).toString(36);
    const known = this.#shared.get(name);
    if (known && equal(known, value)) return known;
    const own = value.slice();
    this.#shared.set(name, own);
    return own;
  }

  at(at: Ms, run: Event["run"]): void {
    push(this.#events, { at, order: this.#order++, run });
  }

  async run(forHow: Ms): Promise<void> {
    const end = this.now + forHow;
    for (let next = this.#events[0]; next && next.at <= end; next = this.#events[0]) {
      pop(this.#events);
      this.now = Math.max(this.now, next.at);
      await next.run();
    }
    this.now = end;
  }

  /** Runs until `done`; false when that takes longer than `limit`. */
  async until(done: () => boolean | Promise<boolean>, limit: Ms, step: Ms = 50): Promise<Ms | undefined> {
    const start = this.now;
    while (this.now < start + limit) {
      if (await done()) return this.now - start;
      await this.run(step);
    }
    return (await done()) ? this.now - start : undefined;
  }

  /** Whether all that run (of `some`) hold the same. */
  agree(some: readonly Gateway[] = this.gateways): boolean {
    const digests = some.flatMap((g) => (g.replica ? [g.replica.digest] : []));
    return digests.every((d) => d === digests[0]);
  }

  #tickLater(gateway: Gateway, after: Ms): void {
    this.at(this.now + after, async () => {
      await gateway.replica?.tick();
      this.#tickLater(gateway, TICK);
    });
  }
}

/** A heap: the earliest event first, of two at one time the one that was put in first. */
const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let i = heap.push(event) - 1;
  while (i > 0) {
    const up = (i - 1) >> 1;
    if (!before(heap[i] as Event, heap[up] as Event)) return;
    [heap[i], heap[up]] = [heap[up] as Event, heap[i] as Event];
    i = up;
  }
}

function pop(heap: Event[]): void {
  const last = heap.pop() as Event;
  if (heap.length === 0) return;
  heap[0] = last;
  for (let i = 0; ; ) {
    const [l, r] = [2 * i + 1, 2 * i + 2];
    let low = i;
    if (l < heap.length && before(heap[l] as Event, heap[low] as Event)) low = l;
    if (r < heap.length && before(heap[r] as Event, heap[low] as Event)) low = r;
    if (low === i) return;
    [heap[i], heap[low]] = [heap[low] as Event, heap[i] as Event];
    i = low;
  }
}

/** A ring with chords: every gateway has some neighbours, and is some hops away from most. */
export async function meshOf(
  world: RecordsWorld,
  size: number,
  capabilities: readonly Capability[] = [],
): Promise<Gateway[]> {
  const gateways: Gateway[] = [];
  for (let i = 0; i < size; i++) gateways.push(await world.add(`g${i}`, capabilities));
  for (let i = 0; i < size; i++) {
    await world.link(gateways[i] as Gateway, gateways[(i + 1) % size] as Gateway);
    const other = gateways[Math.floor(world.random() * size)] as Gateway;
    if (!equal(other.keys.id, (gateways[i] as Gateway).keys.id)) await world.link(gateways[i] as Gateway, other);
  }
  return gateways;
}
