/** Backups of a gateway that does not run: what is no whole backup restores nothing, and a restore that was cut off can be made again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../../../runtime/base/bytes.ts";
import { native as crypto } from "../../../runtime/crypto/native.ts";
import { contentsAtRest, restoreBackup, writeBackup } from "../../../runtime/provisioning/backup.io.ts";
import { OwnHome } from "../../../runtime/provisioning/home.io.ts";
import { openStore } from "../../../runtime/store/open-store.io.ts";
import { systemRandom } from "../../../runtime/system.io.ts";

const place = mkdtempSync(join(tmpdir(), "trellis-backup-"));
const file = join(place, "a.backup");
const WORDS = "correct horse battery";
const ENTRIES = 60;
const noStep = async (): Promise<void> => {};
afterAll(() => rmSync(place, { recursive: true, force: true }));

beforeAll(async () => {
  const home = await OwnHome.open(join(place, "a"), crypto);
  await home.keysOrNew(systemRandom);
  await home.savePolicy("default = 'deny'");
  const { store } = await openStore(home.store);
  for (let i = 0; i < ENTRIES; i++)
    await store.commit([{ range: "chunk", key: utf8(`${i}`), value: systemRandom(64 * 1024) }]);
  await store.close();
  const contents = await contentsAtRest(home);
  await writeBackup(crypto, systemRandom, file, WORDS, contents.parts, noStep);
  await contents.close();
  home.release();
});

/** Into an empty directory of that name; what went wrong. */
async function restored(name: string, from: string): Promise<string> {
  const home = await OwnHome.open(join(place, name), crypto);
  try {
    await restoreBackup(crypto, home, from, WORDS, noStep);
    return "restored";
  } catch (thrown) {
    return (thrown as { code: string }).code;
  } finally {
    home.release();
  }
}

async function entriesIn(name: string): Promise<number> {
  const { store, setAside } = await openStore(join(place, name, "store"));
  expect(setAside).toBeUndefined();
  const { entries } = store.usage("chunk");
  await store.close();
  return entries;
}

const flipped = (content: Buffer, at: number): Buffer => {
  content[at] = (content[at] as number) ^ 1;
  return content;
};

test.each<[string, (content: Buffer) => Buffer]>([
  ["cut in the middle", (content) => content.subarray(0, content.length >> 1)],
  ["without its last byte", (content) => content.subarray(0, -1)],
  ["with a frame more", (content) => Buffer.concat([content, content.subarray(-1_000)])],
  ["with a bit flipped in the middle", (content) => flipped(content, content.length >> 1)],
  ["with its last bit flipped", (content) => flipped(content, content.length - 1)],
  ["of an earlier format", (content) => flipped(content, 7)],
])("a backup %s is refused, and nothing of it is there", async (name, change) => {
  const damaged = join(place, `${name}.backup`);
  writeFileSync(damaged, change(readFileSync(file)));
  expect(await restored(name, damaged)).toBe("backup/damaged");
  expect(readdirSync(join(place, name))).toEqual(["owner.lock"]);
});

test("a restore that was cut off is made again, whatever it had come to", async () => {
  expect(await restored("whole", file)).toBe("restored");
  expect(await entriesIn("whole")).toBe(ENTRIES);
  for (const keys of [false, true]) {
    const name = `cut-off-${keys}`;
    const directory = join(place, name);
    mkdirSync(join(directory, "restoring/store"), { recursive: true, mode: 0o700 });
    mkdirSync(join(directory, "store"), { mode: 0o700 });
    copyFileSync(join(place, "whole/policy.toml"), join(directory, "policy.toml"));
    if (keys) copyFileSync(join(place, "whole/keys.cbor"), join(directory, "keys.cbor")); // the last thing that it does
    expect(await restored(name, file)).toBe(keys ? "backup/in-use" : "restored");
    if (!keys) expect(await entriesIn(name)).toBe(ENTRIES);
  }
  expect(existsSync(join(place, "cut-off-false/restoring"))).toBe(false);
});

test("a store that somebody else has brought is not written over", async () => {
  const { store } = await openStore(join(place, "imported/store"));
  await store.close();
  expect(await restored("imported", file)).toBe("backup/in-use");
});
