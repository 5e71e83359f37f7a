/** How others can reach this gateway, as the control socket's clients are shown it. */
import { toHex } from "../base/bytes.ts";
import { endpointKey } from "../base/endpoint.ts";
import type { PeerView, Reachability } from "../mesh/types.ts";
import type { Json } from "./protocol.ts";

export interface NetcheckPort {
  /** UDP port of the underlay. */
  readonly port: number;
  readonly reachability: Reachability;
  readonly peers: readonly PeerView[];
  /** Where members are looked for by beacons; the reason why they are not looked for. */
  readonly discovery: { readonly on: readonly string[]; readonly reason: string };
}

export const showNetcheck = ({ port, reachability, peers, discovery }: NetcheckPort): Json => {
  const names = new Map(peers.map((p) => [toHex(p.id), p.name]));
  return {
    port,
    told: [...reachability.own],
    nat: reachability.nat.map(({ family, kind, outer, observers }) => ({ family, kind, outer: [...outer], observers })),
    observed: reachability.observed.map((o) => ({
      peer: names.get(o.peer) ?? o.peer,
      at: endpointKey(o.at),
      seen: endpointKey(o.seen),
    })),
    beacons: { on: [...discovery.on], reason: discovery.reason },
  };
};
