import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFiles, readOptional } from "../../../runtime/store/atomic.io.ts";
import { seededNumber } from "../../help/seeded.ts";

const CUTS = 60;
const SIZE = 200_000;

/** Content the writer makes: one byte value throughout, so that a mixture shows. */
const isWhole = (content: Uint8Array): boolean => content.length === SIZE && content.every((b) => b === content[0]);

test("a writer killed at any moment leaves the old content or the new, whole", async () => {
  const place = join(mkdtempSync(join(tmpdir(), "trellis-cut-")), "state");
  const random = seededNumber("power cut");
  let cutInside = 0;
  try {
    await openFiles(place);
    for (let i = 0; i < CUTS; i++) {
      const child = Bun.spawn([process.execPath, join(import.meta.dir, "write-forever.ts"), place, String(SIZE)], {
        stdout: "pipe",
        stderr: "inherit",
        env: { ...process.env, BUN_BE_BUN: "1" },
      });
      const reader = child.stdout.getReader();
      await reader.read(); // it has written once and goes on
      await Bun.sleep(random() * 8); // the moment of the cut, nothing that is waited for
      child.kill("SIGKILL");
      await child.exited;
      const content = await readOptional(join(place, "keys"));
      expect(content && isWhole(content)).toBe(true);
      if (readdirSync(place).some((name) => name.endsWith(".tmp"))) cutInside++;
      const files = await openFiles(place);
      expect(readdirSync(place)).toEqual(["keys"]);
      expect(await files.read("keys")).toEqual(content as Uint8Array);
    }
    expect(cutInside).toBeGreaterThan(0); // else no cut ever hit a write and the test says nothing
  } finally {
    rmSync(join(place, ".."), { recursive: true, force: true });
  }
});
