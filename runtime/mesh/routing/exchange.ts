/**
 * How lists and reveals reach everybody (SPEC.md, Spreading). Reveals are pushed; lists are offered and asked for; digests
 * find what is missing all the same. Whatever a neighbour sends that an honest one would not have sent on counts against it.
 */
import { equal } from "../../base/bytes.ts";
import { randomBelow } from "../../base/random.ts";
import type { Ms } from "../../base/time.ts";
import { type LinkDatabase, type LinkRecord, revealsOf } from "./database.ts";
import {
  asSigned,
  halves,
  keyIn,
  keyOf,
  originOf,
  PAGES_MAX,
  type SignedList,
  signedMessage,
  versionIn,
} from "./link-list.ts";
import {
  BUCKETS,
  bitOf,
  decodeMessage,
  ENTRIES_MAX,
  encodeMessage,
  type ListMessage,
  type Reveal,
  type RevealGroup,
  type RoutingMessage,
  type SummaryEntry,
} from "./message.ts";
import { COMPARE_EVERY, RoutingNeighbour } from "./neighbour.ts";
import type { OwnLists } from "./own-lists.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { Label, RoutingAction, RoutingDeps, Subnet } from "./types.ts";
import { Wanted } from "./wanted.ts";

/** Times at which reveals of one origin are handed on in quick succession, and in the long run; what comes between waits. */
const HANDED_ON = { burst: 256, refill: 50 } as const;
/**
 * Whoever is a neighbour of the one that told us has probably been told by it too, and hears it from us only after a while, drawn anew for
 * each thing, unless by then a second one has told us that is a neighbour of both, or it has told us itself. On one network with a hundred
 * neighbours everything would else be told a hundred times to each.
 */
const DEFERRED = { least: 20, spread: 40 } as const;

export class Exchange {
  readonly #deps: RoutingDeps;
  readonly #database: LinkDatabase;
  readonly #own: OwnLists;
  readonly #neighbours = new Map<Label, RoutingNeighbour>();
  readonly #wanted = new Wanted(this.#neighbours);
  readonly #pace = new Map<Label, TokenBucket>();
  readonly #held = new Map<string, Set<number>>();
  #out: RoutingAction[] = [];

  constructor(deps: RoutingDeps, database: LinkDatabase, own: OwnLists) {
    this.#deps = deps;
    this.#database = database;
    this.#own = own;
  }

  get load(): Readonly<Record<string, number>> {
    return { wanted: this.#wanted.size, neighbours: this.#neighbours.size, held: this.#held.size };
  }

  get due(): Ms {
    let due = this.#wanted.due;
    for (const key of this.#held.keys()) due = Math.min(due, this.#pace.get(originOf(key))?.next ?? 0);
    for (const n of this.#neighbours.values()) due = Math.min(due, n.due);
    return due;
  }

  session(label: Label, up: boolean, now: Ms): void {
    const before = this.#neighbours.get(label);
    this.#neighbours.delete(label);
    if (before) this.#wanted.gone(before);
    if (!up || !this.#database.isMember(label) || label === this.#deps.own) return;
    const neighbour = new RoutingNeighbour(label, now);
    this.#neighbours.set(label, neighbour);
    neighbour.digestDue = now;
  }

  /** What neighbours told of new members before was not kept. */
  compareAll(now: Ms): void {
    for (const n of this.#neighbours.values()) n.digestDue = Math.min(n.digestDue, Math.max(now, n.nextBuckets));
  }

  forget(member: Label, now: Ms): void {
    this.session(member, false, now);
    for (let page = 0; page < PAGES_MAX; page++) {
      this.#wanted.forget(keyOf(member, page));
      this.#held.delete(keyOf(member, page));
    }
    this.#pace.delete(member);
  }

  /** A list of our own. */
  announce(list: SignedList, now: Ms): void {
    this.#put(list, undefined, now);
  }

  /** A reveal of our own. */
  push(record: LinkRecord, { index }: Reveal, now: Ms): void {
    this.#handOn(record, [index], undefined, now);
  }

  /** One of the two lists its buckets; the other, when it knows of a difference, says so. */
  compare(label: Label, digest: Uint8Array, now: Ms): void {
    const neighbour = this.#neighbours.get(label);
    if (!neighbour || equal(digest, this.#database.digest)) return;
    if (now < neighbour.nextBuckets) {
      neighbour.digestDue = neighbour.nextBuckets;
      return;
    }
    neighbour.nextBuckets = now + COMPARE_EVERY;
    if (this.#deps.own > label) neighbour.digestDue = now;
    else this.#tell(neighbour, { kind: "buckets", buckets: this.#database.buckets });
  }

  async receive(label: Label, data: Uint8Array, now: Ms): Promise<void> {
    const neighbour = this.#neighbours.get(label);
    if (!neighbour || neighbour.muting.isMuted(now)) return this.#count(neighbour ? "muted" : "no-session");
    const message = decodeMessage(data);
    if (!message) return this.#spoil(neighbour, "malformed", now);
    if (message.kind === "digest") this.compare(label, message.digest, now);
    else if (message.kind === "buckets") this.#hearBuckets(neighbour, message.buckets, now);
    else if (message.kind === "summary") this.#hearSummary(neighbour, message.whole, message.entries);
    else if (message.kind === "want") this.#serve(neighbour, message.keys, now);
    else if (message.kind === "lacks") for (const key of message.keys) this.#wanted.lacks(key, neighbour);
    else if (message.kind === "states") for (const group of message.groups) this.#hearStates(neighbour, group, now);
    else await this.#hearList(neighbour, message, now);
  }

  lists(): Uint8Array[] {
    return [...this.#database.records()].map((record) => encodeMessage(messageOf(record)));
  }

  /** Lists from an earlier run; those of our own are of an earlier life. */
  async restore(lists: readonly Uint8Array[], now: Ms): Promise<void> {
    for (const data of lists) {
      const m = decodeMessage(data);
      const list = m?.kind === "list" ? asSigned(this.#deps.crypto, this.#deps.mesh, m.body, m.signature) : undefined;
      if (m?.kind !== "list" || !list || list.origin === this.#deps.own || !this.#isNews(list)) continue;
      if (!(await this.#holds(list))) continue;
      const record = this.#put(this.#deps.keep?.(list) ?? list, undefined, now);
      for (const reveal of m.reveals) this.#database.advance(record, reveal);
    }
  }

  /** What is to be sent now. */
  take(now: Ms): RoutingAction[] {
    this.#handOnHeld(now);
    for (const { neighbour, keys } of this.#wanted.asks(now)) this.#tell(neighbour, { kind: "want", keys });
    for (const n of this.#neighbours.values())
      for (const data of n.take(this.#database, now)) this.#out.push({ type: "tell", neighbour: n.label, data });
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #hearBuckets(neighbour: RoutingNeighbour, theirs: readonly Uint8Array[], now: Ms): void {
    if (now < neighbour.nextSummary) {
      neighbour.digestDue = neighbour.nextSummary;
      return;
    }
    neighbour.nextSummary = now + COMPARE_EVERY;
    const ours = this.#database.buckets;
    let whole = 0;
    let entries: SummaryEntry[] = [];
    const flush = (): void => {
      if (whole !== 0) this.#tell(neighbour, { kind: "summary", whole: whole >>> 0, entries });
      whole = 0;
      entries = [];
    };
    for (let b = 0; b < BUCKETS; b++) {
      if (equal(theirs[b] as Uint8Array, ours[b] as Uint8Array)) continue;
      const more = [...this.#database.keysOf(b)].map((key) => this.#database.summaryOf(key) as SummaryEntry);
      if (entries.length + more.length > ENTRIES_MAX) flush();
      whole |= bitOf(b);
      entries.push(...more.slice(0, ENTRIES_MAX));
    }
    flush();
  }

  #hearSummary(neighbour: RoutingNeighbour, whole: number, entries: readonly SummaryEntry[]): void {
    for (const entry of entries) this.#hearEntry(neighbour, entry);
    if (whole === 0) return;
    const theirs = new Set(entries.map((e) => keyIn(e.name)));
    for (let b = 0; b < BUCKETS; b++) {
      if ((whole & bitOf(b)) === 0) continue;
      for (const key of this.#database.keysOf(b)) if (!theirs.has(key)) neighbour.owesOffer(key, 0);
    }
  }

  #hearEntry(neighbour: RoutingNeighbour, { name, steps }: SummaryEntry): void {
    const [key, version] = [keyIn(name), versionIn(name)];
    const record = this.#database.get(key);
    if (!this.#database.isMember(originOf(key))) this.#count("stranger");
    else if (!record || record.list.version < version) this.#offered(key, version, neighbour);
    else if (record.list.version > version) neighbour.owesOffer(key, 0);
    else this.#hearSteps(neighbour, record, steps);
  }

  #hearSteps(neighbour: RoutingNeighbour, { list, steps }: LinkRecord, theirs: Uint8Array): void {
    neighbour.hasList(list.key);
    for (const n of this.#near(neighbour)) n.coverList(list.key);
    for (const [index, step] of steps.entries()) {
      const other = theirs[index] ?? 0;
      if (step > other) neighbour.owesState(list.key, index, 0);
      else if (step < other) neighbour.owesOffer(list.key, 0); // it sees then what we lack
    }
  }

  #offered(key: string, version: string, neighbour: RoutingNeighbour): void {
    if (originOf(key) === this.#deps.own && this.#own.supersedes(key, version)) return;
    neighbour.hasList(key);
    this.#wanted.offered(key, version, neighbour);
  }

  #serve(neighbour: RoutingNeighbour, keys: readonly string[], now: Ms): void {
    const lacks: string[] = [];
    for (const key of keys) {
      const record = this.#database.get(key);
      if (!record || !neighbour.served.take(now)) lacks.push(key);
      else {
        neighbour.hasList(key);
        this.#tell(neighbour, messageOf(record));
      }
    }
    if (lacks.length > 0) this.#tell(neighbour, { kind: "lacks", keys: lacks });
  }

  async #hearList(neighbour: RoutingNeighbour, m: ListMessage, now: Ms): Promise<void> {
    const list = asSigned(this.#deps.crypto, this.#deps.mesh, m.body, m.signature);
    if (!list) return this.#spoil(neighbour, "malformed", now);
    if (!this.#wanted.has(list.key)) return this.#count("unasked");
    if (!this.#isNews(list)) {
      this.#wanted.lacks(list.key, neighbour);
      return this.#count("old");
    }
    if (!(await this.#holds(list))) {
      this.#wanted.lacks(list.key, neighbour);
      return this.#spoil(neighbour, "forged", now);
    }
    neighbour.progress = now;
    if (list.origin === this.#deps.own) {
      this.#deps.meter.count("routing.overtaken");
      this.#wanted.forget(list.key);
      return this.#own.overtake(list, now);
    }
    const record = this.#put(this.#deps.keep?.(list) ?? list, neighbour, now);
    // Whoever asks for the list is given these with it.
    for (const reveal of m.reveals) this.#advance(neighbour, record, reveal, now);
  }

  #isNews(list: SignedList): boolean {
    const before = this.#database.get(list.key);
    return this.#database.isMember(list.origin) && (!before || before.list.version < list.version);
  }

  async #holds({ origin, body, signature }: SignedList): Promise<boolean> {
    return await this.#deps.verify(origin, signedMessage(this.#deps.mesh, body), halves(signature));
  }

  #put(list: SignedList, from: RoutingNeighbour | undefined, now: Ms): LinkRecord {
    const before = this.#database.get(list.key);
    this.#held.delete(list.key);
    this.#database.put(list);
    this.#wanted.arrived(list.key, list.version, before !== undefined, now);
    this.#spread(
      from,
      now,
      (n, at) => n.owesOffer(list.key, at),
      (n) => n.coverList(list.key),
    );
    if (spelled(before?.list.subnets ?? []) !== spelled(list.subnets))
      this.#out.push({ type: "subnets", origin: list.origin });
    return this.#database.get(list.key) as LinkRecord;
  }

  #hearStates(neighbour: RoutingNeighbour, { name, reveals }: RevealGroup, now: Ms): void {
    const [key, version] = [keyIn(name), versionIn(name)];
    const record = this.#database.get(key);
    if (!this.#database.isMember(originOf(key))) this.#count("stranger");
    else if (!record || record.list.version < version) this.#offered(key, version, neighbour);
    else if (record.list.version > version) this.#count("old");
    else {
      const news = reveals.filter((reveal) => this.#advance(neighbour, record, reveal, now)).map((r) => r.index);
      if (news.length > 0) this.#handOnInTurn(record, news, neighbour, now);
    }
  }

  /** Whether it is news. */
  #advance(neighbour: RoutingNeighbour, record: LinkRecord, reveal: Reveal, now: Ms): boolean {
    if (neighbour.muting.isMuted(now)) return false; // a forged reveal costs up to 255 hashes, and a message may hold thousands
    const result = this.#database.advance(record, reveal);
    if (result === "forged") this.#spoil(neighbour, "forged", now);
    else if (result === "old") this.#count("old");
    if (result === "forged" || record.steps[reveal.index] !== reveal.step) return false;
    neighbour.hasState(record.list.key, reveal.index);
    if (result === "old") for (const n of this.#near(neighbour)) n.coverState(record.list.key, reveal.index);
    return result === "news";
  }

  /** Of an origin that changes too often later, and then the latest only. */
  #handOnInTurn(record: LinkRecord, indices: readonly number[], from: RoutingNeighbour, now: Ms): void {
    const { key, origin } = record.list;
    if (this.#paceOf(origin, now).take(now)) {
      this.#handOn(record, indices, from, now);
      return;
    }
    const held = this.#held.get(key) ?? new Set<number>();
    this.#held.set(key, held);
    for (const index of indices) held.add(index);
  }

  #handOn({ list: { key } }: LinkRecord, indices: Iterable<number>, from: RoutingNeighbour | undefined, now: Ms): void {
    for (const index of indices)
      this.#spread(
        from,
        now,
        (n, at) => n.owesState(key, index, at),
        (n) => n.coverState(key, index),
      );
  }

  /** To all but the one it came from. */
  #spread(
    from: RoutingNeighbour | undefined,
    now: Ms,
    tell: (n: RoutingNeighbour, at: Ms) => void,
    cover: (n: RoutingNeighbour) => void,
  ): void {
    const near = new Set(from ? this.#near(from) : []);
    const later = near.size > 0 ? now + DEFERRED.least + randomBelow(this.#deps.random, DEFERRED.spread) : now;
    for (const n of this.#neighbours.values()) {
      if (n === from) continue;
      tell(n, near.has(n) ? later : now);
      if (near.has(n)) cover(n);
    }
  }

  /** Neighbours that are one of this neighbour too. */
  #near(neighbour: RoutingNeighbour): RoutingNeighbour[] {
    const { graph } = this.#database;
    const n = graph.numberOf(neighbour.label);
    if (n === undefined) return [];
    return graph.neighboursOf(n).flatMap((m) => this.#neighbours.get(graph.labelOf(m) as Label) ?? []);
  }

  #handOnHeld(now: Ms): void {
    for (const [key, indices] of this.#held) {
      const record = this.#database.get(key);
      if (record && !this.#paceOf(originOf(key), now).take(now)) continue;
      this.#held.delete(key);
      if (record) this.#handOn(record, indices, undefined, now);
    }
  }

  #paceOf(origin: Label, now: Ms): TokenBucket {
    const pace = this.#pace.get(origin) ?? new TokenBucket(HANDED_ON.burst, HANDED_ON.refill, now);
    this.#pace.set(origin, pace);
    return pace;
  }

  #spoil(neighbour: RoutingNeighbour, reason: string, now: Ms): void {
    this.#count(reason);
    neighbour.muting.spoil(now);
  }

  #count(reason: string): void {
    this.#deps.meter.count(`routing.drop.${reason}`);
  }

  #tell(neighbour: RoutingNeighbour, message: RoutingMessage): void {
    this.#out.push({ type: "tell", neighbour: neighbour.label, data: encodeMessage(message) });
  }
}

const messageOf = (record: LinkRecord): ListMessage => {
  const { body, signature } = record.list;
  return { kind: "list", body, signature, reveals: revealsOf(record) };
};

const spelled = (subnets: readonly Subnet[]): string => subnets.map((s) => `${s.address.join(".")}/${s.length}`).join();
