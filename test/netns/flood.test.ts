/** A gateway under floods from invented sources: who has a session notices nothing, a newcomer gets in, the daemon hears nothing of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromHex } from "../../runtime/base/bytes.ts";
import { ingressObject, loadAddon, relayObjects } from "../../runtime/dataplane/addon.io.ts";
import { buildFlood, type FloodKind, floodCommand, floodPayload } from "../help/flood.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const FILE = "test/netns/flood.test.ts";
const needs = ["root", "tun", "netns", "addon", "command:ip", "command:ping", "command:socat", "command:g++"] as const;

function canRun(): boolean {
  if (!able(FILE, ...needs)) return false;
  const refusal = loadAddon().addon?.probe().bpf;
  const built = ingressObject() && relayObjects();
  const reason = refusal ? `BPF is refused (${refusal})` : built ? undefined : "the BPF objects are not built";
  if (reason) console.log(`SKIP ${FILE}: ${reason}`);
  return reason === undefined;
}

interface Status {
  readonly pid: number;
  readonly meshId: string;
  readonly nodeId: string;
  readonly address: string;
  readonly port: number;
  readonly traffic: { readonly drops: Readonly<Record<string, number>> };
  readonly admission: { readonly enforced: readonly string[]; readonly reason: string; readonly answered: number };
  readonly counters: Readonly<Record<string, number>>;
}

/** As fast as a bridge and this machine can, at most. */
const RATE = 500_000;
/** Longer than any test: whether it still goes on is asked at its end. */
const SECONDS = 900;
/** What the daemon's memory may grow by: without admission it is 80 MB and more. */
const GROWTH_MB = 25;

const hash = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
const residentMb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1000;

describe.skipIf(!canRun())("a gateway under a flood", () => {
  const net = new TestNet("a", "b", "c", "x");
  const [a, b, c, x] = net.gateways as [TestGateway, TestGateway, TestGateway, TestGateway];
  let mac = "";
  let overlay = "";

  const status = (): Promise<Status> => b.json<Status>("status");
  let sender: Bun.Subprocess | undefined;
  const endFlood = async (): Promise<void> => {
    sender?.kill("SIGTERM");
    await sender?.exited;
  };
  /** Starts to send, until `endFlood`. */
  async function flood(kind: FloodKind) {
    const { meshId, nodeId, port } = await status();
    const payload = floodPayload(kind, fromHex(meshId) as Uint8Array, fromHex(nodeId) as Uint8Array);
    const target = { device: "eth0", mac, address: b.underlay, port };
    await endFlood(); // of a test that failed
    const child = Bun.spawn(x.inside(...floodCommand(target, RATE, SECONDS, payload)), {
      stdio: ["ignore", "ignore", "inherit"],
    });
    sender = child;
    return { isRunning: () => child.exitCode === null, stop: endFlood };
  }
  async function transfer(): Promise<void> {
    const sent = randomBytes(8 << 20);
    const received = join(net.folder, "received");
    const listener = Bun.spawn(b.inside("socat", "-u", "TCP6-LISTEN:7000,reuseaddr", `CREATE:${received}`));
    await until("the listener", async () =>
      (await must(b.inside("ss", "-ltnH"))).includes(":7000") ? true : undefined,
    );
    expect((await run(a.inside("socat", "-u", "-", `TCP6:[${overlay}]:7000`), sent)).code).toBe(0);
    expect(await listener.exited).toBe(0);
    expect(hash(await Bun.file(received).bytes())).toBe(hash(sent));
  }

  beforeAll(async () => {
    await buildFlood();
    await net.build();
    await b.json("init", "--name", "b");
    await b.start();
    const { token } = await b.json<{ token: string }>("invite");
    await a.json("join", token, "--name", "a");
    await a.start();
    ({ address: overlay } = await status());
    const [link] = JSON.parse(await must(b.inside("ip", "-json", "link", "show", "dev", "eth0")));
    mac = link.address;
    const ping = a.inside("ping", "-6", "-c", "1", "-W", "1", overlay);
    await until("an answer of b", async () => ((await run(ping)).code === 0 ? true : undefined));
    await transfer(); // what grows with use has grown
  });
  afterAll(async () => {
    await endFlood();
    await net.remove();
  });

  test("says where strangers are looked at", async () => {
    const { admission } = await status();
    expect(admission.reason).toBe("");
    expect(admission.enforced[0]).toBe("sockets");
    expect(admission.enforced[1]).toMatch(/^eth0 \((tcx|clsact)\)$/);
    expect((await b.trellis("status")).stdout).toContain("looked at in the kernel on sockets, eth0");
  });

  test.each([
    ["forged", "ingress.badTag"],
    ["cookie", "ingress.badCookie"],
    ["session", "ingress.unknownSession"],
    ["long", "ingress.overRate"],
  ] as const)("of what is %s, a stream beside it comes out whole and the kernel counts why", async (kind, reason) => {
    const before = await status();
    const memory = residentMb(before.pid);
    const { stop, isRunning } = await flood(kind);
    await until(`drops for ${reason}`, async () =>
      ((await status()).traffic.drops[reason] ?? 0) > (before.traffic.drops[reason] ?? 0) + 20_000 ? true : undefined,
    );
    await transfer();
    expect(isRunning()).toBe(true);
    await stop();
    const after = await status();
    const unheard = (s: Status): number => s.counters["handshake.drop.mac"] ?? 0;
    expect(unheard(after)).toBe(unheard(before));
    expect(residentMb(after.pid) - memory).toBeLessThan(GROWTH_MB);
  });

  test("lets a newcomer in while first messages arrive that are rightly made", async () => {
    const before = await status();
    const memory = residentMb(before.pid);
    const { token } = await b.json<{ token: string }>("invite");
    const { stop, isRunning } = await flood("stranger");
    await until("answers", async () =>
      (await status()).admission.answered > before.admission.answered + 5000 ? true : undefined,
    );
    await until("a newcomer", async () =>
      (await c.trellis("join", token, "--name", "c")).code === 0 ? true : undefined,
    );
    expect(isRunning()).toBe(true);
    await c.start();
    const ping = c.inside("ping", "-6", "-c", "1", "-W", "1", overlay);
    await until("an answer to the newcomer", async () => ((await run(ping)).code === 0 ? true : undefined));
    await transfer();
    expect(isRunning()).toBe(true);
    await stop();
    const after = await status();
    const demanded = (s: Status): number => s.counters["handshake.cookie.demanded"] ?? 0;
    expect(demanded(after) - demanded(before)).toBeLessThan(100); // of peers that had none yet
    expect(residentMb(after.pid) - memory).toBeLessThan(GROWTH_MB);
  });
});
