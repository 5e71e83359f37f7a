/** Daemons without a tunnel: nobody needs to be root for what is tested here. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Result, run, until } from "../../help/shell.ts";

const MAIN = join(import.meta.dir, "../../../runtime/main.ts");
const place = mkdtempSync(join(tmpdir(), "trellis-run-"));
const state = join(place, "a");
const line = (...args: readonly string[]): string[] => [
  process.execPath,
  MAIN,
  "--config",
  "/dev/null",
  "--state-dir",
  state,
  "--json",
  ...args,
];
const trellis = (...args: readonly string[]): Promise<Result> => run(line(...args));
const DAEMON = ["run", "--no-device", "--port", "0"];
afterAll(() => rmSync(place, { recursive: true, force: true }));

describe("daemons started at the same moment on one state directory", () => {
  test("are one: the others are refused, by name", async () => {
    expect((await trellis("init", "--name", "a")).code).toBe(0);
    const all = Array.from({ length: 4 }, () => Bun.spawn(line(...DAEMON), { stdout: "ignore", stderr: "pipe" }));
    try {
      const refused = (): Bun.Subprocess<"ignore", "ignore", "pipe">[] => all.filter((one) => one.exitCode !== null);
      await until("three of them to give up", 30_000, async () => (refused().length === 3 ? true : undefined));
      for (const one of refused()) {
        const { error } = JSON.parse(await new Response(one.stderr).text()) as { error: { code: string } };
        expect({ exit: one.exitCode, code: error.code }).toEqual({ exit: 1, code: "state/in-use" });
      }
      const [running] = all.filter((one) => one.exitCode === null);
      const status = await until("the daemon", 30_000, async () => {
        const told = await trellis("status");
        return told.code === 0 ? (JSON.parse(told.stdout) as { pid: number }) : undefined;
      });
      expect(status.pid).toBe(running?.pid as number);
      const late = await trellis("run");
      expect(late.stderr).toContain(`process ${status.pid}`);
      expect((await trellis("init", "--name", "b")).stderr).toContain("state/in-use");
      expect((await trellis("keys", "show")).code).toBe(0); // looking is free
      expect((await trellis("down")).code).toBe(0);
      expect(await running?.exited).toBe(0);
    } finally {
      for (const one of all) one.kill("SIGKILL");
    }
  });
});
