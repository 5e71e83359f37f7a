/** One suite for both implementations of `Files`, then what only the disk has: modes, owners, leftovers, a full disk. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ensurePrivateDirectory,
  openFiles,
  readOptional,
  removeCutOff,
  writeAtomic,
} from "../../../runtime/store/atomic.io.ts";
import type { Files } from "../../../runtime/store/files.ts";
import { MemoryFiles } from "../../../runtime/store/memory-files.ts";

const place = mkdtempSync(join(tmpdir(), "trellis-store-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(place, `d${count++}`);
const ONE = Uint8Array.of(1, 2, 3);
const TWO = new Uint8Array(100_000).fill(7);
const mode = (path: string): number => statSync(path).mode & 0o777;

describe.each<[string, () => Promise<Files>]>([
  ["on disk", () => openFiles(fresh())],
  ["in memory", async () => new MemoryFiles()],
])("files %s", (_, open) => {
  test("give back what was written last, and nothing for what is not there", async () => {
    const files = await open();
    expect(await files.read("keys")).toBeUndefined();
    await files.write("keys", ONE);
    await files.write("keys", TWO);
    expect(await files.read("keys")).toEqual(TWO);
    await files.write("keys", new Uint8Array(0));
    expect(await files.read("keys")).toEqual(new Uint8Array(0));
  });
  test("are listed in order and removed once", async () => {
    const files = await open();
    await files.write("roster.v1", ONE);
    await files.write("keys", ONE);
    expect(await files.list()).toEqual(["keys", "roster.v1"]);
    await files.remove("keys");
    await files.remove("keys");
    expect(await files.list()).toEqual(["roster.v1"]);
  });
  test("keep a copy of their own", async () => {
    const files = await open();
    const content = ONE.slice();
    await files.write("keys", content);
    content.fill(9);
    (await files.read("keys"))?.fill(9);
    expect(await files.read("keys")).toEqual(ONE);
  });
  test.each(["../keys", "a/b", "", ".hidden", "x.tmp", "Keys"])("refuse the name %p", async (name) => {
    const files = await open();
    for (const attempt of [files.read(name), files.write(name, ONE), files.remove(name)])
      await expect(attempt).rejects.toMatchObject({ code: "store/name" });
  });
});

describe("the directory", () => {
  test.each([0, 0o200])("is made 0700 with its files 0600 under umask %p", async (umask) => {
    const before = process.umask(umask);
    try {
      const path = fresh();
      const files = await openFiles(path);
      await files.write("keys", ONE);
      expect(mode(path)).toBe(0o700);
      expect(mode(join(path, "keys"))).toBe(0o600);
    } finally {
      process.umask(before);
    }
  });
  test("that others may enter is refused with what to do", async () => {
    const path = fresh();
    mkdirSync(path);
    chmodSync(path, 0o750);
    await expect(ensurePrivateDirectory(path)).rejects.toMatchObject({
      code: "store/mode",
      hint: expect.stringContaining("chmod 700"),
    });
  });
  test("of another user is refused", async () => {
    const path = fresh();
    await ensurePrivateDirectory(path);
    await expect(ensurePrivateDirectory(path, 4711)).rejects.toMatchObject({ code: "store/owner" });
  });
  test("that is a file or a link is refused", async () => {
    const [file, link] = [fresh(), fresh()];
    writeFileSync(file, "");
    mkdirSync(join(place, "target"));
    symlinkSync(join(place, "target"), link);
    for (const path of [file, link])
      await expect(ensurePrivateDirectory(path)).rejects.toMatchObject({ code: "store/not-a-directory" });
  });
  test("is freed of what writers that were cut off have left, and of nothing else", async () => {
    const path = fresh();
    await (await openFiles(path)).write("keys", ONE);
    writeFileSync(join(path, ".keys.0123456789abcdef.tmp"), "half");
    writeFileSync(join(path, ".profile"), "");
    await openFiles(path);
    expect(readdirSync(path).sort()).toEqual([".profile", "keys"]);
  });
});

describe("what killed writers have left in a directory of others", () => {
  const medium = mkdtempSync(join(tmpdir(), "trellis-medium-"));
  afterAll(() => rmSync(medium, { recursive: true }));
  const is = (start: Uint8Array): boolean => start.length === 0 || start[0] === 7;
  const left = (name: string): string => join(medium, `.${name}.0123456789abcdef.tmp`);

  test("goes; what is another's, no file, or finished stays", async () => {
    writeFileSync(left("ours"), Uint8Array.of(7, 1));
    writeFileSync(left("empty"), "");
    const others = [left("another"), join(medium, ".ours.tmp"), join(medium, "finished")];
    for (const path of others) writeFileSync(path, path === left("another") ? "text" : Uint8Array.of(7));
    mkdirSync(left("directory"));
    symlinkSync(others[2] as string, left("link"));
    const there = readdirSync(medium).length;
    expect(await removeCutOff(medium, is)).toBe(2);
    expect(readdirSync(medium).length).toBe(there - 2);
    expect(await removeCutOff(join(medium, "nowhere"), is)).toBe(0);
  });

  test("stays while its writer lives", async () => {
    const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const content = (async function* () {
      yield Uint8Array.of(7);
      begun.resolve();
      await go.promise;
      yield Uint8Array.of(8);
    })();
    const path = join(medium, "written");
    const writing = writeAtomic(path, content, "foreign");
    await begun.promise;
    expect(await removeCutOff(medium, is)).toBe(0);
    go.resolve();
    await writing;
    expect(await readOptional(path)).toEqual(Uint8Array.of(7, 8));
  });
});

describe("a write that fails", () => {
  test("says so and leaves nothing", async () => {
    const path = join(fresh(), "missing", "keys");
    await expect(writeAtomic(path, ONE)).rejects.toMatchObject({ code: "store/write" });
    expect(await readOptional(path)).toBeUndefined();
  });
  test("for a target that cannot be replaced leaves it and no temporary file", async () => {
    const path = fresh();
    mkdirSync(join(path, "keys", "full"), { recursive: true });
    await expect(writeAtomic(join(path, "keys"), ONE)).rejects.toMatchObject({ code: "store/write" });
    expect(readdirSync(path)).toEqual(["keys"]);
  });
  test("to read is not taken for a missing file", async () => {
    await expect(readOptional(place)).rejects.toMatchObject({ code: "store/read" });
  });
});

const canMount = ((): string | undefined => {
  if (process.getuid?.() !== 0) return "not root";
  const probe = Bun.spawnSync(["unshare", "-m", "true"]);
  return probe.success ? undefined : "no mount namespace";
})();
if (canMount) console.log(`SKIP store: full disk and read-only disk: ${canMount}`);

test("a store whose writes fail half way goes on with the next one, and has all that was acknowledged", () => {
  const script = join(import.meta.dir, "fail-store.ts");
  const command = `trap '' XFSZ && ulimit -f 1200 && exec "$1" "$2" "$0"`; // blocks of 512 bytes
  const child = Bun.spawnSync(["sh", "-c", command, join(fresh(), "store"), process.execPath, script], {
    env: { ...process.env, BUN_BE_BUN: "1" },
  });
  expect(JSON.parse(child.stdout.toString() || `"${child.stderr}"`)).toEqual({
    failed: ["store/write"],
    some: true,
    others: true,
    missing: 0,
    problems: [],
    setAside: "",
  });
});

describe.skipIf(canMount !== undefined)("on a file system of its own", () => {
  const inTmpfs = (options: string, script: string, size = "64k"): string => {
    const dir = fresh();
    mkdirSync(dir);
    const child = Bun.spawnSync(
      [
        "unshare",
        "-m",
        "sh",
        "-c",
        `mount -t tmpfs -o size=${size} none "$0" && ${options} "$1" "$2" "$0"`,
        dir,
        process.execPath,
        script,
      ],
      { env: { ...process.env, BUN_BE_BUN: "1" } },
    );
    return child.stdout.toString() + child.stderr.toString();
  };
  test("a full disk is named, with a hint, and the old content stays", () => {
    expect(JSON.parse(inTmpfs("", join(import.meta.dir, "overfill.ts")))).toEqual({
      code: "store/full",
      hint: expect.stringContaining("free some space"),
      left: ["keys"],
      old: true,
    });
  });
  test("a store on a disk that is full refuses writes, loses nothing, opens, and takes writes once there is room", () => {
    const said = inTmpfs('chmod 700 "$0" &&', join(import.meta.dir, "fill-store.ts"), "64m");
    expect(said).toStartWith("{"); // else it is what was thrown
    expect(JSON.parse(said)).toEqual({
      full: "store/full",
      many: true,
      missing: 0,
      again: "written",
      problems: 0,
      beforeFill: "written",
      noRoom: "store/full",
      missingThen: 0,
      setAside: "",
      missingStill: 0,
      stillNoRoom: expect.stringMatching(/^(store\/full|written)$/), // as it opens LevelDB may have freed a file or two
      atLast: "written",
      missingAtLast: 0,
    });
  });
  test("a read-only disk is named", () => {
    const script = join(import.meta.dir, "overfill.ts");
    const out = JSON.parse(inTmpfs('echo old > "$0/keys" && mount -o remount,ro "$0" &&', script));
    expect(out).toMatchObject({ code: "store/read-only", left: ["keys"] });
  });
});
