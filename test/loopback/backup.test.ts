/**
 * Backups of a gateway that runs. The command asks by way of a socket of ours, which passes everything on to the daemon: so what happens
 * in the middle happens there, however fast the machine is.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call } from "../../runtime/api/client.io.ts";
import type { Json, JsonObject } from "../../runtime/api/protocol.ts";
import { type ControlServer, type Handler, serveControl } from "../../runtime/api/server.io.ts";
import { createLog } from "../../runtime/base/log.ts";
import { Loopback } from "../help/loopback.ts";
import { PATIENCE } from "../help/shell.ts";
import { trellisLine } from "../help/trellis.ts";

const WORDS = "correct horse battery";
const LARGE = 12;
const MIDDLE = 6; // of some fifty pieces
const net = new Loopback();
const a = net.gateway("a");
const socket = join(a.stateDir, "control.sock");
const words = join(net.folder, "words");
const relayed = join(net.folder, "relayed");
const medium = join(net.folder, "medium");
let server: ControlServer | undefined;

const put = (key: string, value: string | Uint8Array): Promise<Json> =>
  call<Json>(socket, "sync-put", { key, value: Buffer.from(value).toString("base64") }, PATIENCE);

beforeAll(async () => {
  for (const directory of [relayed, medium]) mkdirSync(directory, { mode: 0o700 });
  writeFileSync(words, WORDS);
  await a.json("init", "--name", "a");
  await a.start();
  for (let i = 0; i < LARGE; i++) await put(`large/${i}`, Buffer.alloc(1_000_000, i));
});
afterEach(() => server?.close());
afterAll(() => net.remove());

interface Making {
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** All that the daemon was asked, as text. */
  readonly asked: string[];
}

/** `trellis backup NAME`; `middle` is awaited when a part of it was read. */
function making(name: string, middle: (child: Making["child"]) => Promise<unknown>): Making {
  const asked: string[] = [];
  const started = Promise.withResolvers<Making["child"]>();
  const pass = (method: string, params: JsonObject): Promise<Json> => {
    asked.push(JSON.stringify({ method, params }));
    return call<Json>(socket, method, params, PATIENCE);
  };
  let reads = 0;
  const read: Handler = async (params) => {
    if (++reads === MIDDLE) await middle(await started.promise);
    return pass("backup-read", params);
  };
  const [open, close]: Handler[] = ["backup-open", "backup-close"].map((method) => (params) => pass(method, params));
  server = serveControl(
    join(relayed, "control.sock"),
    { "backup-open": open as Handler, "backup-read": read, "backup-close": close as Handler },
    () => undefined,
    createLog(() => {}, "error"),
  );
  const line = trellisLine(relayed, "--json", "backup", join(medium, name), "--passphrase-file", words);
  const child = Bun.spawn(line, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  started.resolve(child);
  return { child, asked };
}

test("holds everything that was acknowledged before, while writes go on, and restores to a sound store", async () => {
  const before = new Map<string, string>();
  for (let i = 0; i < 40; i++) {
    before.set(`kept/${i}`, `${i}`);
    await put(`kept/${i}`, `${i}`);
  }
  /** Some at once, which the disk takes as one: the command waits for its part meanwhile, and not for ever. */
  const twenty = (write: (i: number) => Promise<Json>): Promise<unknown> =>
    Promise.all(Array.from({ length: 20 }, (_, i) => write(i)));
  const meanwhile = async (): Promise<void> => {
    await twenty((i) => put(`kept/${2 * i}`, "since"));
    for (const half of [0, 20]) await twenty((i) => put(`since/${half + i}`, "since"));
    for (let i = 0; i < LARGE; i++) await put(`large/${i}`, Buffer.alloc(500_000, 255));
  };
  const { child, asked } = making("under-writes", meanwhile);
  expect(await child.exited).toBe(0);
  expect(asked.length).toBeGreaterThan(2 * MIDDLE);
  expect(asked.join()).not.toContain(WORDS);
  const file = join(medium, "under-writes");
  expect(readdirSync(medium)).toEqual(["under-writes"]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file).includes(WORDS)).toBe(false);

  const copy = net.gateway("copy");
  await copy.json("restore", file, "--passphrase-file", words);
  expect(await copy.json<{ setAside: unknown }>("store", "check")).toMatchObject({ setAside: null });
  await copy.start();
  const reads = async (key: string): Promise<Buffer | undefined> => {
    const { values } = await call<{ values: { value: string }[] }>(
      join(copy.stateDir, "control.sock"),
      "sync-get",
      { key },
      PATIENCE,
    );
    return values[0] && Buffer.from(values[0].value, "base64");
  };
  for (const [key, value] of before) expect((await reads(key))?.toString()).toBe(value);
  for (let i = 0; i < LARGE; i++) expect((await reads(`large/${i}`))?.equals(Buffer.alloc(1_000_000, i))).toBe(true);
  expect(await reads("since/0")).toBeUndefined();
  await copy.end();
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("leaves nothing behind when %s ends it", async (signal) => {
  const stopped = Promise.withResolvers<void>();
  const { child } = making("interrupted", (process) => {
    expect(readdirSync(medium).length).toBe(2); // what is being written beside the one that is there
    process.kill(signal);
    return stopped.promise;
  });
  expect(await child.exited).toBeGreaterThan(128);
  stopped.resolve();
  expect(readdirSync(medium)).toEqual(["under-writes"]);
});

test("that is killed makes no file of that name, the daemon goes on, and the next one clears up", async () => {
  const stopped = Promise.withResolvers<void>();
  const { child } = making("killed", (process) => {
    process.kill("SIGKILL");
    return stopped.promise;
  });
  await child.exited;
  stopped.resolve();
  expect(readdirSync(medium)).not.toContain("killed");
  expect(readdirSync(medium).length).toBe(2);
  const foreign = ".notes.0123456789abcdef.tmp"; // has such a name, and is none of ours
  writeFileSync(join(medium, foreign), "text");
  await put("after", "it");
  const again = join(medium, "again");
  await a.json("backup", again, "--passphrase-file", words);
  expect(statSync(again).size).toBeGreaterThan(LARGE * 500_000);
  expect(readdirSync(medium).sort()).toEqual([foreign, "again", "under-writes"]);
  for (const path of [again, join(medium, foreign)]) rmSync(path);
});

const mounts = process.getuid?.() === 0 && Bun.spawnSync(["unshare", "-m", "true"]).success;
if (!mounts) console.log("SKIP backup onto a full medium: not root, or no mount namespace");

test.skipIf(!mounts)("names a full medium and leaves nothing on it, and the daemon goes on", async () => {
  const mount = 'mount -t tmpfs -o size=2m none "$0" && { "$@"; ls -A "$0"; }';
  const line = trellisLine(a.stateDir, "--json", "backup", join(medium, "full"), "--passphrase-file", words);
  const child = Bun.spawn(["unshare", "-m", "sh", "-c", mount, medium, ...line], { stdout: "pipe", stderr: "pipe" });
  expect(JSON.parse(await new Response(child.stderr).text())).toMatchObject({ error: { code: "store/full" } });
  expect(await new Response(child.stdout).text()).toBe("");
  await put("after", "that");
});

test("fails with the daemon, and leaves nothing behind", async () => {
  const there = readdirSync(medium);
  const { child } = making("failed", () => a.end("SIGKILL"));
  expect(await child.exited).not.toBe(0);
  expect(JSON.parse(await new Response(child.stderr).text()).error.code).toMatch(/^daemon\//);
  expect(readdirSync(medium)).toEqual(there);
  await a.start();
  expect((await a.trellis("sync", "get", "after")).code).toBe(0);
});
