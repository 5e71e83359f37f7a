/** Client and server over real sockets. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call } from "../../../runtime/api/client.io.ts";
import { type ControlServer, type Handler, type PeerUid, serveControl } from "../../../runtime/api/server.io.ts";
import { createLog, type LogLine } from "../../../runtime/base/log.ts";
import { loadAddon } from "../../../runtime/dataplane/addon.io.ts";
import { able } from "../../help/require.ts";
import { run } from "../../help/shell.ts";

const place = mkdtempSync(join(tmpdir(), "trellis-api-"));
const path = join(place, "control.sock");
const log: LogLine[] = [];
let server: ControlServer | undefined;
afterEach(() => server?.close());
afterAll(() => rmSync(place, { recursive: true, force: true }));

const uidOf: PeerUid = (fd) => loadAddon().addon?.peerCredentials(fd).uid;
const serve = (methods: Record<string, Handler>, who: PeerUid = uidOf): void => {
  log.length = 0;
  server = serveControl(
    path,
    methods,
    who,
    createLog((line) => log.push(line), "debug"),
  );
};
const refused = (code: string) => expect.objectContaining({ code, hint: expect.any(String) });

const SIZE = 4_000_000; // characters, many times what a socket takes at once

describe("an answer", () => {
  test("larger than the socket's buffer arrives whole", async () => {
    const large = Array.from({ length: 200_000 }, (_, i) => `entry ${i}`);
    serve({ large: async () => large });
    expect(await call(path, "large")).toEqual(large);
  });

  test("arrives whole at a reader that is slow, and the next one after it", async () => {
    serve({ large: async (p) => String(p.of).repeat(SIZE) });
    const { promise, resolve } = Promise.withResolvers<string[]>();
    const decoder = new TextDecoder();
    let text = "";
    const socket = await Bun.connect({
      unix: path,
      socket: {
        data(connected, chunk) {
          text += decoder.decode(chunk, { stream: true });
          const lines = text.split("\n");
          if (lines.length > 2) resolve(lines);
          connected.pause();
          setTimeout(() => connected.resume(), 1);
        },
      },
    });
    for (const of of ["a", "b"]) socket.write(`${JSON.stringify({ id: 1, method: "large", params: { of } })}\n`);
    const lines = (await promise).slice(0, 2).map((line) => (JSON.parse(line) as { result: string }).result);
    socket.end();
    expect(lines).toEqual(["a".repeat(SIZE), "b".repeat(SIZE)]);
  });

  test("that does not come is an error that says so", async () => {
    serve({ never: () => new Promise(() => {}) });
    await expect(call(path, "never", {}, 50)).rejects.toEqual(refused("daemon/silent"));
  });

  test("of a daemon that closes instead is another", async () => {
    const closing = Bun.listen({ unix: join(place, "closing"), socket: { open: (s) => void s.end(), data() {} } });
    await expect(call(join(place, "closing"), "status")).rejects.toEqual(refused("daemon/hung-up"));
    closing.stop(true);
  });
});

describe("no daemon", () => {
  test("is there without a socket", async () => {
    await expect(call(join(place, "none"), "status")).rejects.toEqual(refused("daemon/not-running"));
  });

  test("is there behind a socket that a killed one left, and the next one takes it over", async () => {
    const leaving = `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); console.log("up"); setInterval(() => {}, 1000)`;
    const killed = Bun.spawn([process.execPath, "-e", leaving], { stdout: "pipe" });
    await killed.stdout.getReader().read();
    killed.kill("SIGKILL");
    await killed.exited;
    expect(statSync(path).isSocket()).toBe(true);
    await expect(call(path, "status")).rejects.toEqual(refused("daemon/not-running"));
    serve({ status: async () => ({}) });
    expect(await call(path, "status")).toEqual({});
  });

  test("can serve on a path that is too long, and is told so", () => {
    const long = join(place, "x".repeat(120));
    expect(() =>
      serveControl(
        long,
        {},
        uidOf,
        createLog(() => {}, "error"),
      ),
    ).toThrow(refused("api/listen"));
  });
});

describe("the socket", () => {
  test("is its owner's alone", () => {
    serve({});
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("is gone when the server closes", () => {
    serve({});
    server?.close();
    expect(() => statSync(path)).toThrow();
  });

  test("turns away whom the kernel names as another user, and says so in the log", async () => {
    serve({ status: async () => ({}) }, () => 4711);
    await expect(call(path, "status")).rejects.toEqual(refused("daemon/hung-up"));
    expect(log).toContainEqual(expect.objectContaining({ level: "warn", fields: { uid: 4711 } }));
  });
});

const asOthers = able("control socket and other users", "root", "addon", "command:setpriv");
describe.skipIf(!asOthers)("another user", () => {
  const ask = async (...how: string[]): Promise<string> => {
    const other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", ...how];
    return (await run([...other, process.execPath, join(import.meta.dir, "ask.ts"), path, "status"])).stdout.trim();
  };

  test("who gets past the file's mode is turned away by the kernel's word for who it is", async () => {
    serve({ status: async () => ({ name: "a" }) });
    const past = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"];
    expect(await ask(...past)).toBe("daemon/hung-up");
    expect(log).toContainEqual(expect.objectContaining({ level: "warn", fields: { uid: 65_534 } }));
  });

  test("who has root's rights to files but asks as root is answered", async () => {
    serve({ status: async () => ({ name: "a" }) });
    const { stdout } = await run([process.execPath, join(import.meta.dir, "ask.ts"), path, "status"]);
    expect(stdout.trim()).toBe('{"name":"a"}');
  });
});
