/** Writers of records that are killed at any moment, a thousand times: what was acknowledged is there at the next start, whole. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lines } from "../help/lines.ts";
import { seededNumber } from "../help/seeded.ts";

const KILLS = Number(process.env.RECORD_KILLS ?? 1_000);
/** Writers at a time, each with a store of its own. */
const WRITERS = 4;
const WRITER = join(import.meta.dir, "../help/record-writer.ts");

interface Found {
  readonly lost: readonly string[];
  readonly acknowledged: number;
  /** Starts that found a write which was durable and not acknowledged: the kill came between. */
  readonly between: number;
}

async function killOver(folder: string, seed: string, kills: number): Promise<Found> {
  const random = seededNumber(seed);
  const last = new Map<string, number>();
  const lost: string[] = [];
  let [next, acknowledged, between] = [0, 0, 0];
  for (let i = 0; i <= kills; i++) {
    const line = [process.execPath, WRITER, join(folder, seed), seed, String(next)];
    const env = { ...process.env, BUN_BE_BUN: "1" };
    const child = Bun.spawn(line, { stdin: "ignore", stdout: "pipe", stderr: "inherit", env });
    const lines = new Lines(child.stdout);
    const has = new Map<string, number>();
    for (let text = await lines.next(); text !== "ready"; text = await lines.next()) {
      const [, key, number] = text.split(" ") as [string, string, string];
      has.set(key, Number(number));
    }
    for (const [key, number] of last) if (!((has.get(key) ?? -1) >= number)) lost.push(`${key} ${number} of ${seed}`);
    if ([...has].some(([key, number]) => number > (last.get(key) ?? -1))) between++;
    next = Math.max(next, ...[...has.values()].map((n) => n + 1));
    let before = Math.floor(random() * 12); // so many acknowledgements come before the kill, and then some time
    const kill = (): unknown => setTimeout(() => child.kill("SIGKILL"), random() * 20);
    if (i === kills) child.kill("SIGKILL");
    else if (before === 0) kill();
    for (let text = await lines.next().catch(() => ""); text !== ""; text = await lines.next().catch(() => "")) {
      if (i < kills && --before === 0) kill();
      const [, key, number] = text.split(" ") as [string, string, string];
      last.set(key, Math.max(last.get(key) ?? -1, Number(number)));
      next = Math.max(next, Number(number) + 1);
      acknowledged++;
    }
    await child.exited;
  }
  return { lost, acknowledged, between };
}

test("a thousand kills lose no record that was acknowledged, and leave no store that does not open", async () => {
  const folder = mkdtempSync(join(tmpdir(), "trellis-record-kills-"));
  try {
    const all = await Promise.all(
      Array.from({ length: WRITERS }, (_, i) => killOver(folder, `writer-${i}`, Math.ceil(KILLS / WRITERS))),
    );
    expect(all.flatMap(({ lost }) => lost)).toEqual([]);
    expect(Math.min(...all.map((found) => found.acknowledged))).toBeGreaterThan(KILLS / WRITERS);
    // Else no kill ever hit a write, and the test says nothing.
    expect(all.reduce((sum, found) => sum + found.between, 0)).toBeGreaterThan(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 1_800_000);
