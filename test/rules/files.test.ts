import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { SOURCES, TRACKED, textOf } from "./sources.ts";

const MAX_LINES = 450;
/** Files that are one long idea, each with its reason. */
const LONG: Record<string, string> = {
  "native/binding/tunnel.cc": "one conversion after the other: a row per call of the addon",
  "runtime/mesh/mesh.ts": "one state machine: a handler per event and per control message over one state",
};
const CODE = /^(?:runtime|test|bench|native|bpf)\/.*\.(?:ts|cc|h|c)$/;

const isTooLong = (text: string): boolean => text.split("\n").length > MAX_LINES + 1;

/** What an install from this lock file would fetch on Linux with glibc without knowing its hash. */
interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly os?: readonly string[];
  readonly libc?: readonly string[];
}
const unpinned = (packages: Readonly<Record<string, Locked>>): string[] =>
  Object.entries(packages).flatMap(([name, entry]) => {
    const foreign = !(entry.os ?? ["linux"]).includes("linux") || !(entry.libc ?? ["glibc"]).includes("glibc");
    return name === "" || foreign || entry.integrity ? [] : [name];
  });

/** Optional packages that a locked package names and the lock file forgot: `npm ci` refuses such a file. */
const forgotten = (packages: Readonly<Record<string, { optionalDependencies?: Record<string, string> }>>): string[] =>
  Object.values(packages).flatMap((entry) =>
    Object.keys(entry.optionalDependencies ?? {}).filter((name) => !(`node_modules/${name}` in packages)),
  );

describe("files", () => {
  test.each(TRACKED.filter((f) => CODE.test(f) && !f.includes(".gen.")))("%s can be read in one go", async (file) => {
    if (file in LONG) expect(LONG[file]).not.toBe("");
    else expect(isTooLong(await textOf(file))).toBe(false);
  });

  test("the list of long files names only files that exist and are long", async () => {
    for (const file of Object.keys(LONG)) expect(isTooLong(await textOf(file))).toBe(true);
  });

  test("the generated layouts are fresh", () => {
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, "native/gen.ts", "--check"]);
    expect(stderr.toString()).toBe("");
    expect(exitCode).toBe(0);
  });

  test("every file that a Justfile recipe runs exists", async () => {
    const named = [...(await textOf("Justfile")).matchAll(/\b(?:native|bench|test)\/[\w/-]+\.ts\b/g)].map((m) => m[0]);
    expect(named.length).toBeGreaterThan(4);
    expect(named.filter((file) => !existsSync(file))).toEqual([]);
  });

  test("an install fetches nothing without its hash", async () => {
    const { packages } = JSON.parse(await textOf("package-lock.json"));
    expect(unpinned(packages)).toEqual([]);
    expect(forgotten(packages)).toEqual([]);
  });

  test("the rules see a long file, a package without a hash and a forgotten one", () => {
    expect(isTooLong("x\n".repeat(MAX_LINES))).toBe(false);
    expect(isTooLong("x\n".repeat(MAX_LINES + 1))).toBe(true);
    expect(unpinned({ "": {}, a: { version: "1.0.0" }, b: { integrity: "sha512-x" }, c: { os: ["darwin"] } })).toEqual([
      "a",
    ]);
    expect(forgotten({ "node_modules/a": { optionalDependencies: { b: "1.0.0" } } })).toEqual(["b"]);
    expect(SOURCES.length).toBeGreaterThan(0);
  });
});
