/** Joining over loopback, as somebody sees it who types it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Loopback } from "../../help/loopback.ts";
import { run } from "../../help/shell.ts";
import { trellisLine } from "../../help/trellis.ts";

const net = new Loopback();
const a = net.gateway("a");
let port = 0;
beforeAll(async () => {
  await a.json("init", "--name", "a");
  await a.start();
  ({ port } = await a.json<{ port: number }>("status"));
});
afterAll(() => net.remove());

const tokenFor = async (...args: string[]): Promise<string> => await a.invite(...args);

describe("join", () => {
  test("says whom it asks and who answers, beside the result", async () => {
    const { code, stdout, stderr } = await net.gateway("b").trellis("join", await tokenFor(), "--name", "b");
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `asking 127.0.0.1:${port}\n127.0.0.1:${port} answers; agreeing on keys\n`,
    });
    expect(stdout).toMatch(/^joined as b\noverlay address fd\S+\nnext: trellis run\n$/);
  });

  test("makes a peer whose name the shell completes", async () => {
    const complete = async (current: string): Promise<string> => {
      const [bun = "", main = "", ...words] = trellisLine(a.stateDir, "ping", current);
      return (await run([bun, main, "__complete", ...words])).stdout;
    };
    expect(await complete("")).toMatch(/^b\tfd\S+\n$/);
    expect(await complete("x")).toBe("");
  });

  test("is silent but for its result in JSON", async () => {
    const { stdout, stderr } = await net.gateway("c").trellis("--json", "join", await tokenFor(), "--name", "c");
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({ name: "c" });
  });

  test("tells the gateway's own word when it refuses, and what to do", async () => {
    const { code, stderr } = await net.gateway("d").trellis("join", await tokenFor(), "--name", "a");
    expect(code).toBe(4);
    expect(stderr).toContain('error: the gateway refuses: the mesh has a "a" already\nhint: choose another --name\n');
  });

  test("names everybody it has asked when nobody answers", async () => {
    const nobody = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }); // TCP: no UDP listens there
    const { token } = await a.json<{ token: string }>("invite", "--endpoint", `127.0.0.1:${nobody.port}`);
    const { code, stderr } = await net.gateway("e").trellis("join", token, "--name", "e", "--timeout", "1");
    nobody.stop(true);
    expect(code).toBe(1);
    expect(stderr).toContain(`asked 127.0.0.1:${nobody.port}\nhint: `);
  });

  test("says that a token with blanks wants quotes", async () => {
    const { code, stderr } = await net.gateway("f").trellis("join", "TR2:ABC", "DEF", "--name", "f");
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("hint: put quotes around") });
  });
});
