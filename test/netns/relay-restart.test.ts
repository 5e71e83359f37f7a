/** What a relay in the kernel carries goes on while its daemon is killed and started again; after a stop nothing is left. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAddon, type RelayPrograms, relayObjects } from "../../runtime/dataplane/addon.io.ts";
import { HOOKS } from "../../runtime/dataplane/relay-attach.ts";
import { RELAY_MEMORY } from "../../runtime/dataplane/relay-memory.io.ts";
import { until } from "../help/netns.ts";
import { overlay } from "../help/relay-frames.ts";
import { RelayLine } from "../help/relay-line.ts";
import { RelayedPair } from "../help/relayed-pair.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const FILE = "test/netns/relay-restart.test.ts";

function canRun(): boolean {
  if (!able(FILE, "root", "tun", "netns", "addon", "command:ip", "command:ping", "command:bpftool")) return false;
  const refusal = loadAddon().addon?.probe().bpf;
  const reason = refusal ? `BPF is refused (${refusal})` : relayObjects() ? undefined : "the BPF objects are not built";
  if (reason) console.log(`SKIP ${FILE}: ${reason}`);
  return reason === undefined;
}

/** A ping 200 times a second; once it is told to stop, the numbers up to the last that came back, and which of them did not. */
function stream(line: RelayLine): () => Promise<{ sent: number; lost: readonly number[] }> {
  const child = Bun.spawn(line.inside("a", "ping", "-6", "-i", "0.005", "-W", "1", overlay("b")), { stdout: "pipe" });
  const said = new Response(child.stdout).text();
  return async () => {
    child.kill("SIGINT");
    const received = new Set(Array.from((await said).matchAll(/icmp_seq=(\d+) ttl/g), ([, number]) => Number(number)));
    const sent = Math.max(0, ...received); // the very last may be on its way still
    return { sent, lost: Array.from({ length: sent }, (_, i) => i + 1).filter((number) => !received.has(number)) };
  };
}

/** Ids of the programs that a relay's memory names. */
const remembered = (memory: string): number[] =>
  (JSON.parse(readFileSync(memory, "utf8")) as { programs: RelayPrograms[] }).programs.flatMap(({ tc, xdp }) =>
    xdp === 0 ? [tc] : [tc, xdp],
  );

/** Of these programs, those that are in the kernel: attached to something, or held by a process. */
async function alive(ids: Iterable<number>): Promise<number[]> {
  const shown = new Set(
    (JSON.parse(await must(["bpftool", "--json", "prog", "show"])) as { id: number }[]).map((p) => p.id),
  );
  return [...ids].filter((id) => shown.has(id));
}

/** The kernel frees programs a moment after the last has let go of them. */
const untilGone = (ids: Iterable<number>): Promise<true> =>
  until("the end of programs", async () => ((await alive(ids)).length === 0 ? true : undefined));

describe.skipIf(!canRun())("a relay whose daemon ends", () => {
  describe.each([
    ["tcx", HOOKS.auto],
    ["XDP", HOOKS.xdp],
  ])("(%s)", (_, hooks) => {
    const line = new RelayLine();

    beforeAll(async () => {
      await line.build();
      await line.setOffloads("on");
      await line.start(hooks, "IPv4");
      await until("an answer of b", async () =>
        (await run(line.inside("a", "ping", "-6", "-c", "1", "-W", "1", overlay("b")))).code === 0 ? true : undefined,
      );
    });
    afterAll(() => line.remove());

    test("by SIGKILL relays on, and loses nothing while the next one meets its neighbours one by one", async () => {
      const end = stream(line);
      await Bun.sleep(300);
      await line.killRelay();
      await Bun.sleep(500);
      await line.openRelay(hooks);
      await Bun.sleep(500);
      await line.meetRelay("a");
      await Bun.sleep(500);
      const half = (await line.status("e")).kernel.relayed?.forward;
      await line.meetRelay("b");
      await Bun.sleep(500);
      const { sent, lost } = await end();
      expect(lost).toEqual([]);
      expect(sent).toBeGreaterThan(100);
      expect(half).toBe(0); // the one before carried it until b was met
      expect((await line.status("e")).kernel.relayed?.forward).toBeGreaterThan(20);
    });

    test("twice leaves no third program behind", async () => {
      const each = hooks === HOOKS.xdp ? 2 : 1;
      const known = new Set(remembered(line.memory));
      for (let i = 0; i < 2; i++) {
        await line.killRelay();
        const newest = remembered(line.memory).slice(-each);
        expect(await alive(newest)).toEqual(newest);
        await line.startRelay(hooks);
        for (const id of remembered(line.memory)) known.add(id);
      }
      const now = remembered(line.memory);
      expect(now.length).toBe(2 * each);
      for (const id of now) known.delete(id);
      expect(known.size).toBeGreaterThanOrEqual(each);
      await untilGone(known);
    });

    test("by a stop leaves nothing, not even what an earlier one had left", async () => {
      const known = remembered(line.memory);
      await line.stopRelay();
      await untilGone(known);
      expect(existsSync(line.memory)).toBe(false);
      expect(await must(line.inside("e", "cat", "/proc/sys/net/ipv4/conf/lo/forwarding"))).toBe("0\n");
    });
  });

  describe("of a mesh with daemons", () => {
    const pair = new RelayedPair();
    const memory = (): string => join(pair.e.stateDir, RELAY_MEMORY);
    beforeAll(() => pair.start());
    afterAll(() => pair.remove());

    test.each(["SIGKILL", "SIGUSR2"] as const)("by %s hardly costs a flow through it anything", async (signal) => {
      const flow = await pair.flow();
      await flow.more(500);
      let away = 0;
      await pair.restart(signal, async () => {
        away = (await flow.more(1_000)).lost;
      });
      const { lost } = await flow.more(2_000);
      await flow.end();
      // Without a relay nothing comes while it is away, and all is lost from its end to the new sessions. On a busy machine routes change meanwhile.
      expect(away + lost).toBeLessThan(1_000);
    });

    test("by SIGUSR2 ends with the code that asks for a restart", async () => {
      expect(await pair.e.end("SIGUSR2")).toBe(75);
      expect(await alive(remembered(memory()))).not.toEqual([]);
      pair.e.spawn();
      await pair.e.untilReady();
    });

    test("by SIGKILL leaves what `trellis down` takes away", async () => {
      await pair.e.end("SIGKILL");
      const left = remembered(memory());
      expect(await alive(left)).toEqual(left);
      expect(await pair.e.json("down")).toEqual({ stopped: false, removed: true });
      await untilGone(left);
      expect(await pair.e.json("down")).toEqual({ stopped: false, removed: false });
    });
  });
});
