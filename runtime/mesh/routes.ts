/**
 * Which neighbour leads to whom. A neighbour is a peer that we have a session with over the underlay itself; each tells the
 * others who its neighbours are, so what it tells leads one hop further. Longer ways are left to a routing protocol.
 */
import { toHex } from "../base/bytes.ts";
import { type Endpoint, endpointKey } from "../base/endpoint.ts";
import type { Hint } from "./gossip/message.ts";
import type { Peer } from "./peers.ts";

/** "Through the mesh": an overlay address with port 0 stands where an endpoint does. */
export const through = (address: string): Endpoint => ({ address, port: 0 });
export const isThrough = (e: Endpoint): boolean => e.port === 0;

export const isNeighbour = (p: Peer): boolean =>
  p.current !== undefined && !p.silent && p.member !== undefined && p.endpoint !== undefined && !isThrough(p.endpoint);

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

export interface Route {
  /** Overlay addresses of neighbours. */
  readonly primary: string;
  readonly backup: string | undefined;
}

export type RouteChange = { readonly destination: string } & (
  | { readonly route: Route }
  | { readonly route: undefined }
);

export class Routes {
  #routes = new Map<string, Route>();

  /** To an overlay address; undefined when no neighbour leads there. */
  to(address: string): Route | undefined {
    return this.#routes.get(address);
  }

  /** Computes all routes anew and gives what changed. */
  update(peers: readonly Peer[]): RouteChange[] {
    const neighbours = peers.filter(isNeighbour).sort(nearerFirst);
    const next = new Map<string, Route>();
    for (const p of peers) {
      if (!p.member) continue;
      const key = toHex(p.id);
      const leading = neighbours.filter((n) => n !== p && n.reaches.has(key));
      const [primary, backup] = isNeighbour(p) ? [p, ...leading] : leading;
      const route = { primary: addressOf(primary), backup: addressOf(backup) };
      if (route.primary !== undefined) next.set(p.member.address, { ...route, primary: route.primary });
    }
    const before = this.#routes;
    this.#routes = next;
    const gone = [...before.keys()]
      .filter((d) => !next.has(d))
      .map((destination) => ({ destination, route: undefined }));
    const changed = [...next].filter(([destination, route]) => !isSame(before.get(destination), route));
    return [...gone, ...changed.map(([destination, route]) => ({ destination, route }))];
  }
}

const addressOf = (p: Peer | undefined): string | undefined => p?.member?.address;
const isSame = (a: Route | undefined, b: Route): boolean => a?.primary === b.primary && a?.backup === b.backup;

/** By measured round trip in steps of 20 ms, so that noise does not move routes; then by address. */
function nearerFirst(a: Peer, b: Peer): number {
  const step = (p: Peer): number => Math.round((p.roundTrip ?? 1000) / 20);
  return step(a) - step(b) || ((addressOf(a) as string) < (addressOf(b) as string) ? -1 : 1);
}
