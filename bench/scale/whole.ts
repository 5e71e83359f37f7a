/**
 * What a mesh of whole gateways costs: the shipped core with handshakes, sessions, gossip, discovery and link state on the internet
 * (test/sim/large/world.ts says what is stood in for). Bytes with headers, keys and signatures of full size.
 */
import { minutes, seconds } from "../../runtime/base/time.ts";
import { isSound, judge } from "../../test/sim/large/judge.ts";
import { LargeMesh, type Node } from "../../test/sim/large/world.ts";
import { cpuOf, cutWires, type Failures, type FailureTimes, heap, type Idle, restFor, sound } from "./measured.ts";

export interface WholeFigures extends Idle, Failures {
  /** ms from the first start until everybody reaches everybody, all starting within 2 s; sent by each until then, MB; ms of CPU each. */
  readonly coldTime: number;
  readonly coldBytes: number;
  readonly coldCpu: number;
  /** One that knows nobody's link list starts: sent by each, bytes. */
  readonly joinBytes: number;
  /** A third parts for a minute and comes back: sent by each, MB. */
  readonly partitionBytes: number;
  /** MB of heap for each; members and lists are shared. */
  readonly memory: number;
}

const FAILURES: FailureTimes = { times: 9, down: seconds(10), back: seconds(50) };
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
  const resting = await restFor(mesh, IDLE);
  const { idle } = resting;
  const memory = (heap() - heapBefore) / 1e6 / count;
  const failures = await cutWires(mesh, FAILURES, idle);

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
    ...resting,
    ...failures,
    joinBytes: joined - idle * 60,
    partitionBytes: partitionBytes / 1e6,
    memory,
  };
}
