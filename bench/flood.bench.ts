/**
 * What a flood from invented sources does to a stream: `bun bench/flood.bench.ts [--rounds N] [--seconds S] [--rate N] [--json FILE]`, as root.
 *
 * Method. Two gateways as a user starts them on one veth pair, MTU 1500; one iperf3 stream (cubic) between their overlay addresses, and on
 * the same pair frames from random IPv4 sources (bench/flood.cc, AF_PACKET) to the receiving gateway. Every figure is the median of
 * interleaved rounds.
 *
 *   none           the stream alone
 *   dropped        the flood goes to another port, whose packets a tc program drops: what the kernel can do at its best
 *   stranger       first messages of a handshake, rightly made: what somebody can send who knows mesh and node; cookies answer some
 *   long           the same in full-sized packets (dropped-long: as many of that size to the other port)
 *   forged         by somebody who does not know them
 *   cookie         with a cookie that was never given
 *   session        data frames of no session
 *
 *   tcp            Mbit/s received
 *   cpu            CPU of the flooded daemon's main thread, which shakes hands, in percent of a core
 *   sent           what of the flood was really sent, 1/s: less than wanted where the machine has no more
 *   rss            what its resident memory has grown by after all floods, MB
 *
 * Flood, stream and gateways share the same cores, so absolute figures are the machine's; compare in one run.
 */
import { parseArgs } from "node:util";
import { fromHex } from "../runtime/base/bytes.ts";
import { buildFlood, type FloodKind, floodCommand, floodPayload, type Target } from "../test/help/flood.ts";
import { dropPort } from "../test/help/loss.ts";
import { able } from "../test/help/require.ts";
import { must } from "../test/help/shell.ts";
import type { Row } from "./table.ts";
import { Lab, type System } from "./tunnel-lab.ts";
import { mainThreadCpu, residentMb, tcp } from "./tunnel-load.ts";

const CLOSED_PORT = 9;
const FLOODS = ["none", "dropped", "stranger", "forged", "cookie", "session", "dropped-long", "long"] as const;
type Flood = (typeof FLOODS)[number];

const median = (values: readonly number[]): number =>
  values.toSorted((x, y) => x - y)[Math.floor((values.length - 1) / 2)] as number;

interface Status {
  readonly pid: number;
  readonly meshId: string;
  readonly nodeId: string;
  readonly port: number;
}

class Flooded {
  readonly #lab: Lab;
  readonly #system: System;
  readonly #target: Target;
  readonly #status: Status;
  readonly #rate: number;

  private constructor(lab: Lab, system: System, target: Target, status: Status, rate: number) {
    this.#lab = lab;
    this.#system = system;
    this.#target = target;
    this.#status = status;
    this.#rate = rate;
  }

  static async start(lab: Lab, rate: number): Promise<Flooded> {
    const system = await lab.startTrellis();
    const status = await lab.b.json<Status>("status");
    const links = JSON.parse(await must(lab.b.inside("ip", "-json", "link", "show", "dev", "eth0")));
    await dropPort(CLOSED_PORT, "eth0", (...command) => lab.b.inside(...command));
    const target = { device: "eth0", mac: links[0].address as string, address: lab.b.underlay, port: status.port };
    return new Flooded(lab, system, target, status, rate);
  }

  get residentMb(): number {
    return residentMb({ ...this.#system, pids: [this.#status.pid] });
  }

  /** Mbit/s of a stream beside such a flood, CPU percent of the daemon's main thread, and how many a second were really sent. */
  async stream(flood: Flood, seconds: number): Promise<{ mbit: number; cpu: number; sent: number }> {
    const { meshId, nodeId, pid } = this.#status;
    const long = flood.endsWith("long");
    const kind: FloodKind = long ? "long" : flood === "none" || flood === "dropped" ? "stranger" : (flood as FloodKind);
    const payload = floodPayload(kind, fromHex(meshId) as Uint8Array, fromHex(nodeId) as Uint8Array);
    const target = flood.startsWith("dropped") ? { ...this.#target, port: CLOSED_PORT } : this.#target;
    const time = seconds + 1;
    const command = floodCommand(target, this.#rate, time, payload);
    const sending = flood === "none" ? Promise.resolve("0") : must(this.#lab.a.inside(...command));
    const before = mainThreadCpu(pid);
    const begun = performance.now();
    const { mbit } = await tcp(this.#lab, this.#system, 1, seconds);
    const cpu = (100_000 * (mainThreadCpu(pid) - before)) / (performance.now() - begun);
    return { mbit, cpu, sent: Number(await sending) / time };
  }
}

async function measureAll(lab: Lab, rounds: number, seconds: number, rate: number): Promise<Row[]> {
  const flooded = await Flooded.start(lab, rate);
  await flooded.stream("none", seconds); // the runtime compiles what has become hot
  const before = flooded.residentMb;
  const figures = new Map<Flood, { mbit: number; cpu: number; sent: number }[]>(FLOODS.map((flood) => [flood, []]));
  for (let round = 0; round < rounds; round++)
    for (const flood of FLOODS) figures.get(flood)?.push(await flooded.stream(flood, seconds));
  const rows = [...figures].flatMap(([flood, all]): Row[] => {
    const of = (what: "mbit" | "cpu" | "sent"): number => median(all.map((f) => f[what]));
    const every = all.map((f) => f.mbit.toFixed(0)).join(", ");
    console.log(
      `${flood.padEnd(14)}${of("mbit").toFixed(0).padStart(6)} Mbit/s (${every})  cpu ${of("cpu").toFixed(1)} %  sent ${(of("sent") / 1000).toFixed(0)} k/s`,
    );
    return [
      { id: `flood/tcp/${flood}`, value: of("mbit"), unit: "Mbit/s" },
      { id: `flood/cpu/${flood}`, value: of("cpu"), unit: "%" },
      { id: `flood/sent/${flood}`, value: of("sent"), unit: "1/s" },
    ];
  });
  const grown = { id: "flood/rss", value: Math.max(0, flooded.residentMb - before), unit: "MB" };
  console.log(`rss grew by ${grown.value.toFixed(1)} MB`);
  return [...rows, grown];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "3" },
      rate: { type: "string", default: "500000" },
      json: { type: "string" },
    },
  });
  const programs = ["ip", "tc", "ping", "iperf3", "g++", "clang"] as const;
  const needs = programs.map((name) => `command:${name}` as const);
  if (!able("bench/flood.bench.ts", "root", "tun", "netns", "addon", ...needs)) process.exit(1);
  await buildFlood();
  const lab = new Lab();
  const interrupted = (): void => void lab.remove().then(() => process.exit(130));
  process.once("SIGINT", interrupted);
  try {
    await lab.build();
    const rows = await measureAll(lab, Number(values.rounds), Number(values.seconds), Number(values.rate));
    if (values.json) await Bun.write(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  } finally {
    process.off("SIGINT", interrupted);
    await lab.remove();
  }
}
