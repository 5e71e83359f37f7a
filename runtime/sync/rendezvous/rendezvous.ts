/**
 * Members that meet at brokers of others: who is there, with whom of them records are exchanged, and letters between them. A broker is
 * taken for a network that loses, repeats and invents; it keeps nothing, and what goes wrong the exchange repairs (SPEC.md, Brokers).
 */
import { concat, equal, toHex } from "../../base/bytes.ts";
import type { Meter } from "../../base/meter.ts";
import type { RandomBytes } from "../../base/random.ts";
import { type Ms, minutes, seconds } from "../../base/time.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { isSecretBearing } from "../message.ts";
import type { Session } from "../neighbourhood.ts";
import { Certificates, type Roll } from "./certificates.ts";
import { Correspondent, GONE } from "./correspondent.ts";
import {
  type End,
  type Envelope,
  INCARNATION,
  memberTopic,
  meshTopic,
  openEnvelope,
  pairKey,
  rendezvousKey,
  sealEnvelope,
} from "./envelope.ts";
import { fingersOf } from "./fingers.ts";
import { Revocations } from "./revocations.ts";

export interface RendezvousDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomBytes;
  readonly meter: Meter;
  readonly now: () => Ms;
  readonly genesis: Uint8Array;
  readonly self: { readonly id: Uint8Array; readonly agreement: Uint8Array };
  /** X25519 key of a member in good standing; undefined for anybody else. */
  readonly agreementKey: (id: Uint8Array) => Uint8Array | undefined;
  /** To all who listen on `topic` at `broker`; what is lost is repaired later. */
  readonly publish: (broker: string, topic: string, payload: Uint8Array) => void;
  /** A message of a member (node id, hex). */
  readonly deliver: (from: string, message: Uint8Array) => void;
  /** Records of revocation that are in force here: once in force they stay. */
  readonly revocations: () => readonly Uint8Array[];
  /** One that a member has sent; whether it holds its own signature says. */
  readonly revoked: (record: Uint8Array) => void;
  /** Members that are known here. */
  readonly roll: Roll;
  /** A certificate chain that was asked for; whether it holds its own signatures say. */
  readonly admitted: (chain: Uint8Array) => void;
}

/** Says "I am here": soon again after coming, then at this pace, or slower where many are: so that each hears about one a second. */
const ANNOUNCE_FIRST: Ms = seconds(2);
const ANNOUNCE: Ms = minutes(1);
const ANNOUNCE_EACH: Ms = seconds(1);

/** Where two do not know of the same revocations or members, they are told so often at most, and so many revocations at a time. */
const TELL_AGAIN: Ms = seconds(30);
const TOLD_MOST = 256;
/** Chains are given to one so often at most. */
const GIVE_AGAIN: Ms = seconds(5);

/** First bytes of letters that are no message of records, whose numbers are lower. */
const WORD = {
  /** It is there; and what it knows of revocations and of members, 16 bytes each. */
  answer: 128,
  /** The same, and is the other? */
  greeting: 129,
  /** A record of revocation. */
  revocation: 130,
  /** Hashes of certificate chains, 16 bytes each: that are known, … */
  certified: 131,
  /** … that are wanted. */
  wanted: 132,
  /** A chain that was wanted. */
  chain: 133,
} as const;

/** Why something does not count: it came after the connection ended, … */
type Drop = "late" | "elsewhere" | "unreadable" | "stranger" | "unopened" | "replayed" | "secret" | "unasked" | "hasty";

interface BrokerState {
  /** How often we have said that we are here, and whether we heard that ourselves: so it lets us write and read. */
  announced: number;
  isHeard: boolean;
  announceAt: Ms;
  pause: Ms;
}

export class Rendezvous {
  readonly #deps: RendezvousDeps;
  readonly #key: Uint8Array;
  readonly #self: End;
  readonly #name: string;
  /** Topics that are listened to. */
  readonly topics: { readonly mesh: string; readonly own: string };
  readonly #brokers = new Map<string, BrokerState>();
  /** By node id, hex: members alone, so as many as there are. */
  readonly #correspondents = new Map<string, Correspondent>();
  #present: ReadonlySet<string> = new Set();
  #chosen: ReadonlySet<string> = new Set();
  readonly #revocations: Revocations;
  readonly #certificates: Certificates;
  /** One for all letters: under no key a number comes twice. */
  #counter = 0;

  constructor(deps: RendezvousDeps) {
    this.#deps = deps;
    const { crypto, random, self } = deps;
    this.#key = rendezvousKey(crypto, deps.genesis);
    this.#self = { id: self.id, incarnation: random(INCARNATION) };
    this.#name = toHex(self.id);
    this.#revocations = new Revocations(crypto, deps.revocations);
    this.#certificates = new Certificates(crypto, deps.roll);
    this.topics = { mesh: meshTopic(crypto, this.#key), own: memberTopic(crypto, this.#key, self.id) };
  }

  /** We are connected to a broker and hear what is published on `topics`. */
  up(broker: string): void {
    const announceAt = Number.NEGATIVE_INFINITY;
    this.#brokers.set(broker, { announced: 0, isHeard: false, announceAt, pause: ANNOUNCE_FIRST });
  }

  down(broker: string): void {
    this.#brokers.delete(broker);
  }

  isUp(broker: string): boolean {
    return this.#brokers.has(broker);
  }

  /** Whether a broker brings back nothing of what we publish there: it does not let us, or withholds it. */
  isMute(broker: string): boolean {
    const state = this.#brokers.get(broker);
    return state !== undefined && state.announced > 1 && !state.isHeard;
  }

  /** Members that something is remembered of. */
  get known(): number {
    return this.#correspondents.size;
  }

  /** Members that are there, as the neighbourhood wants them: they proved it. */
  sessions(): readonly Session[] {
    const out: Session[] = [];
    for (const { id, proven } of this.#correspondents.values())
      if (proven !== undefined && this.#present.has(id)) out.push({ id, kept: this.#chosen.has(id), way: proven });
    return out;
  }

  /** How many others are at a broker. */
  presentAt(broker: string): number {
    const at = (id: string): boolean => [...(this.#correspondents.get(id)?.brokers ?? [])].includes(broker);
    return [...this.#present].filter(at).length;
  }

  /** Never throws for what a broker brings. */
  receive(broker: string, topic: string, payload: Uint8Array): void {
    const dropped = this.#take(broker, topic, payload, this.#deps.now());
    if (dropped) this.#deps.meter.count(`brokers.${dropped}`);
  }

  #take(broker: string, topic: string, payload: Uint8Array, now: Ms): Drop | undefined {
    const state = this.#brokers.get(broker);
    if (!state) return "late";
    const isOwn = topic === this.topics.own;
    if (!isOwn && topic !== this.topics.mesh) return "elsewhere";
    const envelope = openEnvelope(this.#deps.crypto, this.#key, topic, payload);
    if (!envelope) return "unreadable";
    if (equal(envelope.from, this.#self.id)) {
      state.isHeard = true; // who says something there hears it too
      return undefined;
    }
    const correspondent = this.#correspondent(envelope.from);
    if (!correspondent) return "stranger";
    if (isOwn) return this.#letterCame(broker, correspondent, envelope, now);
    correspondent.announced(broker, envelope.incarnation, now);
    return undefined;
  }

  #letterCame(broker: string, correspondent: Correspondent, envelope: Envelope, now: Ms): Drop | undefined {
    const { incarnation, counter, letter } = envelope;
    if (counter === undefined || letter === undefined) return "unopened";
    const opened = correspondent.open(broker, incarnation, counter, letter, now);
    if (typeof opened === "string") return opened;
    const { message } = opened;
    if (isSecretBearing(message)) return "secret";
    const [word] = message;
    const rest = message.subarray(1);
    if (word === WORD.greeting) this.#write(correspondent, this.#says(WORD.answer));
    if (word === WORD.greeting || word === WORD.answer) this.#compare(correspondent, rest, now);
    else if (word === WORD.revocation) this.#deps.revoked(rest.slice());
    else if (word === WORD.certified) this.#ask(correspondent, rest, now);
    else if (word === WORD.wanted) return this.#give(correspondent, rest, now);
    else if (word === WORD.chain) return this.#takeChain(rest.slice(), now);
    else this.#deps.deliver(correspondent.id, message);
    return undefined;
  }

  #ask(correspondent: Correspondent, hashes: Uint8Array, now: Ms): void {
    this.#tellHashes(correspondent, WORD.wanted, this.#certificates.lacking(hashes, now));
  }

  #give(correspondent: Correspondent, hashes: Uint8Array, now: Ms): Drop | undefined {
    if (now < correspondent.gaveAt + GIVE_AGAIN) return "hasty";
    correspondent.gaveAt = now;
    for (const chain of this.#certificates.wanted(hashes))
      this.#write(correspondent, concat(Uint8Array.of(WORD.chain), chain));
    return undefined;
  }

  #takeChain(chain: Uint8Array, now: Ms): Drop | undefined {
    if (!this.#certificates.expects(chain, now)) return "unasked";
    this.#deps.admitted(chain);
    return undefined;
  }

  #tellHashes(correspondent: Correspondent, word: number, hashes: Uint8Array): void {
    if (hashes.length > 0) this.#write(correspondent, concat(Uint8Array.of(word), hashes));
  }

  #says(word: number): Uint8Array {
    return concat(Uint8Array.of(word), this.#revocations.digest, this.#certificates.digest);
  }

  /** It knows of other revocations than we do: ours it gets, and from what we say it sees that we lack some. Of members it hears which we know. */
  #compare(correspondent: Correspondent, digests: Uint8Array, now: Ms): void {
    if (now < correspondent.toldAt + TELL_AGAIN) return;
    const [revocations, certificates] = [digests.subarray(0, 16), digests.subarray(16)];
    if (equal(revocations, this.#revocations.digest) && equal(certificates, this.#certificates.digest)) return;
    correspondent.toldAt = now;
    if (!equal(revocations, this.#revocations.digest))
      for (const record of this.#revocations.some(TOLD_MOST)) this.#tellOf(correspondent, record);
    if (!equal(certificates, this.#certificates.digest))
      this.#tellHashes(correspondent, WORD.certified, this.#certificates.list);
  }

  #tellOf(correspondent: Correspondent, record: Uint8Array): void {
    this.#write(correspondent, concat(Uint8Array.of(WORD.revocation), record));
  }

  /** To a member of `sessions`, over every broker where it is: what one withholds another brings. Keys of the group do not go. */
  send(to: string, message: Uint8Array): void {
    const correspondent = this.#correspondents.get(to);
    if (correspondent && !isSecretBearing(message)) this.#write(correspondent, message);
  }

  /** To be called some times a second. */
  tick(): void {
    const now = this.#deps.now();
    this.#look(now);
    const news = this.#revocations.news();
    const certified = this.#certificates.news();
    const greeting = this.#says(WORD.greeting);
    for (const correspondent of this.#correspondents.values()) {
      if (!this.#present.has(correspondent.id)) continue;
      for (const record of news) this.#tellOf(correspondent, record);
      this.#tellHashes(correspondent, WORD.certified, certified);
      const letter = correspondent.greet(this.#counter, greeting, this.#chosen.has(correspondent.id), now);
      if (letter) this.#post(correspondent, letter);
    }
    for (const [broker, state] of this.#brokers) if (now >= state.announceAt) this.#announce(broker, state, now);
  }

  get #announcePause(): Ms {
    return Math.max(ANNOUNCE, this.#present.size * ANNOUNCE_EACH);
  }

  #look(now: Ms): void {
    const patience = Math.max(GONE, 3 * this.#announcePause);
    const present = [...this.#correspondents.values()]
      .filter((c) => c.look(now, patience) && this.#deps.agreementKey(Uint8Array.fromHex(c.id)))
      .map(({ id }) => id);
    if (present.length === this.#present.size && present.every((id) => this.#present.has(id))) return;
    this.#present = new Set(present);
    this.#chosen = fingersOf(this.#name, present);
  }

  #announce(broker: string, state: BrokerState, now: Ms): void {
    const apart = (this.#deps.random(1)[0] as number) / 256; // all that lost a broker together come back apart
    state.announceAt = now + state.pause * (0.75 + apart / 2);
    state.pause = Math.min(2 * state.pause, this.#announcePause);
    state.announced++;
    const nothing = { counter: undefined, letter: undefined };
    this.#deps.publish(broker, this.topics.mesh, this.#seal(this.topics.mesh, nothing));
  }

  #write(to: Correspondent, message: Uint8Array): void {
    const letter = to.seal(this.#counter, message);
    if (letter) this.#post(to, letter);
  }

  /** `letter` was sealed with the counter that stands. */
  #post(to: Correspondent, letter: Uint8Array): void {
    const envelope = this.#seal(to.topic, { counter: this.#counter++, letter });
    for (const broker of to.brokers) if (this.#brokers.has(broker)) this.#deps.publish(broker, to.topic, envelope);
  }

  #seal(topic: string, body: Pick<Envelope, "counter" | "letter">): Uint8Array {
    const { crypto, random } = this.#deps;
    const { id, incarnation } = this.#self;
    return sealEnvelope(crypto, random, this.#key, topic, { from: id, incarnation, ...body });
  }

  #correspondent(id: Uint8Array): Correspondent | undefined {
    const name = toHex(id);
    const theirs = this.#deps.agreementKey(id);
    const known = theirs && this.#correspondents.get(name);
    if (!theirs || known) return known;
    const { crypto, self } = this.#deps;
    const pair = pairKey(crypto, this.#key, self.agreement, theirs);
    if (!pair) return undefined;
    const made = new Correspondent(crypto, pair, this.#self, id, memberTopic(crypto, this.#key, id));
    this.#correspondents.set(name, made);
    return made;
  }
}
