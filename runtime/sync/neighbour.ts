/** What a replica keeps of one neighbour: bounded, whatever it does. */
import { Muting } from "../base/muting.ts";
import { type Ms, seconds } from "../base/time.ts";
import { Recent } from "./recent.ts";
import type { Walk } from "./walk.ts";

/** Messages that are answered: so many at once, so many a second. */
const BURST = 200;
const RATE = 100;
/** Of them offers to it. */
const OFFER_BURST = 20;
const OFFER_RATE = 20;
/** New ids that wait to be told; more are found by reconciliation. */
const OFFERS_MAX = 8_192;
const SENT_MAX = 1_024;
/** Pause between walks that found nothing, doubled up to the second. */
const WALK_PAUSE: Ms = seconds(5);
const WALK_PAUSE_MAX: Ms = seconds(30);
/** No answer: asked again, and given up after some times. */
const ANSWER_PATIENCE: Ms = seconds(3);
const ASKS_MAX = 4;

export class Neighbour {
  readonly id: string;
  /** Met at brokers, which may withhold: who is reached otherwise is asked first. */
  readonly isAtBroker: boolean;
  /** Ids to offer. */
  readonly offers = new Set<string>();
  /** What it was told last about all we have, and when. */
  told = "";
  toldAt: Ms | undefined;
  /** How often that was told before without a change. */
  repeats = 0;
  /** How many group keys it may have was told with it. */
  toldEpochs = 0;
  /** What it told last about all it has. */
  heard: string | undefined;
  /** Ids of the group keys that it may give us, and when they were asked for last. */
  epochs: readonly Uint8Array[] = [];
  epochsAskedAt: Ms = 0;
  #epochAsks = 0;
  /** A walk that we lead, the number of what it asks and waits for, and since when. */
  walk: Walk | undefined;
  number = 0;
  asking: number | undefined;
  askedAt: Ms = 0;
  /** Whether it took something that we offered since the walk began. */
  took = false;
  /** Batches whose signature it has got from us. */
  readonly sentBatches = new Recent<true>(SENT_MAX);
  /** Whether it shall send signatures in any case: one that it thinks we have is not here. */
  wantsSigned = false;
  /** Number of the records that it was asked for, and which. */
  wanted:
    | { readonly number: number; readonly ids: ReadonlySet<string>; readonly at: Ms; readonly signed: boolean }
    | undefined;
  /** Whether it was asked for chunks that have not come. */
  chunksAsked = false;
  readonly #muting = new Muting();
  #asks = 0;
  #tokens = BURST;
  #offerTokens = OFFER_BURST;
  #offeredAt: Ms;
  #filledAt: Ms;
  #walkAfter: Ms = 0;
  #pause: Ms = WALK_PAUSE;

  constructor(id: string, now: Ms, isAtBroker = false) {
    this.id = id;
    this.isAtBroker = isAtBroker;
    this.#filledAt = now;
    this.#offeredAt = now;
  }

  /** Whether a message of it is looked at. */
  admits(now: Ms): boolean {
    if (this.#muting.isMuted(now)) return false;
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#filledAt) * RATE) / 1000);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** It sent what does not hold. */
  strike(now: Ms): void {
    this.#muting.spoil(now);
    if (this.#muting.isMuted(now)) this.endWalk(now, false);
  }

  /** Whether it tells the same as before. */
  hear(digest: string): boolean {
    const repeated = this.heard === digest;
    if (!repeated) this.repeats = 0;
    this.heard = digest;
    return repeated;
  }

  offersEpochs(ids: readonly Uint8Array[]): void {
    this.epochs = ids;
    this.#epochAsks = 0;
  }

  mayAskEpochs(now: Ms): boolean {
    if (this.#epochAsks >= ASKS_MAX) return false;
    this.#epochAsks++;
    this.epochsAskedAt = now;
    return true;
  }

  /** New records one by one are not to cost it all that it looks at. */
  mayOffer(now: Ms): boolean {
    this.#offerTokens = Math.min(OFFER_BURST, this.#offerTokens + ((now - this.#offeredAt) * OFFER_RATE) / 1000);
    this.#offeredAt = now;
    if (this.#offerTokens < 1) return false;
    this.#offerTokens--;
    return true;
  }

  offer(id: string): void {
    if (this.offers.size < OFFERS_MAX) this.offers.add(id);
  }

  mayWalk(now: Ms): boolean {
    return !this.walk && now >= this.#walkAfter;
  }

  beginWalk(walk: Walk): void {
    this.walk = walk;
    this.took = false;
    this.answered();
  }

  /** The number of what is asked now. */
  ask(now: Ms): number {
    this.asking = ++this.number;
    this.askedAt = now;
    return this.asking;
  }

  /** An answer that does not come is asked for again, and then waited for no longer. */
  hurry(now: Ms): void {
    if (this.asking === undefined || now <= this.askedAt + ANSWER_PATIENCE) return;
    this.asking = undefined;
    if (++this.#asks >= ASKS_MAX) this.walk = undefined;
  }

  answered(): void {
    this.asking = undefined;
    this.#asks = 0;
  }

  /** A walk that led to nothing makes the next one wait longer: the other lies, or has what we may not take. */
  endWalk(now: Ms, fruitful: boolean): void {
    this.walk = undefined;
    this.asking = undefined;
    this.#pause = fruitful ? WALK_PAUSE : Math.min(2 * this.#pause, WALK_PAUSE_MAX);
    this.#walkAfter = fruitful ? now : now + this.#pause;
  }
}
