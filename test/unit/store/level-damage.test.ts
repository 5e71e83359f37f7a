/** Files that are cut, flipped or gone while nobody looks: the store opens, says so, and keeps what is whole. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../../../runtime/base/bytes.ts";
import { LevelEngine } from "../../../runtime/store/level.io.ts";
import { openStore } from "../../../runtime/store/open-store.io.ts";
import { Store } from "../../../runtime/store/store.ts";
import { seededNumber } from "../../help/seeded.ts";

const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "trellis-damage-"));
afterAll(() => rmSync(folder, { recursive: true }));

const ENTRIES = 300;
const bytesOf = (i: number): Uint8Array => new Uint8Array(6_000).fill(i & 0xff);
/** A long run takes 2,000. */
const HARMS = Number(process.env.STORE_HARMS ?? 40);
const REPLACED = 60;
const OLD = new Uint8Array(5_000).fill(255);
const sound = join(folder, "sound");

beforeAll(async () => {
  const { store } = await openStore(sound);
  const write = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i += 10)
      await store.commit(
        Array.from({ length: 10 }, (_, k) => ({
          range: "record" as const,
          key: utf8(`${i + k}`),
          value: bytesOf(i + k),
        })),
      );
  };
  // What is replaced and deleted later: none of it may come back where everything can be read.
  for (let i = 0; i < REPLACED; i++) await store.commit([{ range: "record", key: utf8(`${i}`), value: OLD }]);
  await store.commit([{ range: "record", key: utf8("deleted"), value: OLD }]);
  await store.relax(); // which makes a table of the log
  await write(0, ENTRIES / 2);
  await store.commit([{ range: "record", key: utf8("deleted"), value: undefined }]);
  await store.relax();
  await write(ENTRIES / 2, ENTRIES);
  await store.close();
});

const LOG = /\.log$/;
const TABLE = /\.ldb$/;
const MANIFEST = /^MANIFEST/;
const CURRENT = /^CURRENT$/;

const half = (size: number): number => Math.floor(size / 2);
const flipAt = (path: string, at: number): void => {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
};

/** Opens a copy whose largest file of a kind was harmed; tells what is left, and whether it was set aside. */
async function after(
  kind: RegExp,
  harm: (path: string, size: number) => void,
): Promise<{ left: number; told: boolean }> {
  const copy = join(folder, "copy");
  for (const name of readdirSync(folder)) if (name.startsWith("copy")) rmSync(join(folder, name), { recursive: true });
  cpSync(sound, copy, { recursive: true });
  const sizes = readdirSync(copy)
    .filter((name) => kind.test(name))
    .map((name) => [statSync(join(copy, name)).size, name] as const);
  const [size, file] = sizes.sort(([a], [b]) => b - a)[0] as readonly [number, string];
  harm(join(copy, file), size);
  const { store, setAside } = await openStore(copy);
  let left = 0;
  let stale = (await store.get("record", utf8("deleted"))) ? 1 : 0;
  for (let i = 0; i < ENTRIES; i++) {
    const value = await store.get("record", utf8(`${i}`));
    if (value && Buffer.compare(value, bytesOf(i)) === 0) left++;
    else if (value) {
      expect(i).toBeLessThan(REPLACED);
      expect(value).toEqual(OLD);
      stale++;
    }
  }
  expect(store.usage("record").entries).toBe(left + stale);
  if (left === ENTRIES || !setAside) expect(stale).toBe(0);
  await store.commit([{ range: "author", key: utf8("x"), value: utf8("y") }]);
  await store.close();
  if (setAside) expect(existsSync(setAside.path)).toBe(true);
  const again = await openStore(copy);
  expect(again.setAside).toBeUndefined();
  expect(await again.store.get("author", utf8("x"))).toEqual(utf8("y"));
  await again.store.close();
  return { left, told: setAside !== undefined };
}

describe("a store", () => {
  test("that nobody harmed has everything", async () => {
    expect(await after(LOG, () => {})).toEqual({ left: ENTRIES, told: false });
  });

  test.each([
    ["its first file is gone", CURRENT, (path: string) => rmSync(path)],
    ["its first file is empty", CURRENT, (path: string) => writeFileSync(path, "")],
    ["its list of tables is gone", MANIFEST, (path: string) => rmSync(path)],
    ["its list of tables is empty", MANIFEST, (path: string) => writeFileSync(path, "")],
    ["its list of tables is other bytes", MANIFEST, (path: string) => writeFileSync(path, "nonsense".repeat(20))],
    ["a bit of a table's index flipped", TABLE, (path: string, size: number) => flipAt(path, size - 60)],
  ] as const)("keeps everything, set aside, when %s", async (_, kind, harm) => {
    expect(await after(kind, harm)).toEqual({ left: ENTRIES, told: true });
  });

  test.each([
    ["a table is gone", TABLE, (path: string) => rmSync(path)],
    ["a table is empty", TABLE, (path: string) => writeFileSync(path, "")],
    ["a table is half", TABLE, (path: string, size: number) => truncateSync(path, half(size))],
    ["a bit of a table's data flipped", TABLE, (path: string, size: number) => flipAt(path, half(size))],
    ["a bit of the log's middle flipped", LOG, (path: string, size: number) => flipAt(path, half(size))],
  ] as const)("is set aside, and keeps the rest, when %s", async (_, kind, harm) => {
    const { left, told } = await after(kind, harm);
    expect(told).toBe(true);
    expect(left).toBeGreaterThan(20);
    expect(left).toBeLessThan(ENTRIES);
  });

  test("goes back by whole commits when its log was cut", async () => {
    const { left } = await after(LOG, (path, size) => truncateSync(path, half(size)));
    expect(left % 10).toBe(0);
    expect(left).toBeLessThan(ENTRIES);
  });

  test("opens whatever is flipped or cut, and tells of every entry that is not there", async () => {
    const random = seededNumber("damage");
    for (let i = 0; i < HARMS; i++) {
      const kind = [LOG, TABLE, MANIFEST, CURRENT][i % 4] as RegExp;
      const { left, told } = await after(kind, (path, size) => {
        for (let flips = random() * 3; flips > 0; flips--) flipAt(path, Math.floor(random() * size));
        if (random() < 0.2) truncateSync(path, Math.floor(random() * size));
      });
      // A log whose end does not hold is what a power cut leaves: it ends there, at a whole commit.
      if (left < ENTRIES && !told) expect([kind, left % 10]).toEqual([LOG, 0]);
    }
  });

  test("of a later format is not taken for a damaged one", async () => {
    const copy = join(folder, "later");
    cpSync(sound, copy, { recursive: true });
    const engine = await LevelEngine.open(copy);
    await (await Store.open(engine, { schema: 2, migrations: [{ from: 1, step: () => [] }] })).close();
    await expect(openStore(copy)).rejects.toMatchObject({ code: "store/newer" });
    expect(readdirSync(folder)).not.toContain("later.damaged");
  });

  test("that was being made, or was to take a damaged one's place, when the power went is there afterwards", async () => {
    const made = join(folder, "made");
    cpSync(sound, `${made}.new`, { recursive: true });
    rmSync(join(`${made}.new`, "CURRENT")); // half a store: it is made anew
    const first = await openStore(made);
    expect(first.store.usage("record").entries).toBe(0);
    await first.store.close();
    rmSync(made, { recursive: true });
    cpSync(sound, `${made}.next`, { recursive: true });
    const second = await openStore(made);
    expect(second.store.usage("record").entries).toBe(ENTRIES);
    await second.store.close();
  });
});
