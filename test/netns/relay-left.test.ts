/**
 * What a relay in the kernel is to others when its daemon was killed and its state directory is gone: nobody knows of its programs any more. A new
 * gateway on that port is not harmed and takes them away, `trellis doctor` names them, `trellis down` removes them; another gateway's stay.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadAddon, type RelayPrograms, relayObjects } from "../../runtime/dataplane/addon.io.ts";
import { RELAY_MEMORY } from "../../runtime/dataplane/relay-memory.io.ts";
import { TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must } from "../help/shell.ts";
import { trellisLine } from "../help/trellis.ts";

const FILE = "test/netns/relay-left.test.ts";

function canRun(): boolean {
  const commands = ["command:ip", "command:ping", "command:bpftool", "command:setpriv"] as const;
  if (!able(FILE, "root", "tun", "netns", "addon", ...commands)) return false;
  const refusal = loadAddon().addon?.probe().bpf;
  const reason = refusal ? `BPF is refused (${refusal})` : relayObjects() ? undefined : "the BPF objects are not built";
  if (reason) console.log(`SKIP ${FILE}: ${reason}`);
  return reason === undefined;
}

/** Ids of a gateway's programs, by its own memory. */
const remembered = (g: TestGateway): number[] =>
  (JSON.parse(readFileSync(join(g.stateDir, RELAY_MEMORY), "utf8")) as { programs: RelayPrograms[] }).programs.flatMap(
    ({ tc, xdp }) => (xdp === 0 ? [tc] : [tc, xdp]),
  );

/** Of these programs, those that are in the kernel. */
async function alive(ids: readonly number[]): Promise<number[]> {
  const shown = JSON.parse(await must(["bpftool", "--json", "prog", "show"])) as { id: number }[];
  return ids.filter((id) => shown.some((program) => program.id === id));
}

/** The kernel frees programs a moment after the last has let go of them. */
const untilGone = (ids: readonly number[]): Promise<true> =>
  until("the end of programs", async () => ((await alive(ids)).length === 0 ? true : undefined));

const MODES = [
  ["tcx", "auto"],
  ["XDP", "xdp"],
] as const;

interface Doctor {
  readonly capabilities: readonly { readonly id: string; readonly found: boolean; readonly detail: string }[];
}

describe.skipIf(!canRun())("a relay whose daemon was killed and whose state directory is gone", () => {
  const net = new TestNet("a", "e");
  const [a, e] = net.gateways as [TestGateway, TestGateway];
  const folder = join(net.folder, "second");
  /** In the same namespace as e, on another port. */
  const second = new TestGateway("e", 3, folder);
  const SECOND = ["--port", "51821", "--device", "mesh1", "--mqtt", "off", "--no-discovery"] as const;

  let joined = 0;

  /** Gives the ids of what is left. */
  async function lose(...args: readonly string[]): Promise<number[]> {
    await e.json("init", "--name", "lost");
    await e.start(...args);
    const ids = remembered(e);
    await e.end("SIGKILL");
    rmSync(e.stateDir, { recursive: true });
    expect(await alive(ids)).toEqual(ids);
    return ids;
  }

  /** A member of a's mesh in the place of the lost one. */
  async function joinAnew(): Promise<void> {
    const { token } = await a.json<{ token: string }>("invite");
    await e.json("join", token, "--name", `e${++joined}`);
  }

  async function untilReached(): Promise<void> {
    const { address } = await e.json<{ address: string }>("status");
    await until("packets from a to e", async () => {
      const ping = Bun.spawn(a.inside("ping", "-6", "-c", "3", "-i", "0.2", "-W", "1", address), { stdout: "ignore" });
      return (await ping.exited) === 0 ? true : undefined;
    });
  }

  const left = async (): Promise<Doctor["capabilities"][number] | undefined> =>
    (await e.json<Doctor>("doctor")).capabilities.find(({ id }) => id === "left-behind");

  beforeAll(async () => {
    await net.build();
    mkdirSync(folder);
    await a.json("init", "--name", "a");
    await a.start();
    await second.json("init", "--name", "second");
    await second.start(...SECOND);
  });
  afterAll(async () => {
    await second.end("SIGKILL");
    await net.remove();
  });

  test.each(MODES)("(%s) is named by doctor and removed by down", async (_, mode) => {
    const ids = await lose("--relay", mode);
    expect(await left()).toMatchObject({ found: false, detail: expect.stringMatching(/port 51820.*eth0/) });
    expect(await e.json("down")).toMatchObject({ removed: true });
    await untilGone(ids);
    expect(await left()).toMatchObject({ found: true });
    expect(await alive(remembered(second))).toEqual(remembered(second));
  });

  test.each(MODES)("(%s) gives way to a new gateway on its port", async (_, mode) => {
    const ids = await lose("--relay", mode);
    await joinAnew();
    await e.start("--relay", mode);
    await untilReached();
    await untilGone(ids);
    expect(await left()).toMatchObject({ found: true });
    await e.end("SIGTERM");
    rmSync(e.stateDir, { recursive: true });
    expect(await alive(remembered(second))).toEqual(remembered(second));
  });

  test.each(MODES)("(%s) does not harm one that may not look at others' programs, as a service", async (_, mode) => {
    const ids = await lose("--relay", mode);
    await joinAnew();
    const line = trellisLine(e.stateDir, "--log-level", "debug", "run");
    const daemon = Bun.spawn(e.inside("setpriv", "--bounding-set=-sys_admin", ...line), {
      stdout: "ignore",
      stderr: "ignore",
    });
    await until("the daemon", async () => ((await e.trellis("status")).code === 0 ? true : undefined));
    await untilReached();
    expect(await alive(ids)).toEqual(ids);
    expect(await left()).toMatchObject({ found: false });
    expect(await e.json("down")).toMatchObject({ stopped: true, removed: true });
    await untilGone(ids);
    await daemon.exited;
    rmSync(e.stateDir, { recursive: true });
  });

  test("of another port, killed a moment ago, stays: its daemon may come back", async () => {
    const ids = remembered(second);
    await second.end("SIGKILL");
    expect(await e.json("down")).toMatchObject({ removed: false });
    expect(await alive(ids)).toEqual(ids);
    await second.start(...SECOND);
    expect(await second.json("down", "--port", "51821")).toMatchObject({ stopped: true });
    await untilGone(ids);
  });
});
