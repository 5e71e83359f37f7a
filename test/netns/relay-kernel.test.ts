/** Two gateways with no route to each other, and a third that relays: in the kernel, also while its daemon is stopped. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RelayHook } from "../../runtime/dataplane/addon.io.ts";
import { loadAddon, relayObjects } from "../../runtime/dataplane/addon.io.ts";
import { HOOKS, type HookGroups } from "../../runtime/dataplane/relay-attach.ts";
import { until } from "../help/netns.ts";
import { overlay } from "../help/relay-frames.ts";
import { type Family, RelayLine } from "../help/relay-line.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const FILE = "test/netns/relay-kernel.test.ts";
const needs = [
  "root",
  "tun",
  "netns",
  "addon",
  "command:ip",
  "command:ping",
  "command:socat",
  "command:ethtool",
] as const;

function canRun(): boolean {
  if (!able(FILE, ...needs, "command:bpftool")) return false;
  const refusal = loadAddon().addon?.probe().bpf;
  const reason = refusal ? `BPF is refused (${refusal})` : relayObjects() ? undefined : "the BPF objects are not built";
  if (reason) console.log(`SKIP ${FILE}: ${reason}`);
  return reason === undefined;
}

/** Ids of the BPF programs and maps that a process holds. */
function held(pid: number): { readonly prog: Set<string>; readonly map: Set<string> } {
  const found = { prog: new Set<string>(), map: new Set<string>() };
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const text = readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8");
    for (const kind of ["prog", "map"] as const)
      for (const [, id] of text.matchAll(new RegExp(`^${kind}_id:\\s+(\\d+)$`, "gm"))) found[kind].add(id as string);
  }
  return found;
}

/** Of those, the ones that bpftool still shows. */
async function left(kind: "prog" | "map", ids: ReadonlySet<string>): Promise<string[]> {
  const shown = JSON.parse(await must(["bpftool", "--json", kind, "show"])) as { id: number }[];
  return shown.map(({ id }) => String(id)).filter((id) => ids.has(id));
}

const hash = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

type World = readonly [what: string, HookGroups, Family, offloads: "on" | "off", attached: readonly RelayHook[]];
const WORLDS: readonly World[] = [
  ["tcx, IPv4, offloads on", HOOKS.auto, "IPv4", "on", ["tcx"]],
  ["tcx, IPv6, offloads on", HOOKS.auto, "IPv6", "on", ["tcx"]],
  ["tcx, IPv4, offloads off", HOOKS.auto, "IPv4", "off", ["tcx"]],
  ["clsact as before Linux 6.6, IPv4", [["clsact"]], "IPv4", "on", ["clsact"]],
  ["XDP, IPv4", HOOKS.xdp, "IPv4", "on", ["xdp", "tcx"]],
  ["XDP, IPv6", HOOKS.xdp, "IPv6", "on", ["xdp", "tcx"]],
];

describe.skipIf(!canRun())("a relay between two gateways", () => {
  describe.each(WORLDS)("(%s)", (_, hooks, family, offloads, attached) => {
    const withXdp = attached.includes("xdp");
    const line = new RelayLine();
    const received = join(tmpdir(), `trellis-relay-${process.pid}`);
    /** Until so many answers have come: an end that has no core for a while is silent, and what is for it then is lost. Gives the questions. */
    const pinged = async (answers: number): Promise<number> => {
      const command = ["ping", "-6", "-q", "-c", String(answers), "-w", "120", "-i", "0.02", overlay("b")];
      const { stdout } = await run(line.inside("a", ...command));
      const [, asked, received] = /^(\d+) packets transmitted, (\d+) received/m.exec(stdout) ?? [];
      expect(Number(received)).toBeGreaterThanOrEqual(answers);
      return Number(asked);
    };

    beforeAll(async () => {
      await line.build();
      await line.setOffloads(offloads);
      await line.start(hooks, family);
    });
    afterAll(async () => {
      await line.remove();
      rmSync(received, { force: true });
    });

    test("they cannot reach each other but through it", async () => {
      const address = family === "IPv4" ? "10.78.2.1" : "2001:db8:2::1";
      expect((await run(line.inside("a", "ping", "-c", "1", "-W", "1", address))).code).not.toBe(0);
      await pinged(1);
    });

    test("the programs are on both of its devices", async () => {
      const { kernel } = await line.status("e");
      expect(kernel).toMatchObject({ reason: "", attached: { left: attached, right: attached } });
    });

    test("the kernel relays, the daemon sees nothing of it and could open none of it", async () => {
      const before = await line.status("e");
      const asked = await pinged(20);
      const after = await line.status("e");
      const inKernel = (after.kernel.relayed?.forward ?? 0) - (before.kernel.relayed?.forward ?? 0);
      expect(inKernel).toBeGreaterThanOrEqual(2 * 20);
      expect(inKernel).toBeLessThanOrEqual(2 * asked);
      expect(after.relayed).toEqual(before.relayed);
      expect(after.stats.received.packets).toBe(0);
      expect(
        after.neighbours
          .filter((n) => n.frames > 0)
          .map((n) => n.peer)
          .sort(),
      ).toEqual([overlay("a"), overlay("b")]);
    });

    test("a TCP stream comes out whole, and the kernel carried it", async () => {
      const sent = randomBytes(48 << 20);
      const before = await line.status("e");
      const listener = Bun.spawn(line.inside("b", "socat", "-u", "TCP6-LISTEN:7000", `CREATE:${received}`));
      await until("the listener", async () =>
        (await must(line.inside("b", "ss", "-ltnH"))).includes(":7000") ? true : undefined,
      );
      expect((await run(line.inside("a", "socat", "-u", "-", `TCP6:[${overlay("b")}]:7000`), sent)).code).toBe(0);
      expect(await listener.exited).toBe(0);
      expect(hash(await Bun.file(received).bytes())).toBe(hash(sent));
      const after = await line.status("e");
      const inKernel = (after.kernel.relayed?.forward ?? 0) - (before.kernel.relayed?.forward ?? 0);
      expect(inKernel).toBeGreaterThan(30_000);
      expect(after.relayed.forward - before.relayed.forward).toBeLessThan(inKernel / 20);
      const { drops } = (await line.status("b")).stats;
      expect({ auth: drops.auth, replay: drops.replay, malformed: drops.malformed }).toEqual({
        auth: 0,
        replay: 0,
        malformed: 0,
      });
    });

    test("it keeps relaying while its daemon is stopped", async () => {
      const { pid } = await line.status("e");
      process.kill(pid, "SIGSTOP");
      const stopped = (): boolean => /^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
      try {
        await until("its standstill", async () => (stopped() ? true : undefined));
        await pinged(20);
        expect(stopped()).toBe(true);
      } finally {
        process.kill(pid, "SIGCONT");
      }
    });

    test("a device that comes is taken, also when it went and came back under its name", async () => {
      const meet = (other: string) =>
        line.at("e").ask({ call: "meet", other, address: "10.78.9.1", port: 5000, aead: "aes-256-gcm" });
      for (const other of ["c", "d"]) {
        await must(line.inside("e", "ip", "link", "add", "late", "type", "veth", "peer", "name", "late-end"));
        await must(line.inside("e", "ip", "link", "set", "late", "up"));
        await meet(other); // a new neighbour is when it looks
        expect((await line.status("e")).kernel.attached).toMatchObject({ late: attached });
        const shown = await must(line.inside("e", "ip", "-d", "link", "show", "late"));
        if (withXdp) expect(shown).toContain("prog/xdp");
        await must(line.inside("e", "ip", "link", "delete", "late"));
      }
    });

    test("nothing of it is left in the kernel after a stop", async () => {
      const { pid } = await line.status("e");
      const ids = held(pid);
      expect(ids.prog.size).toBe(withXdp ? 2 : 1);
      expect(ids.map.size).toBeGreaterThan(6);
      await line.at("e").ask({ call: "close" });
      for (const kind of ["prog", "map"] as const)
        await until(`no ${kind} of it`, async () => ((await left(kind, ids[kind])).length === 0 ? true : undefined));
      expect(await must(line.inside("e", "tc", "qdisc", "show", "dev", "left"))).not.toContain("clsact");
      for (const path of ["ipv4/conf/lo/forwarding", "ipv6/conf/lo/forwarding"])
        expect((await must(line.inside("e", "cat", `/proc/sys/net/${path}`))).trim()).toBe("0");
    });
  });

  describe("in userspace", () => {
    const line = new RelayLine();
    beforeAll(async () => {
      await line.build();
      await line.start(HOOKS.userspace, "IPv4");
    });
    afterAll(() => line.remove());

    test("does the same where the kernel does nothing", async () => {
      await until("an answer of b", async () => {
        const { code } = await run(line.inside("a", "ping", "-6", "-c", "1", "-W", "1", overlay("b")));
        return code === 0 ? true : undefined;
      });
      const { kernel, relayed, stats } = await line.status("e");
      expect(kernel).toMatchObject({ attached: {}, reason: "not wanted" });
      expect(relayed.forward).toBeGreaterThanOrEqual(2);
      expect(stats.received.packets).toBe(0);
    });
  });
});
