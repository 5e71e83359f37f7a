/** Which sessions have carried packets since the last look. */
import type { SessionStats } from "./port.ts";

export class Carried {
  #before = new Map<number, number>();

  /** Local indices, in no order. */
  look(sessions: readonly SessionStats[]): number[] {
    const before = this.#before;
    this.#before = new Map(sessions.map((s) => [s.localIndex, s.sentPackets + s.receivedPackets]));
    return [...this.#before].filter(([index, packets]) => packets > (before.get(index) ?? 0)).map(([index]) => index);
  }
}
