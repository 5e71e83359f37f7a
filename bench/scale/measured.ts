/** What is measured of whole gateways in the same way, however many reach each other. */
import { heapStats } from "bun:jsc";
import { type Ms, minutes, seconds } from "../../runtime/base/time.ts";
import { isSound, judge } from "../../test/sim/large/judge.ts";
import type { LargeMesh } from "../../test/sim/large/world.ts";
import { median } from "../rounds.ts";

/** `idle`: sent per gateway and second while nothing happens. `idleCpu`: ms of CPU per gateway and simulated hour of that. */
export interface Idle {
  readonly idle: number;
  readonly idleCpu: number;
}

export async function restFor(mesh: LargeMesh, time: Ms): Promise<Idle> {
  const before = mesh.sentBytes;
  const resting = cpuOf();
  await mesh.world.run(time);
  const idle = (mesh.sentBytes - before) / (time / 1000);
  return { idle, idleCpu: ((resting() / time) * minutes(60)) / mesh.nodes.length };
}

export interface Failures {
  /** ms from the death of a wire, detection (30 ms) included, to the last route anywhere. */
  readonly convergence: number;
  readonly convergenceMost: number;
  /** Sent per gateway from the death until `back` after the wire is there again, without what goes while nothing happens, bytes. */
  readonly flapBytes: number;
}

export interface FailureTimes {
  readonly times: number;
  readonly down: Ms;
  readonly back: Ms;
}

/** Routes have settled 2 s after a wire has died. */
const CONVERGED = seconds(2);

export async function cutWires(mesh: LargeMesh, { times, down, back }: FailureTimes, idle: number): Promise<Failures> {
  const took: number[] = [];
  const flap: number[] = [];
  for (let i = 0; i < times; i++) {
    const a = mesh.pick(mesh.nodes);
    const b = mesh.pick(mesh.neighbours(a));
    const before = mesh.sentBytes;
    const from = mesh.world.now;
    mesh.cut(a, b);
    await mesh.world.run(CONVERGED);
    took.push(Math.max(0, mesh.lastRoute - from));
    await mesh.world.run(down - CONVERGED);
    mesh.mend(a, b);
    await mesh.world.run(back);
    flap.push(mesh.sentBytes - before - (idle * (down + back)) / 1000);
  }
  sound(mesh, "after wires were cut");
  return { convergence: median(took), convergenceMost: Math.max(...took), flapBytes: median(flap) };
}

export function sound(mesh: LargeMesh, when: string): void {
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
