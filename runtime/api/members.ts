/** Who belongs to the mesh, and who does not any more, as this gateway knows it. */
import { toHex } from "../base/bytes.ts";
import type { Member, Roster } from "../identity/roster.ts";
import type { PeerView } from "../mesh/types.ts";
import type { Json } from "./protocol.ts";

/** `self`: our overlay address. A revoked node's name goes with its certificate: its id, why and by whom are what is left. */
export function showMembers(roster: Roster, self: string, peers: readonly PeerView[]): Json {
  const states = new Map<string, string>(peers.map((p) => [p.address, p.state]));
  const nameOf = (id: Uint8Array): string => roster.byId(id)?.name ?? toHex(id);
  const show = (m: Member): Json => ({
    name: m.name,
    nodeId: toHex(m.id),
    address: m.address,
    roles: m.certificate.roles,
    capabilities: m.certificate.capabilities,
    subnets: m.certificate.subnets,
    issuer: m.certificate.issuer ? nameOf(m.certificate.issuer) : null,
    serial: m.certificate.serial,
    expires: m.certificate.expires ?? null,
    state: m.address === self ? "self" : (states.get(m.address) ?? "down"),
  });
  const out = roster.revocationsKnown().filter((r) => r.scope === "node" && !roster.byId(r.target));
  const revoked = new Map(out.map((r) => [toHex(r.target), r]));
  return {
    members: roster.list().map(show),
    revoked: [...revoked].map(([nodeId, r]) => ({
      nodeId,
      reason: r.reason,
      by: r.revoker ? nameOf(r.revoker.leaf.id) : "root",
    })),
  };
}
