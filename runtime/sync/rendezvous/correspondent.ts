/** What is kept of one member that was at a broker: bounded, whatever the broker does. */
import { toHex } from "../../base/bytes.ts";
import { type Ms, minutes, seconds } from "../../base/time.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { Recent } from "../recent.ts";
import { type End, letterKey, openLetter, sealLetter } from "./envelope.ts";
import { Seen } from "./seen.ts";

/** Who was not heard for so long is asked whether it is there, and then counts as gone. */
const QUIET: Ms = seconds(30);
export const GONE: Ms = seconds(100);
/** Between greetings that are not answered: doubled each time. */
const GREET: Ms = seconds(1);
const GREET_MAX: Ms = minutes(1);
/** So many in vain, and it counts as gone, whoever says that it is here. */
const GREETINGS_MAX = 6;
/** Earlier incarnations that cannot come back: one for each of its starts during our run. */
const ENDED_MAX = 64;

/** Between one incarnation of it and ours. */
interface Line {
  /** Its incarnation, hex. */
  readonly name: string;
  readonly seals: Uint8Array;
  readonly opens: Uint8Array;
  readonly seen: Seen;
}

export class Correspondent {
  readonly id: string;
  /** Where it gets its letters. */
  readonly topic: string;
  /** When it was told of revocations and members that it may lack. */
  toldAt: Ms = Number.NEGATIVE_INFINITY;
  /** When it was given chains. */
  gaveAt: Ms = Number.NEGATIVE_INFINITY;
  readonly #crypto: CryptoProvider;
  readonly #pair: Uint8Array;
  readonly #self: End;
  readonly #node: Uint8Array;
  /** What it is said to be now. Whoever was in the mesh once can say so: it is greeted, and counts when it answers. */
  #hinted: Line | undefined;
  /** What it proved to be, by a letter to what we are now. */
  #line: Line | undefined;
  #isAlive = false;
  readonly #ended = new Recent<true>(ENDED_MAX);
  /** Brokers that brought something of it, and when. */
  readonly #brokers = new Map<string, Ms>();
  #heardAt: Ms = Number.NEGATIVE_INFINITY;
  #announcedAt: Ms = Number.NEGATIVE_INFINITY;
  #greetedAt: Ms = Number.NEGATIVE_INFINITY;
  #greetPause: Ms = GREET;
  /** Greetings since it was heard. */
  #unanswered = 0;

  constructor(crypto: CryptoProvider, pair: Uint8Array, self: End, id: Uint8Array, topic: string) {
    this.#crypto = crypto;
    this.#pair = pair;
    this.#self = self;
    this.#node = id;
    this.id = toHex(id);
    this.topic = topic;
  }

  /** Which of its incarnations (hex) is there and proved it. */
  get proven(): string | undefined {
    return this.#isAlive ? this.#line?.name : undefined;
  }

  /** It is said to be at this broker. */
  announced(broker: string, incarnation: Uint8Array, now: Ms): void {
    const name = toHex(incarnation);
    if (this.#ended.get(name)) return; // an old announcement
    this.#brokers.set(broker, now);
    this.#announcedAt = now;
    if (name === this.#line?.name || name === this.#hinted?.name) return;
    this.#hinted = this.#lineTo(name, incarnation);
    this.#greetPause = GREET;
    this.#unanswered = 0;
  }

  /** What a letter says; or why it does not count: it is not between us as we are now, or it was here before. */
  open(
    broker: string,
    incarnation: Uint8Array,
    counter: number,
    letter: Uint8Array,
    now: Ms,
  ): { readonly message: Uint8Array } | "unopened" | "replayed" {
    const name = toHex(incarnation);
    if (this.#ended.get(name)) return "replayed";
    const known = [this.#line, this.#hinted].find((line) => line?.name === name);
    const line = known ?? this.#lineTo(name, incarnation);
    const message = openLetter(this.#crypto, line.opens, counter, letter);
    if (!message) return "unopened";
    if (!line.seen.accept(counter)) return "replayed";
    if (line !== this.#line) this.#begin(line);
    this.#isAlive = true;
    this.#heardAt = now;
    this.#brokers.set(broker, now);
    this.#greetPause = GREET;
    this.#unanswered = 0;
    return { message };
  }

  #begin(line: Line): void {
    if (this.#line) this.#ended.set(this.#line.name, true);
    if (this.#hinted === line) this.#hinted = undefined;
    this.#line = line;
  }

  /** For what it proved to be. */
  seal(counter: number, message: Uint8Array): Uint8Array | undefined {
    return this.#isAlive && this.#line ? sealLetter(this.#crypto, this.#line.seals, counter, message) : undefined;
  }

  /**
   * A letter that greets, where one is due: to what it is said to be, when we keep it or knew it before; to what it is, when we keep it and
   * it is quiet; and once in a while, when it is said to be here and did not answer.
   */
  greet(counter: number, message: Uint8Array, kept: boolean, now: Ms): Uint8Array | undefined {
    const isWanted = kept || this.#isAlive;
    const isQuiet = kept && now >= this.#heardAt + QUIET;
    const again = this.#unanswered >= GREETINGS_MAX && this.#announcedAt > this.#greetedAt;
    const line = (isWanted || again ? this.#hinted : undefined) ?? (isQuiet || again ? this.#line : undefined);
    if (!line || now < this.#greetedAt + this.#greetPause) return undefined;
    this.#greetedAt = now;
    this.#greetPause = Math.min(2 * this.#greetPause, GREET_MAX);
    this.#unanswered++;
    return sealLetter(this.#crypto, line.seals, counter, message);
  }

  /** To be called some times a second. Whether it counts as there; `patience`: how long an announcement counts. */
  look(now: Ms, patience: Ms): boolean {
    if (this.#isAlive && now >= this.#heardAt + GONE) {
      this.#isAlive = false;
      this.#line?.seen.close(); // what it wrote before must not come back as news
    }
    for (const [broker, at] of this.#brokers) if (now >= at + patience) this.#brokers.delete(broker);
    return this.#isAlive || (this.#unanswered < GREETINGS_MAX && now < this.#announcedAt + patience);
  }

  /** Brokers where it was heard of lately. */
  get brokers(): Iterable<string> {
    return this.#brokers.keys();
  }

  #lineTo(name: string, incarnation: Uint8Array): Line {
    const other = { id: this.#node, incarnation };
    return {
      name,
      seals: letterKey(this.#crypto, this.#pair, this.#self, other),
      opens: letterKey(this.#crypto, this.#pair, other, this.#self),
      seen: new Seen(),
    };
  }
}
