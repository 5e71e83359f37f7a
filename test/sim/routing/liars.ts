/** Members that misbehave, each by its own hand on what it sends or says. Their code is the shipped one otherwise. */
import type { RoutingWorld, SimNode } from "./world.ts";

/** Sends, now and then, something that it has sent before: to whomever, whenever. */
export function replays(world: RoutingWorld, liar: SimNode): void {
  const recorded: Uint8Array[] = [];
  liar.tamper = (_, data) => {
    recorded.push(data);
    const old = recorded[Math.floor(world.draw() * recorded.length)] as Uint8Array;
    return world.draw() < 0.5 ? [data, old] : [data];
  };
}

/** Says of itself that it has a cheap link to everybody. */
export async function boasts(world: RoutingWorld, liar: SimNode): Promise<void> {
  for (const other of world.nodes)
    if (other !== liar) await world.feed(liar, { type: "link", neighbour: other.label, value: 1 });
}

/** Hands on nothing; of its own it sends what it sends. */
export function withholds(liar: SimNode): void {
  liar.tamper = (_, data) => (isOfOthers(liar, data) ? [] : [data]);
}

/** Reveals and offers that begin with another's name, and lists of others. */
function isOfOthers(liar: SimNode, data: Uint8Array): boolean {
  const offset = { 3: 7, 6: 5, 7: 1 }[data[0] as number];
  return offset !== undefined && data.subarray(offset, offset + 8).toHex() !== liar.label;
}

/** Sends noise beside everything. */
export function babbles(world: RoutingWorld, liar: SimNode): void {
  liar.tamper = (_, data) => {
    const spoilt = data.slice();
    const at = Math.floor(world.draw() * spoilt.length);
    spoilt[at] = (spoilt[at] as number) ^ (1 << Math.floor(8 * world.draw()));
    return [data, spoilt];
  };
}
