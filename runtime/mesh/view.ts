/** A peer as the operator sees it. */
import type { Ms } from "../base/time.ts";
import { SUITE, WIRE_VERSION } from "./frame.ts";
import { silentAt } from "./life-signs.ts";
import { isThrough } from "./neighbours.ts";
import type { Peer } from "./peers.ts";
import type { MeshSettings, RosterMember } from "./ports.ts";
import type { PeerState, PeerView } from "./types.ts";

/** `via`: the neighbour that leads to it. */
export function viewOf(
  member: RosterMember,
  peer: Peer | undefined,
  via: string | undefined,
  now: Ms,
  settings: MeshSettings,
): PeerView {
  const { id, name, address } = member;
  const keys = peer?.current?.keys;
  return {
    id,
    name,
    address,
    endpoint: peer?.endpoint && isThrough(peer.endpoint) ? undefined : peer?.endpoint,
    via: peer?.endpoint && isThrough(peer.endpoint) ? via : undefined,
    state: stateOf(peer, now, settings),
    sessionAge: peer?.upSince === undefined ? undefined : now - peer.upSince,
    handshakeAge: peer?.current && now - peer.current.created,
    handshakeTook: keys?.took,
    lastSeen: peer?.current && now - peer.lastHeard,
    pathMtu: peer?.path.size,
    roundTrip: peer?.roundTrip,
    wireVersion: WIRE_VERSION,
    suite: SUITE,
    aead: keys?.data.aead,
    pattern: keys?.pattern,
    kept: peer?.kept ?? false,
    sessionId: keys?.sessionId,
    localIndex: keys?.data.localIndex,
    rekeys: peer?.rekeys ?? 0,
    control: { sent: peer?.sent ?? 0, received: peer?.received ?? 0 },
  };
}

function stateOf(peer: Peer | undefined, now: Ms, settings: MeshSettings): PeerState {
  if (peer?.current) return now >= silentAt(peer, settings) ? "silent" : "up";
  if (peer && now < peer.attemptUntil) return "connecting";
  return !peer || peer.kept || now < peer.wantedUntil ? "down" : "idle";
}
