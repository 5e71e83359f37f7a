/**
 * What a mesh of whole gateways costs: the shipped core with handshakes, sessions, gossip, discovery and link state on the internet
 * (test/sim/large/world.ts says what is stood in for). Bytes with headers, keys and signatures of full size.
 */
import { heapStats } from "bun:jsc";
import { minutes, seconds } from "../../runtime/base/time.ts";
import { isSound, judge } from "../../test/sim/large/judge.ts";
import { LargeMesh, type Node } from "../../test/sim/large/world.ts";
import { median } from "../rounds.ts";

export interface WholeFigures {
  /** ms from the first start until everybody reaches everybody, all starting within 2 s; sent by each until then, MB; ms of CPU each. */
  readonly coldTime: number;
  readonly coldBytes: number;
  readonly coldCpu: number;
  /** Sent per gateway and second while nothing happens, rekeys included. */
  readonly idle: number;
  /** ms of CPU per gateway and simulated hour of that. */
  readonly idleCpu: number;
  /** ms from the death of a wire, detection (30 ms) included, to the last route anywhere; and sent by each until it is back, bytes. */
  readonly convergence: number;
  readonly convergenceMost: number;
  readonly flapBytes: number;
  /** One that knows nobody's link list starts: sent by each, bytes. */
  readonly joinBytes: number;
  /** A third parts for a minute and comes back: sent by each, MB. */
  readonly partitionBytes: number;
  /** MB of heap for each; members and lists are shared. */
  readonly memory: number;
}

const FAILURES = 9;
const IDLE = minutes(35); // one rekey of unused keys is in it

export async function wholeFigures(count: number): Promise<WholeFigures> {
  const heapBefore = heap();
  const mesh = await LargeMesh.create({ seed: `whole ${count}`, count, site: "open", loss: 0 });
  const joiner = mesh.nodes.at(-1) as Node;
  const others = mesh.nodes.slice(0, -1);
  const cold = cpuOf();
  mesh.start([joiner]);
  const isWhole = (): boolean => mesh.running.length === others.length && isSound(judge(mesh, others));
  if (!(await mesh.world.runUntil(isWhole, seconds(120), 100))) throw new Error("not together after a cold start");
  const [coldTime, coldBytes, coldCpu] = [mesh.world.now, mesh.sentBytes, cold()];

  await mesh.world.run(minutes(1));
  let before = mesh.sentBytes;
  await mesh.restart(joiner);
  await mesh.world.run(minutes(1));
  const joined = mesh.sentBytes - before;
  sound(mesh, "after a join");

  await mesh.world.run(minutes(6));
  before = mesh.sentBytes;
  const resting = cpuOf();
  await mesh.world.run(IDLE);
  const idle = (mesh.sentBytes - before) / (IDLE / 1000);
  const idleCpu = (resting() / IDLE) * minutes(60);
  const memory = (heap() - heapBefore) / 1e6 / count;

  const times: number[] = [];
  const flap: number[] = [];
  for (let i = 0; i < FAILURES; i++) {
    const a = mesh.pick(mesh.nodes);
    const b = mesh.pick(mesh.neighbours(a));
    before = mesh.sentBytes;
    const from = mesh.world.now;
    mesh.cut(a, b);
    await mesh.world.run(seconds(2));
    times.push(Math.max(0, mesh.lastRoute - from));
    await mesh.world.run(seconds(8));
    mesh.mend(a, b);
    await mesh.world.run(seconds(50));
    flap.push(mesh.sentBytes - before - idle * 60);
  }
  sound(mesh, "after wires were cut");

  before = mesh.sentBytes;
  mesh.split(new Set(mesh.region(Math.ceil(count / 3))));
  await mesh.world.run(minutes(1));
  mesh.heal();
  await mesh.world.run(minutes(2));
  const partitionBytes = mesh.sentBytes - before - idle * 180;
  sound(mesh, "after a partition");

  return {
    coldTime,
    coldBytes: coldBytes / 1e6,
    coldCpu: coldCpu / count,
    idle,
    idleCpu: idleCpu / count,
    convergence: median(times),
    convergenceMost: Math.max(...times),
    flapBytes: median(flap),
    joinBytes: joined - idle * 60,
    partitionBytes: partitionBytes / 1e6,
    memory,
  };
}

function sound(mesh: LargeMesh, when: string): void {
  const verdict = judge(mesh, mesh.nodes.slice(0, 20));
  if (!isSound(verdict)) throw new Error(`${when} ways are wrong: ${verdict.examples.join("; ")}`);
}

/** ms of CPU since this was called. */
export function cpuOf(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
}

export function heap(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}
