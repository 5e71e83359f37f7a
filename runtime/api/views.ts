/** What the daemon knows, as the control socket's clients are shown it. Ages in milliseconds, null where there is nothing to tell. */
import { toHex } from "../base/bytes.ts";
import { endpointKey } from "../base/endpoint.ts";
import type { Neighbour } from "../dataplane/neighbours.ts";
import type { Traffic } from "../dataplane/peer-traffic.ts";
import type { Member } from "../identity/roster.ts";
import type { PeerView } from "../mesh/types.ts";
import { type Invite, stateOf } from "../provisioning/invite-book.ts";
import type { JsonObject } from "./protocol.ts";

export const showMember = (m: Member): JsonObject => ({ name: m.name, nodeId: toHex(m.id) });

export const showInvite = (i: Invite, now: number): JsonObject => ({
  inviteId: toHex(i.id),
  expires: i.expires,
  uses: i.uses,
  subnets: i.subnets ?? [],
  used: i.admitted.length,
  state: stateOf(i, now),
  admitted: i.admitted.map((a) => a.name),
});

/** `link`: what the data path knows of a neighbour; its round trip is newer than that of the last ping. */
export const showPeer = (p: PeerView, traffic: Traffic, link?: Neighbour): JsonObject => ({
  name: p.name,
  nodeId: toHex(p.id),
  address: p.address,
  endpoint: p.endpoint ? endpointKey(p.endpoint) : null,
  state: p.state,
  wireVersion: p.wireVersion,
  suite: p.suite,
  aead: p.aead ?? null,
  pattern: p.pattern ?? null,
  handshakeAgeMs: p.handshakeAge ?? null,
  handshakeTookMs: p.handshakeTook ?? null,
  lastSeenMs: p.lastSeen ?? null,
  roundTripMs: link?.roundTripMs ?? p.roundTrip ?? null,
  link: link?.roundTripMs === undefined ? null : link.silent ? "silent" : "alive",
  pathMtu: p.pathMtu ?? null,
  rekeys: p.rekeys,
  sessionAgeMs: p.sessionAge ?? null,
  traffic: { ...traffic },
});
