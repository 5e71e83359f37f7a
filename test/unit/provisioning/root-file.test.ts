/** The root as a file, on a real disk. Sealing takes a second each time, on purpose. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { native as crypto } from "../../../runtime/crypto/native.ts";
import { generateRoot, type RootKey } from "../../../runtime/identity/root.ts";
import { checkRootFile, readRootFile, writeRootFile } from "../../../runtime/provisioning/root-file.io.ts";
import { systemRandom } from "../../../runtime/system.io.ts";

const place = mkdtempSync(join(tmpdir(), "trellis-root-"));
const file = join(place, "mesh.root");
const WORDS = "correct horse battery";
let root: RootKey;
beforeAll(async () => {
  root = await generateRoot(crypto, systemRandom);
  await writeRootFile(crypto, systemRandom, file, WORDS, [root.secrets]);
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** A copy of the file with something done to it. */
function changed(name: string, change: (content: Buffer) => Uint8Array): string {
  const copy = join(place, name);
  writeFileSync(copy, change(readFileSync(file)));
  return copy;
}

describe("a root file", () => {
  test("opens with its passphrase and holds the keys", async () => {
    expect(await readRootFile(crypto, file, WORDS)).toEqual([root]);
  });

  test("holds neither of the seeds in the clear, and only its owner may read it", () => {
    const content = readFileSync(file);
    for (const seed of [root.secrets.ed25519, root.secrets.mlDsa65]) expect(content.includes(seed)).toBe(false);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("is never written over", async () => {
    const before = readFileSync(file);
    await expect(writeRootFile(crypto, systemRandom, file, WORDS, [root.secrets])).rejects.toMatchObject({
      code: "root/exists",
    });
    expect(readFileSync(file)).toEqual(before);
  });

  test("stays closed to another passphrase", async () => {
    await expect(readRootFile(crypto, file, `${WORDS}!`)).rejects.toMatchObject({ code: "root/passphrase" });
  });

  test("in a directory that is not there is an error that says so", async () => {
    const nowhere = join(place, "none", "mesh.root");
    await expect(writeRootFile(crypto, systemRandom, nowhere, WORDS, [root.secrets])).rejects.toMatchObject({
      code: "store/write",
      hint: expect.stringContaining("mounted"),
    });
    await expect(readRootFile(crypto, nowhere, WORDS)).rejects.toMatchObject({ code: "root/no-file" });
  });
});

describe("a copy is refused", () => {
  test.each<[string, (content: Buffer) => Uint8Array, string]>([
    ["with a flipped bit", (c) => c.fill((c[100] as number) ^ 1, 100, 101), "root/damaged"],
    ["that lacks its end", (c) => c.subarray(0, -1), "root/damaged"],
    ["that is empty", () => new Uint8Array(0), "root/damaged"],
    ["that is another file", () => Buffer.from("hello"), "root/damaged"],
  ])("%s", async (name, change, code) => {
    await expect(readRootFile(crypto, changed(name, change), WORDS)).rejects.toMatchObject({ code });
  });

  test("with other keys than were to be written", async () => {
    const other = await generateRoot(crypto, systemRandom);
    await expect(checkRootFile(crypto, file, WORDS, [other.secrets])).rejects.toMatchObject({ code: "root/differs" });
    await expect(checkRootFile(crypto, file, WORDS, [])).rejects.toMatchObject({ code: "root/differs" });
  });
});

const mounts = process.getuid?.() === 0 && Bun.spawnSync(["unshare", "-m", "true"]).success;
if (!mounts) console.log("SKIP root file on a full medium: not root, or no mount namespace");

test.skipIf(!mounts)("a full medium is named, and nothing of a file stays on it", async () => {
  const script = join(import.meta.dir, "write-root.ts");
  const mount =
    'mount -t tmpfs -o size=4k none "$0" && head -c 4096 /dev/zero >"$0/full"; exec "$1" "$2" "$0/mesh.root"';
  const medium = mkdtempSync(join(place, "medium-"));
  const child = Bun.spawnSync(["unshare", "-m", "sh", "-c", mount, medium, process.execPath, script]);
  expect(JSON.parse(child.stdout.toString())).toEqual({ code: "store/full", left: ["full"] });
  expect(readdirSync(medium)).toEqual([]);
});
