/**
 * The replica: what this gateway holds of the mesh's records, written here and kept equal to its neighbours'. Pure: a store, a
 * membership, a way to send and a clock are given. Calls are taken one at a time, in their order.
 */
import { equal, letGo, toHex } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { Change, RecordStore } from "../store/store.ts";
import { type Decoding, decodingOf } from "./decoding.ts";
import { Exchange, type ExchangeDeps } from "./exchange.ts";
import { type Arrival, type Held, Holdings } from "./holdings.ts";
import { Keyring } from "./keyring.ts";
import { KINDS, type KindName } from "./kinds.ts";
import { mayWrite } from "./membership.ts";
import { order } from "./merge.ts";
import { BATCH_MAX } from "./merkle.ts";
import { Versions } from "./versions.ts";
import { checkWrite, readValue, signWrites, slotName, versionFor, type Write } from "./writing.ts";

export interface ReplicaDeps extends Omit<ExchangeDeps, "ownCame"> {
  readonly random: RandomBytes;
  readonly store: RecordStore;
  /** Its own unless given. */
  readonly decoding?: Decoding;
}

export interface Value {
  readonly author: Uint8Array;
  readonly version: number;
  readonly value: Uint8Array;
}

interface Waiting extends Write {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** A batch takes some copies of its values on the way to the medium: more waits for the next one. */
const BATCH_BYTES: number = 1024 ** 2;

/** How many of the first ones go into a batch. */
function batchOf(writes: readonly Write[]): number {
  let bytes = 0;
  const end = writes.findIndex(({ value }, i) => {
    bytes += value?.length ?? 0;
    return i === BATCH_MAX || (i > 0 && bytes > BATCH_BYTES);
  });
  return end < 0 ? writes.length : end;
}

export class Replica {
  readonly #deps: ReplicaDeps;
  readonly #holdings: Holdings;
  readonly #keyring: Keyring;
  readonly #exchange: Exchange;
  readonly #versions = new Versions();
  readonly #writes: Waiting[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #revision: number;

  private constructor(deps: ReplicaDeps, holdings: Holdings, keyring: Keyring, decoding: Decoding) {
    this.#deps = deps;
    this.#holdings = holdings;
    this.#keyring = keyring;
    this.#exchange = new Exchange(
      { ...deps, ownCame: (arrival) => this.#ownCame(arrival) },
      holdings,
      keyring,
      decoding,
    );
    this.#revision = deps.membership.revision;
    for (const held of holdings) if (this.#isOwn(held.author)) this.#versions.heard(held.version);
  }

  /** Throws what the store throws. */
  static async open(deps: ReplicaDeps): Promise<Replica> {
    const decoding = deps.decoding ?? decodingOf(deps.crypto, deps.membership.meshId);
    const holdings = await Holdings.load(deps.crypto, deps.store, decoding);
    const keyring = new Keyring(deps.crypto, deps.random, deps.store, deps.membership);
    await keyring.load();
    const replica = new Replica(deps, holdings, keyring, decoding);
    await replica.#removeUnentitled();
    return replica;
  }

  get size(): number {
    return this.#holdings.size;
  }

  /** Equal for replicas that hold the same. */
  get digest(): string {
    return toHex(this.#holdings.tree.fingerprint(""));
  }

  /** Records that are on their way. */
  get pending(): number {
    return this.#exchange.pending;
  }

  /**
   * Durable when it resolves. Throws `sync/not-allowed`, `sync/too-large`, `sync/quota` and what the store throws (`store/full`);
   * it may then still appear after a restart when the medium took it without saying so.
   */
  write({ kind, key, value }: Write): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#writes.push({ kind, key, value, resolve, reject });
      // What comes until its turn goes into the same batch.
      if (this.#writes.length === 1) void this.#take(() => this.#flush());
    });
  }

  /** What a reader sees of a key: the newest of all authors, or of one. Throws `sync/no-key` when it cannot be read yet. */
  async get(kind: KindName, key: Uint8Array, author?: Uint8Array): Promise<Value | undefined> {
    const newest = (): Held[] => this.#heldOf(kind, key, author).sort((a, b) => order(b, a));
    return (await this.#values(() => newest().slice(0, 1)))[0];
  }

  /** Every author's value of a key. Throws as `get` does. */
  each(kind: KindName, key: Uint8Array): Promise<readonly Value[]> {
    return this.#values(() => this.#heldOf(kind, key));
  }

  /**
   * The index knows of a record before it is durable, and no more of the one in its place that is: what cannot be read then is looked for again once
   * no write is on its way.
   */
  async #values(find: () => readonly Held[]): Promise<readonly Value[]> {
    const read = (): Promise<readonly (Value | undefined)[]> =>
      Promise.all(find().flatMap((held) => (held.deleted ? [] : [this.#read(held)])));
    let values = await read();
    if (values.includes(undefined)) values = await this.#inTurn(read);
    return values.filter((v) => v !== undefined);
  }

  /** Records of a kind, deleted ones included. */
  list(kind: KindName): readonly Held[] {
    return [...this.#holdings.authors()].flatMap((author) => [...this.#holdings.group(author, kind)]);
  }

  /** A session with a member (node id, hex) is up, or it was met at a broker. */
  neighbourUp(id: string, isAtBroker = false): Promise<void> {
    return this.#take(async () => this.#exchange.up(id, isAtBroker));
  }

  neighbourDown(id: string): Promise<void> {
    return this.#take(() => this.#exchange.down(id));
  }

  /** Never throws for what a neighbour sent, nor for a store that takes nothing: what came is asked for again then. */
  receive(from: string, data: Uint8Array): Promise<void> {
    return this.#take(() => this.#exchange.receive(from, data));
  }

  /** When all that was asked of it is done. */
  settled(): Promise<void> {
    return this.#take(async () => {});
  }

  /** To be called some times a second. */
  tick(): Promise<void> {
    return this.#take(async () => {
      if (this.#revision !== this.#deps.membership.revision) await this.#membershipChanged();
      await this.#exchange.tick();
    });
  }

  /** One call after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  #take(work: () => Promise<void>): Promise<void> {
    return this.#inTurn(work).catch((thrown) => {
      if (!(thrown instanceof TrellisError)) throw thrown;
      this.#deps.meter.count(`sync.${thrown.code}`);
    });
  }

  #isOwn = (author: Uint8Array): boolean => equal(author, this.#deps.membership.self.keyId);

  #heldOf(kind: KindName, key: Uint8Array, author?: Uint8Array): Held[] {
    const authors = author ? [author] : [...this.#holdings.authors()];
    return authors.map((a) => this.#holdings.get(a, kind, key)).filter((held) => held !== undefined);
  }

  async #read(held: Held): Promise<Value | undefined> {
    const { crypto, membership } = this.#deps;
    const groupKey = held.epoch === undefined ? undefined : this.#keyring.get(Uint8Array.fromHex(held.epoch))?.key;
    const value = await readValue(crypto, membership.meshId, this.#holdings, held, groupKey);
    if (value === "no key")
      throw new TrellisError("sync/no-key", "the group key of this record has not arrived", {
        hint: "it comes from a neighbour that has it",
      });
    return value && { author: held.author, version: held.version, value };
  }

  async #flush(): Promise<void> {
    const taken = this.#writes.splice(0, batchOf(this.#writes));
    if (this.#writes.length > 0) void this.#take(() => this.#flush());
    /** By slot: of two writes to one key in one batch the later counts. */
    const passed = new Map<string, Waiting[]>();
    for (const write of taken) {
      const slot = slotName(write.kind, write.key);
      try {
        checkWrite(write, this.#deps.membership, this.#holdings, new Set(passed.keys()));
        passed.set(slot, [...(passed.get(slot) ?? []), write]);
      } catch (reason) {
        write.reject(reason);
      }
    }
    if (passed.size === 0) return;
    try {
      await this.#writeBatch([...passed.values()].map((writes) => writes.at(-1) as Waiting));
      for (const write of [...passed.values()].flat()) write.resolve();
    } catch (reason) {
      for (const write of [...passed.values()].flat()) write.reject(reason);
    }
  }

  async #writeBatch(writes: readonly Write[]): Promise<void> {
    const { crypto, random, membership } = this.#deps;
    const sealed = writes.some((w) => KINDS[w.kind].sealed && w.value !== undefined);
    const current = sealed ? await this.#keyring.current() : undefined;
    if (current?.fresh) this.#exchange.tellEpochs();
    const versioned = writes.map((w) => ({ ...w, version: versionFor(this.#versions, this.#holdings, w) }));
    const { arrivals, chunks, bodies } = await signWrites(crypto, random, membership, current?.epoch, versioned);
    const more = chunks.map(({ hash, bytes }): Change => ({ range: "chunk", key: hash, value: bytes }));
    const deferrable = writes.every((w) => KINDS[w.kind].urgency === "deferrable");
    const moved = await this.#holdings.add(arrivals, deferrable ? "deferrable" : "required", more);
    for (const body of bodies) letGo(body);
    for (const w of writes) this.#versions.wrote(slotName(w.kind, w.key));
    this.#exchange.announce(moved);
    this.#exchange.pump();
  }

  #ownCame({ record }: Arrival): "take" | "leave" {
    this.#versions.heard(record.version);
    const verdict = this.#versions.judge(slotName(record.kind, record.leaf.key), this.#deps.now());
    this.#deps.meter.count(`sync.own.${verdict}`);
    if (verdict === "assert") void this.#take(() => this.#assert(record.kind, record.leaf.key));
    return verdict === "take" ? "take" : "leave";
  }

  /** Writes what stands here in our name again, above what others know. */
  async #assert(kind: KindName, key: Uint8Array): Promise<void> {
    const held = this.#holdings.get(this.#deps.membership.self.keyId, kind, key);
    const value = held && !held.deleted ? (await this.#read(held))?.value : undefined;
    if (held?.deleted || value) await this.#writeBatch([{ kind, key, value }]);
  }

  /** Who is out takes its records along; who knows more revocations may hand on more keys. */
  async #membershipChanged(): Promise<void> {
    this.#revision = this.#deps.membership.revision;
    await this.#removeUnentitled();
    await this.#keyring.prune((id) => this.#holdings.usesEpoch(id));
    this.#exchange.tellEpochs();
  }

  async #removeUnentitled(): Promise<void> {
    const gone = [...this.#holdings].filter(({ author, kind }) => {
      const is = this.#deps.membership.author(author);
      return is === "gone" || (is !== "unknown" && !mayWrite(kind, is));
    });
    if (gone.length === 0) return;
    await this.#holdings.remove(gone);
    this.#exchange.withdraw(gone);
    this.#deps.removed?.(gone);
  }
}
