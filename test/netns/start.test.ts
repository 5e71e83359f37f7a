/** Starting where something is in the way, and after a daemon that was killed: refused by name, or put right. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";
import { trellisLine } from "../help/trellis.ts";

const ready = able("test/netns/start.test.ts", "root", "tun", "netns", "addon", "command:ip", "command:socat");

describe.skipIf(!ready)("a daemon", () => {
  const net = new TestNet("a");
  const [a] = net.gateways as [TestNet["gateways"][0]];
  let address = "";

  beforeAll(async () => {
    await net.build();
    address = (await a.json<{ address: string }>("init", "--name", "a")).address;
  });
  afterAll(() => net.remove());

  const refusal = async (stateDir: string, prefix: readonly string[], ...args: readonly string[]) => {
    const { code, stderr } = await run(a.inside(...prefix, ...trellisLine(stateDir, "--json", "run", ...args)));
    const { error } = JSON.parse(stderr) as { error: { code: string; hint: string | null } };
    return { exit: code, code: error.code, hint: error.hint };
  };
  const refused = (code: string) => ({ exit: 1, code, hint: expect.any(String) });
  /** A copy of the gateway's state, with something done to it. */
  const copy = (name: string, change: (path: string) => void): string => {
    const path = join(net.folder, name);
    cpSync(a.stateDir, path, { recursive: true });
    chmodSync(path, 0o700);
    change(path);
    return path;
  };
  const links = (): Promise<string[]> => a.devices();

  describe("is refused, and leaves nothing behind, when", () => {
    test.each([
      ["its interface does not exist", ["--interface", "nope0"], "dataplane/no-interface"],
      ["its device is one that the machine has", ["--device", "lo"], "dataplane/device-in-use"],
    ])("%s", async (_, args, code) => {
      expect(await refusal(a.stateDir, [], ...args)).toEqual(refused(code));
      expect(await links()).toEqual(["lo", "eth0"]);
    });

    test("its device is somebody else's", async () => {
      await must(a.inside("ip", "tuntap", "add", "mesh7", "mode", "tun", "multi_queue"));
      expect(await refusal(a.stateDir, [], "--device", "mesh7")).toEqual(refused("dataplane/device-in-use"));
      expect(await links()).toContain("mesh7");
      await must(a.inside("ip", "link", "delete", "mesh7"));
    });

    test.each(["UDP4-RECV", "UDP6-RECV"])(
      "its port is taken by a program (%s), with a tunnel and without",
      async (kind) => {
        const other = Bun.spawn(a.inside("socat", "-u", `${kind}:51820`, "/dev/null"));
        try {
          await until("the port", async () =>
            (await must(a.inside("ss", "-lunH"))).includes(":51820") ? true : undefined,
          );
          expect(await refusal(a.stateDir, [])).toEqual(refused("dataplane/port-in-use"));
          expect(await refusal(a.stateDir, [], "--no-device")).toEqual(refused("dataplane/port-in-use"));
          expect(await links()).toEqual(["lo", "eth0"]);
        } finally {
          other.kill();
          await other.exited;
        }
      },
    );

    test.each<[string, string, (path: string) => void]>([
      ["its state directory is another user's", "store/owner", (path) => chownSync(path, 65_534, 65_534)],
      ["others may enter its state directory", "store/mode", (path) => chmodSync(path, 0o750)],
      ["its membership is damaged", "state/corrupt", (path) => writeFileSync(join(path, "member.cbor"), "x")],
      ["something else lies where its socket belongs", "api/listen", (path) => mkdirSync(join(path, "control.sock"))],
    ])("%s", async (name, code, change) => {
      expect(await refusal(copy(name.replaceAll(" ", "-"), change), [])).toEqual(refused(code));
      expect(await links()).toEqual(["lo", "eth0"]);
    });

    test("its state directory is a link, or its path too long for a socket", async () => {
      const link = join(net.folder, "link");
      symlinkSync(a.stateDir, link);
      expect(await refusal(link, [])).toMatchObject({ code: "store/not-a-directory" });
      expect(
        await refusal(
          copy("x".repeat(120), () => {}),
          [],
        ),
      ).toEqual(refused("api/listen"));
    });

    test("its disk is read-only", async () => {
      const path = copy("read-only", () => {});
      const mount = `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"`;
      expect(await refusal(path, ["unshare", "-m", "sh", "-c", mount, path])).toEqual(refused("store/read-only"));
    });
  });

  describe("after one that was killed", () => {
    const mine = async (): Promise<string | undefined> => {
      const shown = JSON.parse(await must(a.inside("ip", "-json", "link", "show", "mesh0"))) as { ifalias?: string }[];
      return shown[0]?.ifalias;
    };
    const pid = async (): Promise<number> => (await a.json<{ pid: number }>("status")).pid;

    test("finds nothing of it in the kernel, and starts", async () => {
      await a.start();
      expect(await must(a.inside("ip", "-6", "route"))).toContain("dev mesh0");
      await a.end("SIGKILL");
      expect(await links()).toEqual(["lo", "eth0"]);
      expect(await must(a.inside("ip", "-6", "route"))).not.toContain("mesh0");
      await a.start();
      expect(await mine()).toBe(`trellis:${address}:${await pid()}`);
      await a.end("SIGTERM");
    });

    test("removes a device that carries its name and outlived its maker", async () => {
      const gone = Bun.spawn(["true"]);
      await gone.exited;
      await must(a.inside("ip", "tuntap", "add", "mesh0", "mode", "tun", "multi_queue"));
      await must(a.inside("ip", "link", "set", "mesh0", "alias", `trellis:${address}:${gone.pid}`));
      await a.start();
      expect(await mine()).toBe(`trellis:${address}:${await pid()}`);
    });

    test("and a clean stop leaves neither link nor route", async () => {
      expect(await a.end("SIGTERM")).toBe(0);
      expect(await links()).toEqual(["lo", "eth0"]);
      expect(await must(a.inside("ip", "-6", "route"))).not.toContain("mesh0");
    });
  });
});
