/** Small worlds that many scenarios begin with. */
import type { Gateway } from "./gateway.ts";
import type { Sim } from "./scenario.ts";
import type { World, WorldOptions } from "./world.ts";

/** Gateway `b` dials `a`, the founder; nothing has passed yet. */
export async function pair(
  sim: Sim,
  options: WorldOptions = {},
): Promise<{ readonly world: World; readonly a: Gateway; readonly b: Gateway }> {
  const world = await sim.world(options);
  const a = await world.add("a");
  const b = await world.add("b");
  await world.connect(b, a);
  return { world, a, b };
}

/** Gateways `b` and `c` dial `a`, the founder; they hear of each other by gossip. */
export async function three(
  sim: Sim,
  options: WorldOptions = {},
): Promise<{ readonly world: World; readonly a: Gateway; readonly b: Gateway; readonly c: Gateway }> {
  const { world, a, b } = await pair(sim, options);
  const c = await world.add("c");
  await world.connect(c, a);
  return { world, a, b, c };
}

export const states = (g: Gateway): readonly string[] => g.peers().map((p) => p.state);

/** Sessions that ended without another in their place. */
export const breaks = (g: Gateway): readonly object[] => g.notices.filter((n) => n.kind === "sessionDown");
