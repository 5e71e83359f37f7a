/** What has changed in the data path since the last look. */
import type { LinkView, SessionStats } from "./port.ts";

/** Sessions that carried packets. */
export class Carried {
  #before = new Map<number, number>();

  /** Local indices, in no order. */
  look(sessions: readonly SessionStats[]): number[] {
    const before = this.#before;
    this.#before = new Map(sessions.map((s) => [s.localIndex, s.sentPackets + s.receivedPackets]));
    return [...this.#before].filter(([index, packets]) => packets > (before.get(index) ?? 0)).map(([index]) => index);
  }
}

/** Round trips are told when they differ by this factor from what was told. */
const MOVED = 1.25;

/** Round trips of the links that carry. */
export class Measured {
  readonly #told = new Map<string, number>();

  look(links: readonly LinkView[]): { peer: string; roundTrip: number }[] {
    const carrying = links.filter((l) => l.carries && !l.silent);
    const news = carrying.flatMap(({ peer, roundTripMs }) =>
      roundTripMs !== undefined && this.#hasMoved(peer, roundTripMs) ? [{ peer, roundTrip: roundTripMs }] : [],
    );
    for (const { peer, roundTrip } of news) this.#told.set(peer, roundTrip);
    return news;
  }

  #hasMoved(peer: string, roundTrip: number): boolean {
    const told = this.#told.get(peer);
    return told === undefined || roundTrip > told * MOVED || roundTrip < told / MOVED;
  }
}
