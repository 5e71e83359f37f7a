/** Questions to other daemons that wait for an answer. */
import type { Ms } from "./base/time.ts";
import { seconds } from "./base/time.ts";
import type { MeshNotice } from "./mesh/types.ts";

const PATIENCE = seconds(2);

type Pong = Extract<MeshNotice, { kind: "pong" }>;

export class Pings {
  readonly #waiting = new Map<number, (roundTrip: Ms) => void>();
  readonly #ask: (peer: string, token: number) => void;
  #next = 1;

  constructor(ask: (peer: string, token: number) => void) {
    this.#ask = ask;
  }

  /** Until the peer's daemon answered; undefined when it does not. */
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

  hear({ token, roundTrip }: Pong): void {
    this.#waiting.get(token)?.(roundTrip);
  }
}
