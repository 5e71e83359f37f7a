/**
 * What a mesh of whole gateways costs that reach a few others each (geometric) and have been together for long: the shipped core, as in
 * whole.ts. So it can be a thousand.
 */
import { minutes, seconds } from "../../runtime/base/time.ts";
import { LargeMesh } from "../../test/sim/large/world.ts";
import { cutWires, type Failures, type FailureTimes, heap, type Idle, restFor } from "./measured.ts";

export interface SparseFigures extends Idle, Failures {
  /** MB of heap for each; members and lists are shared. */
  readonly memory: number;
}

/** Whoever was tried in vain at the start is left alone by then. */
const SETTLED = minutes(6);
const IDLE = minutes(2);
const FAILURES: FailureTimes = { times: 5, down: seconds(2), back: seconds(20) };

export async function sparseFigures(count: number): Promise<SparseFigures> {
  const heapBefore = heap();
  const mesh = await LargeMesh.create({ seed: `sparse ${count}`, count, site: "geometric", loss: 0 });
  await mesh.startAcquainted();
  await mesh.world.run(SETTLED);
  const resting = await restFor(mesh, IDLE);
  const memory = (heap() - heapBefore) / 1e6 / count;
  const failures = await cutWires(mesh, FAILURES, resting.idle);
  return { ...resting, ...failures, memory };
}
