/** `just demo`: a mesh from nothing, told as it happens. `--gateways N` (2 to 16), `--keep` (stay up without a terminal). */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { must, run, until } from "../help/shell.ts";
import { lacking } from "./capability.ts";
import { Gateway, type Status } from "./gateway.ts";
import { fillRandom, sha256Of } from "./payload.ts";
import { bold, note, say, step, table } from "./story.ts";
import { buildUnderlay, namespaceOf, removeUnderlay } from "./underlay.ts";

const { values: options } = parseArgs({
  options: { gateways: { type: "string", default: "4" }, keep: { type: "boolean", default: false } },
});
const count = Number(options.gateways);
if (!Number.isInteger(count) || count < 2 || count > 16) {
  console.error(`error: --gateways takes a number from 2 to 16, not "${options.gateways}"`);
  process.exit(2);
}

const base = join(tmpdir(), `trellis-demo-${process.pid}`);
const NAMES = "abcdefghijklmnop";
const missing = await lacking();
const tunnel = missing.length === 0;
const gateways = Array.from(
  { length: count },
  (_, i) => new Gateway(NAMES[i] as string, base, tunnel ? namespaceOf(i + 1) : undefined),
);
const [first, second] = gateways as [Gateway, Gateway];
const last = gateways.at(-1) as Gateway;
const rows: string[][] = [];

async function cleanUp(): Promise<void> {
  await Promise.all(gateways.map((g) => g.stop()));
  if (tunnel) await removeUnderlay();
  rmSync(base, { recursive: true, force: true });
}

process.once("SIGINT", () => void cleanUp().then(() => process.exit(130)));
process.once("SIGTERM", () => void cleanUp().then(() => process.exit(143)));

const runArguments = tunnel ? ["--interface", "eth0"] : ["--no-device", "--port", "0"];

async function foundMesh(): Promise<void> {
  await step(`${bold("init")}: gateway a makes its keys and a mesh of its own`, () =>
    must(first.trellisCommand("init", "--name", "a")),
  );
  await step(`${bold("run")}: gateway a is up`, async () => {
    first.start(...runArguments);
    await first.ready();
  });
}

/** On loopback the first gateway's endpoint has to be told: by itself it would name the machine's own addresses. */
async function reachable(): Promise<string[]> {
  return tunnel ? [] : ["--endpoint", `127.0.0.1:${(await first.json<Status>("status")).port}`];
}

async function admit(gateway: Gateway, showCode: boolean): Promise<void> {
  if (showCode) {
    say();
    say(await must(first.trellisCommand("invite", ...(await reachable()))));
  }
  const { token } = await first.json<{ token: string }>("invite", ...(await reachable()));
  await step(`${bold("join")}: gateway ${gateway.name} shows the token, is admitted, starts`, async () => {
    await must(gateway.trellisCommand("join", token, "--name", gateway.name));
    gateway.start(...runArguments);
    await gateway.ready();
  });
}

interface Peer {
  readonly name: string;
  readonly address: string;
  readonly state: string;
}

const upPeers = async (g: Gateway): Promise<Peer[]> =>
  (await g.json<{ peers: Peer[] }>("peers")).peers.filter((p) => p.state === "up");

async function meet(): Promise<Status[]> {
  await step(`${bold("handshakes")}: everyone has a session with everyone (X25519+ML-KEM-768)`, async () => {
    for (const g of gateways) {
      await until(`gateway ${g.name} to meet ${count - 1} peers`, 30_000, async () =>
        (await upPeers(g)).length === count - 1 ? true : undefined,
      );
    }
  });
  return await Promise.all(gateways.map((g) => g.json<Status>("status")));
}

async function pingAll(status: readonly Status[]): Promise<void> {
  for (const [i, target] of status.entries()) {
    if (i === 0) continue;
    const title = `${bold("ping6")}: a → ${target.name}  ${target.address}`;
    const rtt = await step(title, async () => {
      const out = await must(first.inside(["ping", "-6", "-n", "-c", "3", "-i", "0.2", "-W", "2", target.address]));
      return /= [\d.]+\/([\d.]+)\//.exec(out)?.[1] ?? "?";
    });
    rows.push([`ping6 a → ${target.name}`, `${rtt} ms`]);
  }
}

async function sendByTcp(megabytes: number, target: Status): Promise<void> {
  const source = join(base, "source.bin");
  const copy = join(base, "copy.bin");
  await step(`a file of ${megabytes} MB of random bytes`, () => fillRandom(source, megabytes));
  const receiver = Bun.spawn(last.inside(["socat", "-u", "TCP6-LISTEN:9000,reuseaddr", `OPEN:${copy},creat,trunc`]));
  const listening = ["ss", "-ltnH", "sport", "=", ":9000"];
  await until("the receiving program", 5000, async () =>
    (await must(last.inside(listening))).trim() ? true : undefined,
  );
  const started = performance.now();
  await step(`${bold("TCP")}: socat sends it from b to ${target.name} through the tunnel`, async () => {
    await must(second.inside(["socat", "-u", `FILE:${source}`, `TCP6:[${target.address}]:9000`]));
    await receiver.exited;
  });
  const elapsed = (performance.now() - started) / 1000;
  await compare(source, copy);
  rows.push([
    `${megabytes} MB by TCP b → ${target.name}`,
    `${((megabytes * 8) / 1000 / elapsed).toFixed(2)} Gbit/s, SHA-256 equal`,
  ]);
}

/** Without a tunnel the daemons talk to each other over their sealed sessions, and nothing else can. */
async function pingBySession(): Promise<void> {
  for (const target of gateways.slice(1)) {
    const pong = await step(`${bold("ping")}: a → ${target.name} through the sealed session`, () =>
      first.json<{ roundTripMs: number }>("ping", target.name, "-c", "1"),
    );
    rows.push([`ping a → ${target.name}`, `${pong.roundTripMs.toFixed(2)} ms`]);
  }
}

/** The daemons carry it themselves: other programs' traffic needs the tunnel. */
async function sendBySession(megabytes: number): Promise<void> {
  const source = join(base, "source.bin");
  const copy = join(base, "copy.bin");
  await step(`a file of ${megabytes} MB of random bytes`, () => fillRandom(source, megabytes));
  const started = performance.now();
  await step(`${bold("send")}: a sends it to ${last.name} through the sealed session`, async () => {
    const receiving = must(last.trellisCommand("receive", "--from", "a", "--to", copy));
    await must(first.trellisCommand("send", last.name, source));
    await receiving;
  });
  const elapsed = (performance.now() - started) / 1000;
  await compare(source, copy);
  rows.push([`${megabytes} MB a → ${last.name}`, `${(megabytes / elapsed).toFixed(1)} MB/s, SHA-256 equal`]);
}

async function compare(source: string, copy: string): Promise<void> {
  const [sent, received] = await Promise.all([sha256Of(source), sha256Of(copy)]);
  if (sent !== received) throw new Error(`the copy differs: sent ${sent}, received ${received}`);
  note(`SHA-256 at both ends: ${sent}`);
}

async function cutOff(): Promise<void> {
  await step(`${bold("revoke")}: a revokes ${last.name}; the others drop it`, async () => {
    await must(first.trellisCommand("revoke", last.name));
    for (const g of gateways.slice(0, -1)) {
      await until(`gateway ${g.name} to drop ${last.name}`, 10_000, async () =>
        (await upPeers(g)).every((p) => p.name !== last.name) ? true : undefined,
      );
    }
  });
  if (!tunnel || count < 3) return;
  const target = await last.json<Status>("status").catch(() => undefined);
  if (target) {
    const silent = await run(second.inside(["ping", "-6", "-c", "1", "-W", "1", target.address]));
    if (silent.code === 0) throw new Error(`${last.name} still answers after its revocation`);
    note(`b can no longer reach ${target.address}`);
  }
}

function explain(): void {
  say();
  say(bold("The mesh stays up. Try, in another terminal:"));
  for (const args of ["status", "peers", "ping b", "doctor", "invite"])
    say(`  ${first.trellisCommand(args).join(" ")}`);
  say("Ctrl-C takes everything down.");
}

try {
  rmSync(base, { recursive: true, force: true });
  mkdirSync(base, { recursive: true, mode: 0o700 });
  say(bold(`Trellis: ${count} gateways, one mesh`));
  if (tunnel) await step("underlay: a network namespace per gateway on one bridge", () => buildUnderlay(count));
  else {
    say("This machine allows no tunnel, so the gateways run on loopback without one. Missing:");
    for (const row of missing) note(`${row.what}: ${row.fix}`);
  }
  await foundMesh();
  for (const [i, gateway] of gateways.slice(1).entries()) await admit(gateway, i === 0);
  const status = await meet();
  if (tunnel) {
    await pingAll(status);
    await sendByTcp(256, status.at(-1) as Status);
  } else {
    await pingBySession();
    await sendBySession(32);
  }
  await cutOff();
  say();
  table(["what", "measured"], rows);
  if (options.keep || process.stdout.isTTY) {
    explain();
    await new Promise(() => {}); // until a signal
  }
  await cleanUp();
} catch (thrown) {
  console.error(`error: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  for (const g of gateways) {
    const log = Bun.file(`${g.stateDir}.log`);
    if (await log.exists())
      console.error(`--- last lines of gateway ${g.name}\n${(await log.text()).split("\n").slice(-8).join("\n")}`);
  }
  await cleanUp();
  process.exit(1);
}
