/**
 * A test that must hold for every seed. A failure prints the seed, how far the run came, and the command that gives exactly
 * the same run again; `just sim --scenario` runs any other seed too.
 */
import { test } from "bun:test";
import { ONLY } from "./scenario-env.ts";
import { World, type WorldOptions } from "./world.ts";

export interface Sim {
  readonly seed: string;
  /** A world of this seed, whose trace is told when the scenario fails. */
  world(options?: WorldOptions): Promise<World>;
}

const only = process.env[ONLY.scenario];
const onlySeeds = process.env[ONLY.seeds]?.split(",");

const seedsTo = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i + 1));

/** `id` is `file/name`, where `file` is the test file's name up to its first dot. Seeds are 1 to `count`. */
export function scenario(id: string, says: string, count: number, body: (sim: Sim) => Promise<void>): void {
  if (only !== undefined && only !== id) return;
  for (const seed of onlySeeds ?? seedsTo(count)) test(`${says} [${id} ${seed}]`, () => runOne(id, seed, body));
}

async function runOne(id: string, seed: string, body: (sim: Sim) => Promise<void>): Promise<void> {
  const worlds: World[] = [];
  const sim: Sim = {
    seed,
    world: async (options = {}) => {
      const world = await World.create(seed, options);
      worlds.push(world);
      return world;
    },
  };
  try {
    await body(sim);
    if (onlySeeds) tell(worlds);
  } catch (thrown) {
    console.error(`seed ${seed} failed; the same run again: just sim --scenario ${id} --seed ${seed}`);
    tell(worlds);
    throw thrown;
  }
}

function tell(worlds: readonly World[]): void {
  for (const { provider, trace, now } of worlds)
    console.error(`provider ${provider.says}\ntrace ${trace.hash} over ${trace.events} events, ${now} ms simulated`);
}
