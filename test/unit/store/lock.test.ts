import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tryLock } from "../../../runtime/store/lock.io.ts";

const place = mkdtempSync(join(tmpdir(), "trellis-lock-"));
const file = join(place, "owner.lock");
const started: Bun.Subprocess[] = [];
afterAll(() => rmSync(place, { recursive: true, force: true }));
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
});

async function tries(): Promise<{ pid: number; said: string; end: () => Promise<void> }> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "hold-lock.ts"), file], { stdout: "pipe" });
  started.push(child);
  const { value } = await child.stdout.getReader().read();
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  return { pid: child.pid, said: new TextDecoder().decode(value).trim(), end };
}

describe("of processes that want one lock at once", () => {
  test("one gets it, and the others are told which", async () => {
    const all = await Promise.all(Array.from({ length: 6 }, tries));
    const owner = all.find((one) => one.said === "mine");
    const others = all.filter((one) => one !== owner);
    expect(others).toHaveLength(5);
    // One that asked in the moment before the owner wrote its id is told "undefined".
    for (const one of others) expect([`held by ${owner?.pid}`, "held by undefined"]).toContain(one.said);
    expect((await tries()).said).toBe(`held by ${owner?.pid}`);
  });

  test("the next gets it when the owner was killed", async () => {
    const owner = await tries();
    await owner.end();
    const next = await tries();
    expect(next.said).toBe("mine");
    expect((await tries()).said).toBe(`held by ${next.pid}`);
  });
});

describe("a lock", () => {
  test("is held against its own process too, until it is released", () => {
    const first = tryLock(file);
    expect(tryLock(file)).toEqual({ holder: process.pid });
    first.release?.();
    const second = tryLock(file);
    expect(second.release).toBeDefined();
    second.release?.();
  });

  test("is a file that others cannot read", () => {
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("in a directory that is not there throws what the system says", () => {
    expect(() => tryLock(join(place, "none", "owner.lock"))).toThrow(expect.objectContaining({ code: "ENOENT" }));
  });
});
