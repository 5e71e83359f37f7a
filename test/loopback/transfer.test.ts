/** Two daemons on loopback without a tunnel, as in a plain container: join, ping, and a file through the sealed session. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Gateway, type Status } from "../demo/gateway.ts";
import { must } from "../help/shell.ts";

const folder = mkdtempSync(join(tmpdir(), "trellis-loopback-"));
const a = new Gateway("a", folder, undefined);
const b = new Gateway("b", folder, undefined);
const source = join(folder, "source.bin");
const inbox = join(folder, "inbox");

beforeAll(async () => {
  writeFileSync(source, randomBytes(5_000_001));
  mkdirSync(inbox);
  await must(a.trellisCommand("init", "--name", "a"));
  a.start("--no-device", "--port", "0");
  const { port } = await a.ready();
  const { token } = await a.json<{ token: string }>("invite", "--endpoint", `127.0.0.1:${port}`);
  await must(b.trellisCommand("join", token, "--name", "b"));
  b.start("--no-device", "--port", "0");
  await b.ready();
});

afterAll(async () => {
  await Promise.all([a.stop(), b.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

test("the data path without a tunnel is named as what it is", async () => {
  expect((await a.json<Status>("status")).dataPlane).toBe("userspace");
});

test("a file arrives whole, under its name, and both ends name its hash", async () => {
  const receiving = b.json<{ path: string; sha256: string; from: string }>("receive", "--to", inbox);
  const sent = await a.json<{ sha256: string; size: number }>("send", "b", source);
  const received = await receiving;
  expect(received).toMatchObject({ path: join(inbox, "source.bin"), from: "a", sha256: sent.sha256 });
  const copy = await Bun.file(received.path).bytes();
  expect(new Bun.CryptoHasher("sha256").update(copy).digest("hex")).toBe(sent.sha256);
  expect(copy.length).toBe(5_000_001);
});

test("a file that is there already is kept, and the sender hears why", async () => {
  const receiving = b.trellis("--json", "receive", "--to", inbox);
  const sent = await a.trellis("--json", "send", "b", source);
  expect((await receiving).stderr).toContain("receive/exists");
  expect(sent).toMatchObject({ code: 1, stderr: expect.stringContaining("is there already") });
  expect(existsSync(join(inbox, "source.bin.part"))).toBe(false);
});

test("an empty file arrives as well, replacing the one that is there when told so", async () => {
  const empty = join(folder, "empty");
  writeFileSync(empty, "");
  const receiving = b.json<{ size: number }>("receive", "--from", "a", "--to", join(inbox, "source.bin"), "--force");
  await must(a.trellisCommand("send", "b", empty));
  expect(await receiving).toMatchObject({ size: 0 });
  expect(Bun.file(join(inbox, "source.bin")).size).toBe(0);
});

test("without anybody receiving the sender is told so", async () => {
  const { code, stderr } = await a.trellis("send", "b", source);
  expect(code).toBe(1);
  expect(stderr).toContain("nobody there is receiving");
  expect(stderr).toContain("hint: on the other gateway: trellis receive");
});
