/** What must hold of a large mesh at every step, judged by following the next hops that gateways gave their data paths. */
import { RELAY_TTL } from "../../../runtime/mesh/frame.ts";
import { REASSEMBLY_SLOTS } from "../../../runtime/mesh/handshake/reassembly.ts";
import { SLOTS } from "../../../runtime/mesh/handshake/responder.ts";
import { ALTERNATES_MAX, DISTRUSTED_MAX } from "../../../runtime/mesh/routing/next-hops.ts";
import type { LargeMesh, Node } from "./world.ts";

export interface Verdict {
  readonly pairs: number;
  readonly loops: number;
  readonly holes: number;
  /** The first few, in words. */
  readonly examples: readonly string[];
}

/** Of the ways from some gateways to all that run and that the underlay does not keep apart. */
export function judge(mesh: LargeMesh, from: readonly Node[]): Verdict {
  const out = { pairs: 0, loops: 0, holes: 0 };
  const examples: string[] = [];
  for (const source of from)
    for (const to of mesh.nodes) {
      if (to === source || !source.gateway.running || !to.gateway.running || mesh.isParted(source, to)) continue;
      out.pairs++;
      const end = follow(mesh, source, to);
      if (end === "there") continue;
      out[end === "loop" ? "loops" : "holes"]++;
      if (examples.length < 5) examples.push(`${source.gateway.label} to ${to.gateway.label}: a ${end}`);
    }
  return { ...out, examples };
}

export const isSound = (v: Verdict): boolean => v.loops + v.holes === 0;

function follow(mesh: LargeMesh, source: Node, to: Node): "there" | "loop" | "hole" {
  let at = source;
  for (let hops = 0; hops <= mesh.nodes.length; hops++) {
    if (at === to) return hops <= RELAY_TTL ? "there" : "hole";
    const next = mesh.node(at.routes.get(to.address) ?? "");
    if (!next?.gateway.running || mesh.isApart(at, next)) return "hole";
    at = next;
  }
  return "loop";
}

/** Handshakes with one peer at a time: a new one begins beside those that nobody has answered yet. */
const ATTEMPTS = 13;

/** Entries of tables that a gateway holds, at most, with so many members. Lists: a page of each, and some have two. */
const boundsOf = (members: number): Readonly<Record<string, number>> => ({
  peers: members,
  initiators: ATTEMPTS * members,
  responder: SLOTS,
  reassembly: REASSEMBLY_SLOTS,
  lists: 2 * members,
  wanted: 2 * members,
  held: 2 * members,
  trees: 1 + ALTERNATES_MAX + DISTRUSTED_MAX,
});

/** Gateways whose tables have grown beyond what members and neighbours account for. */
export function overgrown(mesh: LargeMesh): string[] {
  const members = mesh.nodes.length;
  const bounds = boundsOf(members);
  return mesh.running.flatMap(({ gateway }) =>
    Object.entries(gateway.mesh.load).flatMap(([name, size]) =>
      size > (bounds[name] ?? members) ? [`${gateway.label} holds ${size} ${name}`] : [],
    ),
  );
}
