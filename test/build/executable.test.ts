/** The single executable is built and runs alone: away from the tree, without its packages. */
import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executablePath } from "../../native/compile.ts";
import { hostArch } from "../../native/toolchain.ts";
import { version } from "../../package.json";
import { able } from "../help/require.ts";

const can = able("test/build/executable.test.ts", "command:g++", "command:clang", "command:strip");

describe.skipIf(!can)("the executable", () => {
  test("is built and tells its version in an empty folder", () => {
    const built = Bun.spawnSync([process.execPath, "native/compile.ts", "--arch", hostArch()]);
    expect(built.stderr.toString()).toBe("");
    expect(built.exitCode).toBe(0);
    const folder = mkdtempSync(join(tmpdir(), "trellis-build-"));
    try {
      copyFileSync(executablePath(hostArch()), join(folder, "trellis"));
      const told = Bun.spawnSync(["./trellis", "--version"], { cwd: folder, env: {} });
      expect(told.stdout.toString().trim()).toContain(version);
      expect(told.exitCode).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
