import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../../../runtime/base/bytes.ts";
import { openStore } from "../../../runtime/store/open-store.io.ts";

const folder = mkdtempSync(join(tmpdir(), "trellis-cli-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

const MAIN = join(import.meta.dir, "../../../runtime/main.ts");
function trellis(home: string, ...args: string[]): { code: number; out: Record<string, unknown> } {
  const command = [process.execPath, MAIN, "store", ...args, "--state-dir", join(folder, home), "--json"];
  const child = Bun.spawnSync(command, { env: { ...process.env, BUN_BE_BUN: "1" } });
  return { code: child.exitCode, out: JSON.parse(child.stdout.toString() || child.stderr.toString()) };
}

async function withEntry(home: string): Promise<string> {
  const path = join(folder, home, "store");
  const { store } = await openStore(path);
  await store.commit([{ range: "author", key: utf8("k"), value: utf8("value") }]);
  await store.close();
  return path;
}

test("an archive carries a store from one gateway to another, for its owner's eyes only", async () => {
  await withEntry("a");
  const archive = join(folder, "archive");
  expect(trellis("a", "export", archive).code).toBe(0);
  expect(statSync(archive).mode & 0o777).toBe(0o600);
  expect(trellis("b", "import", archive)).toMatchObject({
    code: 0,
    out: { ranges: { author: { entries: 1, bytes: 6 } } },
  });
  expect(trellis("b", "compact").code).toBe(0);
  expect(trellis("b", "check")).toMatchObject({ code: 0, out: { ranges: { author: { entries: 1 } }, setAside: null } });
});

test("a damaged store is told, set aside, and sound afterwards", async () => {
  const path = await withEntry("c");
  const manifest = readdirSync(path).find((name) => name.startsWith("MANIFEST")) as string;
  writeFileSync(join(path, manifest), "nonsense");
  expect(trellis("c", "check").out).toMatchObject({
    ranges: { author: { entries: 1 } },
    setAside: { path: `${path}.damaged` },
  });
  expect(trellis("c", "check").out).toMatchObject({ setAside: null });
});

test("a file that is no archive is refused, and so is an export without a file", async () => {
  await withEntry("d");
  writeFileSync(join(folder, "other"), readFileSync(MAIN));
  expect(trellis("d", "import", join(folder, "other"))).toMatchObject({
    code: 1,
    out: { error: { code: "store/archive" } },
  });
  expect(trellis("d", "import", join(folder, "none"))).toMatchObject({
    code: 1,
    out: { error: { code: "store/read" } },
  });
  expect(trellis("d", "export")).toMatchObject({ code: 2, out: { error: { code: "usage/missing" } } });
});
