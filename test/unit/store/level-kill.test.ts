/** A writer that is killed at any moment. `STORE_KILLS` is how often; a long run takes 1,000. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededNumber } from "../../help/seeded.ts";
import { acks, expectAll } from "./written.ts";

const KILLS = Number(process.env.STORE_KILLS ?? 30);

test("a store whose writer is killed has all that was acknowledged, whole", async () => {
  const folder = mkdtempSync(join(tmpdir(), "trellis-kill-"));
  const random = seededNumber("level kill");
  const directory = join(folder, "store");
  let [next, unacknowledged] = [0, 0];
  const acknowledged: number[] = [];
  try {
    for (let i = 0; i < KILLS; i++) {
      const child = Bun.spawn([process.execPath, join(import.meta.dir, "write-store.ts"), directory, String(next)], {
        stdout: "pipe",
        stderr: "inherit",
        env: { ...process.env, BUN_BE_BUN: "1" },
      });
      const reader = child.stdout.getReader();
      const decoder = new TextDecoder();
      let text = "";
      const readAll = (async () => {
        for (let part = await reader.read(); !part.done; part = await reader.read()) text += decoder.decode(part.value);
      })();
      while (!text.includes("ack")) await Bun.sleep(1);
      await Bun.sleep(random() * 60); // the moment of the kill, nothing that is waited for
      child.kill("SIGKILL");
      await child.exited;
      await readAll;
      acknowledged.push(...acks(text));
      const highest = await expectAll(directory, acknowledged);
      if (highest > (acknowledged.at(-1) ?? -1)) unacknowledged++;
      next = highest + 1;
    }
    expect(unacknowledged).toBeGreaterThan(0); // else no kill ever hit a write and the test says nothing
  } finally {
    rmSync(folder, { recursive: true });
  }
});
