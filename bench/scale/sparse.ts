/**
 * What a mesh of whole gateways costs that reach a few others each (geometric) and have been together for long: the shipped core, as in
 * whole.ts. So it can be a thousand.
 */
import { minutes, seconds } from "../../runtime/base/time.ts";
import { isSound, judge } from "../../test/sim/large/judge.ts";
import { LargeMesh } from "../../test/sim/large/world.ts";
import { median } from "../rounds.ts";
import { cpuOf, heap } from "./whole.ts";

export interface SparseFigures {
  /** Sent per gateway and second while nothing happens; ms of CPU per gateway and simulated hour of that. */
  readonly idle: number;
  readonly idleCpu: number;
  /** ms from the death of a wire, detection (30 ms) included, to the last route anywhere. */
  readonly convergence: number;
  readonly convergenceMost: number;
  /** Sent per gateway until the wire is back and for 20 s more, bytes. */
  readonly flapBytes: number;
  /** MB of heap for each; members and lists are shared. */
  readonly memory: number;
}

/** Whoever was tried in vain at the start is left alone by then. */
const SETTLED = minutes(6);
const IDLE = minutes(2);
const FAILURES = 5;

export async function sparseFigures(count: number): Promise<SparseFigures> {
  const heapBefore = heap();
  const mesh = await LargeMesh.create({ seed: `sparse ${count}`, count, site: "geometric", loss: 0 });
  await mesh.startAcquainted();
  await mesh.world.run(SETTLED);
  let before = mesh.sentBytes;
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
    mesh.mend(a, b);
    await mesh.world.run(seconds(20));
    flap.push(mesh.sentBytes - before - idle * 22);
  }
  const verdict = judge(mesh, mesh.nodes.slice(0, 20));
  if (!isSound(verdict)) throw new Error(`after wires were cut ways are wrong: ${verdict.examples.join("; ")}`);
  return {
    idle,
    idleCpu: idleCpu / count,
    convergence: median(times),
    convergenceMost: Math.max(...times),
    flapBytes: median(flap),
    memory,
  };
}
