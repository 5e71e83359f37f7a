/** The single executable is built and runs alone: away from the tree, without its packages. */
import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
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

  test("has the store's engine inside", () => {
    const folder = mkdtempSync(join(tmpdir(), "trellis-build-"));
    try {
      const checked = Bun.spawnSync([executablePath(hostArch()), "store", "check", "--state-dir", folder], { env: {} });
      expect(checked.stdout.toString()).toContain("every entry is whole");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("installs itself, its unit and completion into a system, and removes them", () => {
    const system = mkdtempSync(join(tmpdir(), "trellis-system-"));
    const files = (): string[] =>
      [...new Bun.Glob("**").scanSync({ cwd: system, onlyFiles: true, dot: true })].map((f) => `/${f}`).sort();
    const service = (action: string): number =>
      Bun.spawnSync([executablePath(hostArch()), "service", action, "--into", system]).exitCode;
    try {
      expect(service("install")).toBe(0);
      expect(files()).toEqual([
        "/etc/bash_completion.d/trellis",
        "/etc/fish/completions/trellis.fish",
        "/etc/systemd/system/trellis.service",
        "/usr/local/bin/trellis",
        "/usr/local/share/zsh/site-functions/_trellis",
      ]);
      const unit = readFileSync(join(system, "etc/systemd/system/trellis.service"), "utf8");
      expect(unit).toBe(readFileSync("provisioning/systemd/trellis.service", "utf8"));
      const program = /^ExecStart=(\S+) run$/m.exec(unit)?.[1] ?? "";
      const told = Bun.spawnSync([join(system, program), "--version"], { env: {} });
      expect(told.stdout.toString()).toContain(version);
      expect(service("install")).toBe(0); // over itself
      expect(service("remove")).toBe(0);
      expect(files()).toEqual([]);
    } finally {
      rmSync(system, { recursive: true });
    }
  });
});
