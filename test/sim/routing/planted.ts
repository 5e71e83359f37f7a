/**
 * Routing with a bug planted, made of the shipped sources with one place changed, to show that the simulation finds such bugs. A bug
 * whose place is no longer in the source fails loudly instead of testing nothing.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Routing } from "../../../runtime/mesh/routing/routing.ts";
import type { RoutingDeps } from "../../../runtime/mesh/routing/types.ts";

interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const BUGS = {
  "one end's word makes an edge": [
    {
      file: "database.ts",
      from: "return one && other ? (COSTS[Math.max(one, other)] as number) : 0;",
      to: "return COSTS[Math.max(one ?? 0, this.claim(b, a) ?? 0)] as number;",
    },
  ],
  "an old reveal counts": [
    {
      file: "database.ts",
      from: 'if (step <= known) return "old";',
      to: 'if (step < known) this.reveal(record, { index, step, element });\n    if (step <= known) return step < known ? "news" : "old";',
    },
  ],
  "the loop-free inequality is turned around": [
    {
      file: "next-hops.ts",
      from: "if (n === primary || distance >= (distances[this.#own] as number) + own) continue;",
      to: "if (n === primary || distance < (distances[this.#own] as number) + own) continue;",
    },
  ],
  "what hangs below a lost edge is forgotten": [
    {
      file: "shortest-paths.ts",
      from: "if (this.#parents[child] === n) lose(child);",
      to: "if (this.#parents[child] === -2) lose(child);",
    },
  ],
  "nobody fights back": [{ file: "own-lists.ts", from: "if (list.epoch < this.#epoch) return;", to: "return;" }],
  "digests are not compared": [
    {
      file: "exchange.ts",
      from: "if (!neighbour || equal(digest, this.#database.digest)) return;",
      to: "if (!neighbour || digest.length > 0) return;",
    },
  ],
  "a down waits for its turn": [
    {
      file: "own-lists.ts",
      from: "if (link.value > 0 && !link.states.take(now)) continue;",
      to: "if (!link.states.take(now)) continue;",
    },
  ],
} as const satisfies Record<string, readonly Edit[]>;
export type BugName = keyof typeof BUGS;

const SOURCE = resolve(import.meta.dir, "../../../runtime/mesh/routing");
const PLANTED = resolve(import.meta.dir, "../../../build/planted");

/** Makes the broken routing. */
export async function planted(name: BugName): Promise<(deps: RoutingDeps, now: number) => Routing> {
  const folder = join(PLANTED, name.replaceAll(/\W/g, "-"));
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(SOURCE).filter((f) => f.endsWith(".ts"))) {
    let text = readFileSync(join(SOURCE, file), "utf8");
    for (const { from, to } of BUGS[name].filter((edit) => edit.file === file)) {
      if (text.split(from).length !== 2) throw new Error(`${file} has not exactly one place for "${name}"`);
      text = text.replace(from, () => to);
    }
    const moved = text.replaceAll(/from "(\.\.\/[^"]+)"/g, (_, path: string) => `from "${resolve(SOURCE, path)}"`);
    writeFileSync(join(folder, file), moved);
  }
  const module = (await import(join(folder, "routing.ts"))) as { Routing: typeof Routing };
  return (deps, now) => new module.Routing(deps, now);
}
