/** Routes and links as the control socket's clients are shown them: by name, and with the reason. */
import type { Edge, PeerView, Way } from "../mesh/types.ts";
import type { Json, JsonObject } from "./protocol.ts";

export interface RoutesPort {
  readonly self: { readonly name: string; readonly address: string };
  peers(): readonly PeerView[];
  wayTo(address: string): Way | undefined;
  links(): readonly Edge[];
  /** Of a member by its overlay address; the address itself when nobody has it any more. */
  nameAt(address: string): string;
}

/** To every other member. */
export const showRoutes = (port: RoutesPort): Json => ({
  self: port.self.name,
  routes: port.peers().map((peer) => showRoute(port, peer)),
});

function showRoute(port: RoutesPort, peer: PeerView): JsonObject {
  const way = port.wayTo(peer.address);
  const named = (address: string | undefined): string | null => (address === undefined ? null : port.nameAt(address));
  return {
    name: peer.name,
    address: peer.address,
    state: peer.state,
    hops: (way?.hops ?? []).map(port.nameAt),
    cost: way?.cost ?? null,
    primary: named(way?.primary),
    backup: named(way?.backup),
    why: way?.why ?? "no-way",
  };
}

/** Who is linked to whom, as both ends tell it. */
export function showGraph(port: RoutesPort): Json {
  const trips = new Map(port.peers().map((p) => [p.address, p.roundTrip]));
  const members = [port.self, ...port.peers()].map((m) => ({ name: m.name, address: m.address }));
  const links = port.links().map(({ ends, values, cost }) => {
    const other = ends.find((end) => end !== port.self.address) as string;
    return {
      ends: ends.map(port.nameAt),
      cost: cost ?? null,
      says: values.map((value) => value ?? null),
      roundTripMs: ends.includes(port.self.address) ? (trips.get(other) ?? null) : null,
    };
  });
  return { self: port.self.name, members, links };
}
