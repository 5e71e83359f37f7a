/** The last things that happened, numbered, so that who asks again and again misses none, or learns how many. */
import type { Json, JsonObject } from "./protocol.ts";

const KEPT = 512;

export interface LoggedEvent extends JsonObject {
  readonly number: number;
  /** Unix time, ms. */
  readonly at: number;
  readonly kind: string;
}

export class EventLog {
  readonly #unixMs: () => number;
  readonly #events: LoggedEvent[] = [];
  #next = 1;

  constructor(unixMs: () => number) {
    this.#unixMs = unixMs;
  }

  add(kind: string, fields: JsonObject): void {
    this.#events.push({ ...fields, number: this.#next++, at: this.#unixMs(), kind });
    if (this.#events.length > KEPT) this.#events.shift();
  }

  /** All with a higher number; none for who does not say after which. */
  after(number: number | undefined): Json {
    const first = this.#events[0]?.number ?? this.#next;
    const from = number === undefined ? this.#next - 1 : number;
    const events = this.#events.filter((e) => e.number > from);
    return { next: this.#next - 1, skipped: Math.max(0, first - 1 - from), events };
  }
}
