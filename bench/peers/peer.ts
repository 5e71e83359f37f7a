/** A system that is measured: where its programs come from, and how its daemons are set up on a star. */
import type { Star } from "./star.ts";

/** Paths of programs, by name. */
export type Programs = Readonly<Record<string, string>>;

export interface Found {
  readonly programs: Programs;
  readonly version: string;
}

/** A tunnel from a to b as a program sees it. */
export interface System {
  readonly name: string;
  readonly star: Star;
  /** Inner address of b. */
  readonly address: string;
  /** Processes of the daemons at a and b. */
  readonly pids: readonly number[];
  /** Process of the daemon at the relay. */
  readonly relay: number | undefined;
}

export interface Peer {
  readonly name: string;
  /** How a relay carries the traffic of others; absent when it cannot. */
  readonly relays?: string;
  /** Its programs; or why they cannot be had here. */
  find(): Promise<Found | { readonly missing: string }>;
  /** Starts the daemons; resolves to the inner address of b and the processes in the order of the star's nodes. */
  start(star: Star, programs: Programs): Promise<{ address: string; pids: readonly number[] }>;
}

/** Starts a peer on a star that is built; resolves once packets cross. */
export async function startOn(star: Star, peer: Peer, programs: Programs): Promise<System> {
  const { address, pids } = await peer.start(star, programs);
  await star.untilCrosses(address);
  const [hub, ...leaves] = pids as [number, ...number[]];
  const ends = star.relayed ? leaves : [hub, ...leaves];
  return { name: peer.name, star, address, pids: ends, relay: star.relayed ? hub : undefined };
}
