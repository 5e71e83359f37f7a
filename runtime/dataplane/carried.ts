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

/** A link with a meter is as dear for the mesh as one with this round trip, ms. */
const METERED = 10_000;

interface Standing {
  readonly peer: string;
  readonly roundTrip: number;
  readonly shut: boolean;
}

/** Round trips of the links that carry, and which neighbours may be sent nothing but control. */
export class Measured {
  readonly #told = new Map<string, Standing>();

  look(links: readonly LinkView[]): Standing[] {
    const living = Map.groupBy(
      links.filter((l) => !l.silent),
      (l) => l.peer,
    );
    const news = [...living.values()].flatMap((own) => {
      const best = own.find((l) => l.carries) ?? own.find((l) => l.capped);
      if (best?.roundTripMs === undefined) return [];
      const roundTrip = best.roundTripMs + best.cost + (best.metered ? METERED : 0);
      const now = { peer: best.peer, roundTrip, shut: !best.carries };
      return this.#hasMoved(now) ? [now] : [];
    });
    for (const each of news) this.#told.set(each.peer, each);
    return news;
  }

  #hasMoved({ peer, roundTrip, shut }: Standing): boolean {
    const told = this.#told.get(peer);
    return told?.shut !== shut || roundTrip > told.roundTrip * MOVED || roundTrip < told.roundTrip / MOVED;
  }
}
