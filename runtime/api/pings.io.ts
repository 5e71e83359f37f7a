/** Pings that wait for their answer. */
import { type Ms, seconds } from "../base/time.ts";
import type { MeshNotice } from "../mesh/types.ts";

type Pong = Extract<MeshNotice, { kind: "pong" }>;

const PATIENCE: Ms = seconds(2);

export class Pings {
  readonly #ask: (peer: string, token: number) => void;
  readonly #waiting = new Map<number, (roundTrip: Ms) => void>();
  #next = 1;

  constructor(ask: (peer: string, token: number) => void) {
    this.#ask = ask;
  }

  /** Milliseconds until the peer's daemon answered; undefined when it does not. */
  async ping(peer: string): Promise<Ms | undefined> {
    const token = this.#next++;
    const { promise, resolve } = Promise.withResolvers<Ms | undefined>();
    this.#waiting.set(token, resolve);
    const timer = setTimeout(() => resolve(undefined), PATIENCE);
    this.#ask(peer, token);
    const roundTrip = await promise;
    clearTimeout(timer);
    this.#waiting.delete(token);
    return roundTrip;
  }

  answered({ token, roundTrip }: Pong): void {
    this.#waiting.get(token)?.(roundTrip);
  }
}
