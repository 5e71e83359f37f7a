/**
 * How often peers show each other that they live, and when one counts as silent. A frame through the mesh costs as much again on every hop, and that
 * the mesh leads to a peer is known from link state within a second. So who is spoken to through the mesh shows rarely what goes on behind that: it is asked
 * at once where something is to be sent or no way leads there any more, and counts as silent when it has been asked for as long as a neighbour would be.
 */
import { type Ms, seconds } from "../base/time.ts";
import { isThrough } from "./neighbours.ts";
import type { Peer } from "./peers.ts";
import type { MeshSettings } from "./ports.ts";

const FAR_LATER: Ms = seconds(50);

/** Of digests, keepalives and questions: by how much later they come than those of a neighbour. */
export const laterFor = ({ endpoint }: Pick<Peer, "endpoint">): Ms => (endpoint && isThrough(endpoint) ? FAR_LATER : 0);

/** When the peer counts as silent if nothing is heard of it; not to come before it has been asked. */
export const silentAt = (
  { lastHeard, askedSince }: Pick<Peer, "lastHeard" | "askedSince">,
  { askAfter, silentAfter }: MeshSettings,
): Ms => Math.max(lastHeard + silentAfter, askedSince + silentAfter - askAfter);
