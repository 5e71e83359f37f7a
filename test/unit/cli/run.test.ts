import { afterAll, describe, expect, test } from "bun:test";
import { Loopback } from "../../help/loopback.ts";
import { PATIENCE, until } from "../../help/shell.ts";

const net = new Loopback();
afterAll(() => net.remove());

describe("daemons started at the same moment on one state directory", () => {
  test("are one: the others are refused, by name", async () => {
    const a = net.gateway("a");
    await a.json("init", "--name", "a");
    const all = Array.from({ length: 4 }, () =>
      Bun.spawn(a.line("--json", "run", "--no-device", "--port", "0"), { stdout: "ignore", stderr: "pipe" }),
    );
    try {
      const ended = (): typeof all => all.filter((one) => one.exitCode !== null);
      await until("three of them to give up", PATIENCE, async () => (ended().length === 3 ? true : undefined));
      for (const one of ended()) {
        const { error } = JSON.parse(await new Response(one.stderr).text()) as { error: { code: string } };
        expect({ exit: one.exitCode, code: error.code }).toEqual({ exit: 1, code: "state/in-use" });
      }
      const [running] = all.filter((one) => one.exitCode === null);
      const { pid } = await until("the daemon", PATIENCE, async () => {
        const told = await a.trellis("--json", "status");
        return told.code === 0 ? (JSON.parse(told.stdout) as { pid: number }) : undefined;
      });
      expect(pid).toBe(running?.pid as number);
      expect((await a.trellis("run")).stderr).toContain(`process ${pid}`);
      expect(await a.refusal("init", "--name", "b")).toBe("state/in-use");
      expect((await a.trellis("keys", "show")).code).toBe(0); // looking is free
      expect(await a.json("down")).toEqual({ stopped: true, removed: false });
      expect(await running?.exited).toBe(0);
    } finally {
      for (const one of all) one.kill("SIGKILL");
    }
  });
});
