/** Neighbours by their links. */
import type { LinkView } from "./port.ts";

export interface Neighbour {
  /** Overlay address. */
  readonly peer: string;
  /** It answers over no link. */
  readonly silent: boolean;
  /** Of the last answer over the link that carries, or carried last; undefined before the first. */
  readonly roundTripMs: number | undefined;
  /** What went on to it; `bytes` are UDP payload. */
  readonly frames: number;
  readonly bytes: number;
}

export function neighboursOf(links: readonly LinkView[]): Neighbour[] {
  const byPeer = Map.groupBy(links, (link) => link.peer);
  return [...byPeer].map(([peer, own]) => ({
    peer,
    silent: own.every((link) => link.silent),
    roundTripMs: (own.find((link) => link.carries) ?? own[0])?.lastRoundTripMs,
    frames: own.reduce((sum, link) => sum + link.frames, 0),
    bytes: own.reduce((sum, link) => sum + link.bytes, 0),
  }));
}
