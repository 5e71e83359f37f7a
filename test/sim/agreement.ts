/** What must hold whatever happens on the wire: a session that is used is one that its two ends made with each other. */
import { toHex } from "../../runtime/base/bytes.ts";
import type { DataSession, MeshAction } from "../../runtime/mesh/types.ts";
import type { Gateway } from "./gateway.ts";
import type { World } from "./world.ts";

type Install = Extract<MeshAction, { type: "installSession" }>;

const installs = (g: Gateway): Install[] => g.actions.flatMap((a) => (a.type === "installSession" ? [a] : []));

/** The same for the two ends of one session. */
function shared(s: DataSession, mine: string, theirs: string): string {
  const ends = [`${mine} ${s.localIndex} ${toHex(s.sendKey)}`, `${theirs} ${s.remoteIndex} ${toHex(s.receiveKey)}`];
  return ends.sort().join(" / ");
}

/** Sessions that break the rule, in words; empty when all is well. */
export function disagreements(world: World): string[] {
  const made = new Map<string, Map<string, number>>(); // what both ends share -> how often each end installed it
  for (const g of world.gateways)
    for (const a of installs(g)) {
      const key = shared(a.session, g.address, a.peer);
      const ends = made.get(key) ?? new Map<string, number>();
      ends.set(g.address, (ends.get(g.address) ?? 0) + 1);
      made.set(key, ends);
    }
  const wrong: string[] = [];
  for (const g of world.gateways) {
    const byIndex = new Map(installs(g).map((a) => [a.session.localIndex, a]));
    for (const a of g.actions) {
      if (a.type !== "useSession") continue;
      const install = byIndex.get(a.localIndex);
      const ends = install && made.get(shared(install.session, g.address, install.peer));
      if (!install || !ends) wrong.push(`${g.label} uses ${a.localIndex}, which it never installed`);
      else if (!ends.has(install.peer)) wrong.push(`${g.label} uses a session that its peer does not have`);
    }
  }
  for (const ends of made.values())
    for (const [who, times] of ends) if (times > 1) wrong.push(`${who} installed one session ${times} times`);
  return wrong;
}

/** How many different sessions anybody has installed so far. */
export const installed = (world: World): number => world.gateways.reduce((sum, g) => sum + installs(g).length, 0);
