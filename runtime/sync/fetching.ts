/** Which records are on their way, from whom, and who else has offered them: each comes once, and what one withholds another is asked for. */
import type { Ms } from "../base/time.ts";
import { seconds } from "../base/time.ts";

/** A neighbour that has not delivered by then is passed over. */
const PATIENCE: Ms = seconds(3);
/** Most ids that wait; more are found again by reconciliation. */
const FETCHES_MAX = 16_384;
const SOURCES_MAX = 4;
/** Nothing came so often: given up until it is offered again. */
const MISSES_MAX = 4;
/** What did not hold, or came not, is not asked for again so soon. */
const REFUSED: Ms = seconds(30);
const REFUSED_MAX = 8_192;

interface Fetch {
  /** Whom it is to come from, first first. */
  readonly sources: string[];
  /** Whether one that leads is among them. */
  isLed: boolean;
  /** Undefined while it waits for its turn. */
  asked: Ms | undefined;
  /** How often nothing came. */
  misses: number;
}

export class Fetching {
  readonly #fetches = new Map<string, Fetch>();
  readonly #waiting = new Map<string, Set<string>>();
  readonly #refused = new Map<string, Ms>();

  get size(): number {
    return this.#fetches.size;
  }

  has(id: string): boolean {
    return this.#fetches.has(id);
  }

  /** `source` has the record. One that `leads` is asked before all others. False when it is not wanted: refused lately, or too much waits. */
  offered(id: string, source: string, now: Ms, leads = false): boolean {
    if ((this.#refused.get(id) ?? 0) > now) return false;
    const known = this.#fetches.get(id);
    if (known) {
      if (known.sources.includes(source)) return true;
      if (leads) this.#putAhead(id, known, source);
      else if (known.sources.length < SOURCES_MAX) known.sources.push(source);
      return true;
    }
    if (this.#fetches.size >= FETCHES_MAX) return false;
    this.#fetches.set(id, { sources: [source], isLed: leads, asked: undefined, misses: 0 });
    this.#line(source).add(id);
    return true;
  }

  /** Ahead of all that do not lead; what one of those was asked for may come from there all the same. */
  #putAhead(id: string, fetch: Fetch, source: string): void {
    if (!fetch.isLed) this.#line(fetch.sources[0] as string).delete(id);
    fetch.sources.splice(fetch.isLed ? 1 : 0, 0, source);
    fetch.sources.splice(SOURCES_MAX);
    if (!fetch.isLed) this.again(id);
    fetch.isLed = true;
  }

  /** Up to `limit` ids to ask `source` for now. */
  take(source: string, limit: number, now: Ms): string[] {
    const line = this.#line(source);
    const out: string[] = [];
    for (const id of line) {
      if (out.length === limit) break;
      line.delete(id);
      const fetch = this.#fetches.get(id);
      if (fetch) fetch.asked = now;
      if (fetch) out.push(id);
    }
    return out;
  }

  waits(source: string): boolean {
    return (this.#waiting.get(source)?.size ?? 0) > 0;
  }

  isWanted(id: string, source: string): boolean {
    const fetch = this.#fetches.get(id);
    return fetch?.asked !== undefined && fetch.sources[0] === source;
  }

  /** It is here, whoever gave it. */
  done(id: string): void {
    const fetch = this.#fetches.get(id);
    if (fetch) this.#line(fetch.sources[0] as string).delete(id);
    this.#fetches.delete(id);
  }

  /** It goes to the end of the line of who has it. */
  again(id: string): void {
    const fetch = this.#fetches.get(id);
    if (!fetch) return;
    fetch.asked = undefined;
    this.#line(fetch.sources[0] as string).add(id);
  }

  /** Its source has it not: the next one's turn. */
  failed(id: string): void {
    const fetch = this.#fetches.get(id);
    if (!fetch) return;
    this.#line(fetch.sources.shift() as string).delete(id);
    if (fetch.sources.length === 0) this.#fetches.delete(id);
    else this.again(id);
  }

  /** What came did not hold. */
  refuse(id: string, now: Ms, forHow: Ms = REFUSED): void {
    this.done(id);
    this.#refused.delete(id);
    if (this.#refused.size >= REFUSED_MAX) this.#refused.delete(this.#refused.keys().next().value as string);
    this.#refused.set(id, now + forHow);
  }

  /** Passes over sources that did not deliver: each comes last then. Gives how often that was. */
  expire(now: Ms): number {
    let late = 0;
    for (const [id, fetch] of this.#fetches) {
      if (fetch.asked === undefined || fetch.asked + PATIENCE > now) continue;
      late++;
      fetch.sources.push(fetch.sources.shift() as string);
      if (++fetch.misses < MISSES_MAX) this.again(id);
      else this.#fetches.delete(id);
    }
    return late;
  }

  /** The neighbour is gone. */
  forget(source: string): void {
    this.#waiting.delete(source);
    for (const [id, fetch] of this.#fetches) {
      if (fetch.sources[0] === source) this.failed(id);
      else if (fetch.sources.includes(source)) fetch.sources.splice(fetch.sources.indexOf(source), 1);
    }
    this.#waiting.delete(source);
  }

  #line(source: string): Set<string> {
    const line = this.#waiting.get(source) ?? new Set<string>();
    this.#waiting.set(source, line);
    return line;
  }
}
