/** Neighbours are peers that we have a session with over the underlay itself. Each tells the others where its neighbours are. */
import { type Endpoint, endpointKey } from "../base/endpoint.ts";
import type { Hint } from "./gossip/message.ts";
import type { Peer } from "./peers.ts";

/** "Through the mesh": an overlay address with port 0 stands where an endpoint does. */
export const through = (address: string): Endpoint => ({ address, port: 0 });
export const isThrough = (e: Endpoint): boolean => e.port === 0;

/** Spoken to over the underlay, whether or not it answers at the moment. */
export const isAdjacent = (p: Peer): boolean =>
  p.current !== undefined && p.member !== undefined && p.endpoint !== undefined && !isThrough(p.endpoint);

export const isNeighbour = (p: Peer): boolean => isAdjacent(p) && !p.silent;

/** What we tell the others of our neighbours, in a fixed order. */
export const neighbourList = (peers: readonly Peer[], max: number): Hint[] =>
  peers
    .filter(isNeighbour)
    .slice(0, max)
    .map((p) => ({
      id: p.id,
      endpoint: endpointKey(p.endpoint as Endpoint),
      ...(p.own.length > 0 && { others: p.own }),
    }));
