/**
 * A daemon under a service manager that is played by a socket: what it is told, and that a daemon whose disk hangs is not kept
 * alive. The disk is a real file system that is frozen, as one behind a dead controller would be.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call } from "../../runtime/api/client.io.ts";
import { ENGINE } from "../../runtime/cli/engine.io.ts";
import { Loopback, type LoopbackGateway } from "../help/loopback.ts";
import { able } from "../help/require.ts";
import { must, PATIENCE, run, until } from "../help/shell.ts";

const net = new Loopback();
afterAll(() => net.remove());

/** Collects what `gateway` says to its service manager, a message per line. */
async function listenTo(gateway: LoopbackGateway): Promise<{ lines: () => string[]; end: () => void }> {
  const path = `${net.folder}/${Bun.hash(gateway.stateDir)}.sock`;
  const said = `${path}.said`;
  writeFileSync(said, "");
  const socat = Bun.spawn(["socat", "-u", `UNIX-RECV:${path}`, `OPEN:${said},append`], { stderr: "ignore" });
  await until("the socket", PATIENCE, async () => (existsSync(path) ? true : undefined));
  gateway.environment.NOTIFY_SOCKET = path;
  const text = (): string => new TextDecoder().decode(Bun.mmap(said).slice());
  return {
    lines: () =>
      text()
        .split(/\n|(?=WATCHDOG=1)|(?=STOPPING=1)/)
        .filter((line) => line !== ""),
    end: () => socat.kill(),
  };
}

describe.skipIf(!able("test/netns/service.test.ts", "addon", "command:socat"))("a service manager", () => {
  test("is told when the gateway is up, that it is alive, and that it stops", async () => {
    const a = net.gateway("a");
    await a.json("init", "--name", "a");
    const manager = await listenTo(a);
    a.environment.WATCHDOG_USEC = "200000";
    await a.start();
    await until("a sign of life", PATIENCE, async () => (manager.lines().includes("WATCHDOG=1") ? true : undefined));
    // It has begun anew for these, and is the process that was started.
    const environment = readFileSync(`/proc/${a.pid}/environ`, "latin1").split("\0");
    for (const [name, value] of Object.entries(ENGINE)) expect(environment).toContain(`${name}=${value}`);
    expect(manager.lines().slice(0, 2)).toEqual(["READY=1", expect.stringMatching(/^STATUS=a at fd/)]);
    await a.json("down");
    expect(await a.end()).toBe(0);
    expect(manager.lines()).toContain("STOPPING=1");
    manager.end();
  });
});

const FILE = "test/netns/service.test.ts: frozen disk";
const tools = able(FILE, "root", "addon", "command:socat", "command:mkfs.ext4", "command:fsfreeze", "command:losetup");
const loops = tools && Bun.spawnSync(["losetup", "-f"]).success;
if (tools && !loops) console.log(`SKIP ${FILE}: no loop device`);
describe.skipIf(!loops)("a gateway whose disk hangs", () => {
  test("is not kept alive by its watchdog, and lives on when the disk comes back", async () => {
    const disk = join(net.folder, "disk");
    mkdirSync(disk);
    await must(["truncate", "-s", "16M", `${disk}.image`]);
    await must(["mkfs.ext4", "-q", `${disk}.image`]);
    await must(["mount", "-o", "loop", `${disk}.image`, disk]);
    const a = net.gateway("disk/a");
    const b = net.gateway("b");
    try {
      await a.json("init", "--name", "a");
      const manager = await listenTo(a);
      const fed = (): number => manager.lines().filter((line) => line === "WATCHDOG=1").length;
      a.environment.WATCHDOG_USEC = "400000";
      await a.start();
      await b.json("join", await a.invite(), "--name", "b");
      await until("a sign of life", PATIENCE, async () => (fed() > 0 ? true : undefined));

      await must(["fsfreeze", "-f", disk]);
      const socket = join(a.stateDir, "control.sock");
      const revoking = call(socket, "revoke", { peer: "b", reason: "" }, PATIENCE); // to be stored
      let before = -1;
      await until("the end of these signs", PATIENCE, async () => {
        const last = before;
        before = fed();
        await Bun.sleep(1000); // some periods
        return last === before ? true : undefined;
      });
      expect((await a.trellis("status")).code).toBe(0); // answers, and yet is stuck

      await must(["fsfreeze", "-u", disk]);
      await revoking;
      await until("signs of life again", PATIENCE, async () => (fed() > before ? true : undefined));
      expect(await a.end()).toBe(0);
      manager.end();
    } finally {
      await run(["fsfreeze", "-u", disk]);
      await a.end("SIGKILL");
      await must(["umount", disk]);
    }
  });
});
