/**
 * What goes on between this gateway and its neighbours: news are offered, each asks for what it lacks, and the one with the lower id
 * walks down the differences when what both hold differs. One request of a kind is on its way to a neighbour at a time, so nobody's slowness holds up another.
 */
import { equal, letGo, toHex } from "../base/bytes.ts";
import type { Meter } from "../base/meter.ts";
import { type Ms, minutes, seconds } from "../base/time.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { Decoding } from "./decoding.ts";
import { encodeEpoch } from "./epochs.ts";
import { Fetching } from "./fetching.ts";
import type { Arrival, Held, Holdings, Moved } from "./holdings.ts";
import { Intake } from "./intake.ts";
import type { Keyring } from "./keyring.ts";
import { KINDS } from "./kinds.ts";
import { Large } from "./large.ts";
import { isMember, type Membership } from "./membership.ts";
import {
  type Answer,
  type Bodies,
  decodeMessage,
  EPOCHS_PER_MESSAGE,
  encodeMessage,
  IDS_PER_OFFER,
  IDS_PER_WANT,
  joinIds,
  type Message,
  type MessageType,
  splitIds,
} from "./message.ts";
import { Neighbour } from "./neighbour.ts";
import { Recent } from "./recent.ts";
import { serveItems } from "./serving.ts";
import { answer, Walk } from "./walk.ts";
import { chunkHash } from "./writing.ts";

export interface ExchangeDeps {
  readonly crypto: CryptoProvider;
  readonly membership: Membership;
  readonly meter: Meter;
  readonly now: () => Ms;
  /** To a neighbour (node id, hex); what is lost is repaired later. */
  readonly send: (neighbour: string, message: Uint8Array) => void;
  /** A neighbour knows something newer in our own name: whether it counts. */
  readonly ownCame: (arrival: Arrival) => "take" | "leave";
  readonly changed: (records: readonly Held[]) => void;
  /** Records went, with their author or because it has written too many others. */
  readonly removed?: (records: readonly Held[]) => void;
}

/** All that is held is told as one fingerprint after a change, and again while the other tells another one: ever more rarely. */
const DIGEST_AFTER_CHANGE: Ms = seconds(1);
const DIGEST: Ms = seconds(5);
const DIGEST_MAX: Ms = seconds(30);
/** Where both are alike, in case that something went wrong. A little less than keys last that nothing goes under: so it costs no keys. */
const DIGEST_ALIKE: Ms = minutes(29);
/** Group keys that were asked for and did not come. */
const EPOCHS_AGAIN: Ms = seconds(5);
/** Records that were asked for and did not come. */
const PATIENCE: Ms = seconds(5);
/** A member that is not known here may be soon. */
const UNKNOWN: Ms = seconds(5);
/** The store took nothing. */
const STORE_PAUSE: Ms = seconds(5);

export class Exchange {
  readonly #deps: ExchangeDeps;
  readonly #holdings: Holdings;
  readonly #keyring: Keyring;
  readonly #neighbours = new Map<string, Neighbour>();
  readonly #fetching = new Fetching();
  readonly #large = new Large();
  readonly #intake: Intake;
  /** Of whom group keys were asked for last: not of everybody who has them. */
  readonly #epochsAsked = new Recent<{ readonly of: string; readonly at: Ms }>(EPOCHS_PER_MESSAGE);

  constructor(deps: ExchangeDeps, holdings: Holdings, keyring: Keyring, decoding: Decoding) {
    this.#deps = deps;
    this.#holdings = holdings;
    this.#keyring = keyring;
    this.#intake = new Intake(deps.crypto, deps.membership, holdings, decoding);
  }

  /** Records that are on their way. */
  get pending(): number {
    return this.#fetching.size + this.#large.size;
  }

  up(id: string, atBroker: boolean): void {
    const neighbour = new Neighbour(id, this.#deps.now(), atBroker);
    this.#neighbours.set(id, neighbour);
    this.#tellDigest(neighbour);
  }

  async down(id: string): Promise<void> {
    this.#neighbours.delete(id);
    this.#fetching.forget(id);
    await this.#giveUp(this.#large.expire(this.#deps.now(), id));
    this.pump();
  }

  /** Throws what the store throws, never for what the message is. */
  async receive(from: string, data: Uint8Array): Promise<void> {
    const neighbour = this.#neighbours.get(from);
    const now = this.#deps.now();
    if (!neighbour?.admits(now) || !this.#isMember(from)) return this.#count("ignored");
    const message = decodeMessage(data);
    if (!message) {
      neighbour.strike(now);
      return this.#count("malformed");
    }
    await this.#handle(neighbour, message, now);
    this.pump();
  }

  async tick(): Promise<void> {
    const now = this.#deps.now();
    this.#count("withheld", this.#fetching.expire(now));
    await this.#giveUp(this.#large.expire(now));
    for (const neighbour of this.#neighbours.values()) {
      neighbour.hurry(now);
      if (neighbour.wanted && now > neighbour.wanted.at + PATIENCE) neighbour.wanted = undefined;
      if (this.#large.wanted(neighbour.id).length === 0) neighbour.chunksAsked = false;
      const toldAt = neighbour.toldAt ?? 0;
      // The digest is made when it may be told, not with every tick.
      if (now >= toldAt + DIGEST_AFTER_CHANGE && now >= toldAt + pauseOf(neighbour, this.#digest()))
        this.#tellDigest(neighbour);
      if (now >= neighbour.epochsAskedAt + EPOCHS_AGAIN) this.#wantEpochs(neighbour, now);
    }
    this.pump();
  }

  /** Offers what came in to all but who gave it. */
  announce({ added, dropped }: Moved, from?: string): void {
    if (added.length === 0) return;
    this.withdraw(dropped);
    for (const { id } of added) this.#fetching.done(id);
    for (const neighbour of this.#neighbours.values())
      if (neighbour.id !== from) for (const { id } of added) neighbour.offer(id);
    this.#deps.changed(added);
    const said = new Set(added.map(({ keyName }) => keyName));
    this.#deps.removed?.(dropped.filter(({ keyName }) => !said.has(keyName)));
  }

  /** What is not held any more is not offered. */
  withdraw(gone: readonly Held[]): void {
    for (const { offers } of this.#neighbours.values()) for (const { id } of gone) offers.delete(id);
  }

  /** Group keys are told when there is a new one, or when more of them may be told. */
  tellEpochs(except?: string): void {
    for (const id of this.#neighbours.keys()) if (id !== except) this.#tellEpochs(id);
  }

  /** Sends what is due to everybody. */
  pump(): void {
    for (const neighbour of this.#neighbours.values()) if (this.#isMember(neighbour.id)) this.#pump(neighbour);
  }

  #isMember = (id: string): boolean => isMember(this.#deps.membership, Uint8Array.fromHex(id));

  #digest = (): string => toHex(this.#holdings.tree.fingerprint(""));

  #count(what: string, by = 1): void {
    this.#deps.meter.count(`sync.${what}`, by);
  }

  #send<T extends MessageType>(to: string, type: T, body: Bodies[T]): void {
    const bytes = encodeMessage(type, body);
    this.#count(`sent.${type}`, bytes.length);
    this.#deps.send(to, bytes);
  }

  #tellDigest(neighbour: Neighbour): void {
    if (!this.#isMember(neighbour.id)) return;
    const { tree } = this.#holdings;
    const digest = this.#digest();
    const epochs = this.#keyring.shareable().length;
    // What was lost once is not lost for good.
    const again = neighbour.told === digest || neighbour.toldEpochs !== epochs;
    neighbour.repeats = neighbour.told === digest ? neighbour.repeats + 1 : 0;
    neighbour.toldAt = this.#deps.now();
    neighbour.told = digest;
    neighbour.toldEpochs = epochs;
    this.#send(neighbour.id, "digest", { fingerprint: tree.fingerprint(""), count: tree.size });
    if (again) this.#tellEpochs(neighbour.id);
  }

  #tellEpochs(to: string): void {
    if (!this.#isMember(to)) return;
    const ids = this.#keyring.shareable().map((e) => e.id);
    if (ids.length > 0) this.#send(to, "epochs", { ids: ids.slice(-EPOCHS_PER_MESSAGE) });
  }

  async #handle(neighbour: Neighbour, message: Message, now: Ms): Promise<void> {
    const { id } = neighbour;
    switch (message.type) {
      case "digest":
        return this.#digestCame(neighbour, message.fingerprint, now);
      case "ask": {
        const answers = answer(this.#holdings.tree, message.ranges);
        return this.#send(id, "tell", { number: message.number, answers });
      }
      case "tell":
        return this.#tellCame(neighbour, message.number, message.answers, now);
      case "offer":
        return this.#offered(neighbour, splitIds(message.ids), now);
      case "want": {
        const sent = message.signed ? new Recent<true>(IDS_PER_WANT) : neighbour.sentBatches;
        const { groups, more } = await serveItems(this.#holdings, splitIds(message.ids), sent);
        if (groups.length > 0) neighbour.took = true;
        return this.#send(id, "items", { number: message.number, groups, more });
      }
      case "items":
        return this.#itemsCame(neighbour, message, now);
      case "wantChunks": {
        const found = await Promise.all(message.hashes.map((hash) => this.#holdings.chunk(hash)));
        const chunks = found.filter((c) => c !== undefined);
        this.#send(id, "chunks", { chunks });
        return chunks.forEach(letGo);
      }
      case "chunks":
        return this.#chunksCame(neighbour, message.chunks, now);
      case "epochs": {
        neighbour.offersEpochs(message.ids);
        return this.#wantEpochs(neighbour, now);
      }
      case "wantEpochs": {
        const asked = new Set(message.ids.map(toHex));
        for (const epoch of this.#keyring.shareable())
          if (asked.has(toHex(epoch.id))) this.#send(id, "epochKey", { carried: encodeEpoch(epoch) });
        return;
      }
      case "epochKey": {
        const outcome = await this.#keyring.accept(message.carried);
        if (outcome === "refused") neighbour.strike(now);
        if (outcome === "added") this.tellEpochs(id);
        return this.#count(`epoch.${outcome}`);
      }
    }
  }

  /** From one, and where it does not come from another. A store that took nothing, or a message that was not looked at: what is lacking is asked for again, some times. */
  #wantEpochs(neighbour: Neighbour, now: Ms): void {
    const isDue = (epoch: Uint8Array): boolean => {
      const asked = this.#epochsAsked.get(toHex(epoch));
      return !asked || now >= asked.at + (asked.of === neighbour.id ? 2 : 1) * EPOCHS_AGAIN;
    };
    const lacking = neighbour.epochs.filter((e) => !this.#keyring.get(e) && isDue(e));
    if (lacking.length === 0 || !neighbour.mayAskEpochs(now)) return;
    for (const epoch of lacking) this.#epochsAsked.set(toHex(epoch), { of: neighbour.id, at: now });
    this.#send(neighbour.id, "wantEpochs", { ids: lacking });
  }

  /** Where the two differ the one with the lower id finds out in what. Who repeats itself has not heard us. */
  #digestCame(neighbour: Neighbour, fingerprint: Uint8Array, now: Ms): void {
    const first = neighbour.heard === undefined;
    const repeated = neighbour.hear(toHex(fingerprint));
    if (repeated && now >= (neighbour.toldAt ?? 0) + DIGEST) this.#tellDigest(neighbour);
    if (equal(fingerprint, this.#holdings.tree.fingerprint(""))) return;
    const leads = toHex(this.#deps.membership.self.keyId) < neighbour.id;
    // What it was told before may have come while its store was still being read.
    if (first && !leads) this.#tellDigest(neighbour);
    if (!leads || !neighbour.mayWalk(now)) return;
    neighbour.beginWalk(new Walk(this.#holdings.tree));
    this.#count("walks");
  }

  #tellCame(neighbour: Neighbour, number: number, answers: readonly Answer[], now: Ms): void {
    const found = neighbour.walk && neighbour.asking === number ? neighbour.walk.told(answers) : "unasked";
    if (found === "unasked") this.#count(found);
    else if (found === undefined) {
      neighbour.strike(now);
      neighbour.endWalk(now, false);
      this.#count("nonsense");
    } else {
      neighbour.answered();
      for (const id of found.surplus) neighbour.offer(id);
      this.#offered(neighbour, found.lacking, now);
    }
  }

  #offered(neighbour: Neighbour, ids: readonly string[], now: Ms): void {
    // What is on its way is not here, which is found sooner than that it is not.
    for (const id of ids)
      if (this.#fetching.has(id) || (!this.#holdings.tree.has(id) && !this.#large.has(id)))
        this.#fetching.offered(id, neighbour.id, now, !neighbour.isAtBroker);
  }

  async #itemsCame(neighbour: Neighbour, message: Bodies["items"], now: Ms): Promise<void> {
    const { wanted } = neighbour;
    if (!wanted || wanted.number !== message.number) return this.#count("unasked");
    neighbour.wanted = undefined;
    const left = new Set(wanted.ids);
    const arrivals: Arrival[] = [];
    for (const group of message.groups) {
      const judged = await this.#intake.judge(group);
      // What it should have brought is left over, and asked for again.
      if (judged === "unsigned" && !wanted.signed) {
        neighbour.wantsSigned = true;
        continue;
      }
      if (judged === "forged" || judged === "unsigned") {
        neighbour.strike(now);
        this.#count("forged");
        continue;
      }
      for (const id of judged.settled) this.#settle(id, left);
      for (const id of judged.refused) {
        left.delete(id);
        this.#fetching.refuse(id, now, judged.reason === "unknown author" ? UNKNOWN : undefined);
        this.#count(`refused.${judged.reason}`);
      }
      // Nothing comes that was not asked for.
      arrivals.push(...judged.arrivals.filter((a) => left.delete(a.record.id)));
    }
    const again = (message.more && message.groups.length > 0) || neighbour.wantsSigned;
    for (const id of left) {
      if (!this.#fetching.isWanted(id, neighbour.id)) continue; // another's turn meanwhile
      if (again) this.#fetching.again(id);
      else this.#fetching.failed(id);
    }
    this.#pump(neighbour); // what is asked for now is on its way while this is stored
    await this.#take(neighbour, arrivals, now);
  }

  #settle(id: string, left: Set<string>): void {
    left.delete(id);
    this.#fetching.done(id);
  }

  /** Whole records go into the store, those with chunks wait for them, those in our own name are judged. */
  async #take(neighbour: Neighbour, arrivals: readonly Arrival[], now: Ms): Promise<void> {
    const whole: Arrival[] = [];
    for (const arrival of arrivals) {
      const { id, author, leaf } = arrival.record;
      if (equal(author, this.#deps.membership.self.keyId) && this.#deps.ownCame(arrival) === "leave") {
        this.#fetching.refuse(id, now);
        continue;
      }
      const missing = leaf.chunks ? await this.#missing(leaf.chunks) : [];
      if (missing.length === 0) whole.push(arrival);
      else if (this.#large.add(arrival, missing, neighbour.id, now)) this.#fetching.done(id);
      else this.#fetching.failed(id);
    }
    await this.#keep(neighbour, whole, now);
  }

  async #missing(chunks: readonly Uint8Array[]): Promise<string[]> {
    const out: string[] = [];
    for (const hash of chunks) {
      const here = await this.#holdings.chunk(hash);
      if (here) letGo(here);
      else out.push(toHex(hash));
    }
    return out;
  }

  async #keep(neighbour: Neighbour | undefined, arrivals: readonly Arrival[], now: Ms): Promise<void> {
    for (const urgency of ["required", "deferrable"] as const) {
      const some = arrivals.filter((a) => KINDS[a.record.kind].urgency === urgency);
      if (some.length === 0) continue;
      try {
        const moved = await this.#holdings.add(some, urgency);
        for (const { record } of some) this.#fetching.done(record.id);
        if (neighbour?.walk) neighbour.walk.given += moved.added.length;
        this.#count("accepted", moved.added.length);
        this.announce(moved, neighbour?.id);
      } catch (thrown) {
        for (const { record } of some) this.#fetching.refuse(record.id, now, STORE_PAUSE);
        throw thrown;
      }
    }
  }

  async #chunksCame(neighbour: Neighbour, chunks: readonly Uint8Array[], now: Ms): Promise<void> {
    neighbour.chunksAsked = false;
    const known = chunks.map((bytes) => ({ hash: chunkHash(this.#deps.crypto, bytes), bytes }));
    const wanted = known.filter(({ hash }) => this.#large.isWanted(hash, neighbour.id));
    if (wanted.length < chunks.length) {
      neighbour.strike(now);
      this.#count("unasked");
    }
    if (wanted.length === 0) return this.#giveUp(this.#large.expire(now, neighbour.id)); // it has them not
    await this.#holdings.keepChunks(wanted);
    await this.#keep(
      neighbour,
      this.#large.arrived(
        wanted.map((w) => w.hash),
        now,
      ),
      now,
    );
  }

  /** Chunks of what will not become whole go, unless another record has them. */
  async #giveUp(arrivals: readonly Arrival[]): Promise<void> {
    const hashes = arrivals.flatMap(({ record }) => (record.leaf.chunks ?? []).map(toHex));
    if (hashes.length > 0) await this.#holdings.forgetChunks(hashes);
  }

  #pump(neighbour: Neighbour): void {
    const { id } = neighbour;
    const now = this.#deps.now();
    while (neighbour.offers.size > 0 && neighbour.mayOffer(now)) {
      const ids = neighbour.offers.values().take(IDS_PER_OFFER).toArray();
      for (const offered of ids) neighbour.offers.delete(offered);
      this.#send(id, "offer", { ids: joinIds(ids) });
    }
    if (!neighbour.wanted) {
      const ids = this.#fetching.take(id, IDS_PER_WANT, now);
      if (ids.length > 0) {
        const signed = neighbour.wantsSigned;
        neighbour.wantsSigned = false;
        neighbour.wanted = { number: ++neighbour.number, ids: new Set(ids), at: now, signed };
        this.#send(id, "want", { number: neighbour.number, ids: joinIds(ids), signed });
      }
    }
    const hashes = neighbour.chunksAsked ? [] : this.#large.wanted(id);
    if (hashes.length > 0) {
      neighbour.chunksAsked = true;
      this.#send(id, "wantChunks", { hashes });
    }
    this.#walkOn(neighbour, now);
  }

  /** A walk goes on when what it has found so far is here, so that it never runs ahead of what there is room for. */
  #walkOn(neighbour: Neighbour, now: Ms): void {
    const { walk } = neighbour;
    if (!walk || neighbour.asking !== undefined || neighbour.wanted || this.#fetching.waits(neighbour.id)) return;
    const ranges = walk.next();
    if (ranges.length === 0) neighbour.endWalk(now, walk.given > 0 || neighbour.took);
    else this.#send(neighbour.id, "ask", { number: neighbour.ask(now), ranges });
  }
}

function pauseOf({ told, heard, repeats }: Neighbour, digest: string): Ms {
  if (told !== digest) return DIGEST_AFTER_CHANGE;
  return heard === digest ? DIGEST_ALIKE : Math.min(DIGEST * 2 ** repeats, DIGEST_MAX);
}
