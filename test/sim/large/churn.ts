/** A large mesh's day: it starts cold or acquainted, then wires are cut, gateways and whole regions crash, the mesh parts and merges; judged at every step. */
import { type Ms, minutes, seconds } from "../../../runtime/base/time.ts";
import { isSound, judge, overgrown } from "./judge.ts";
import type { LargeMesh, Node } from "./world.ts";

const STEP: Ms = seconds(10);
/** What is wrong so long after the last thing that happened is wrong for good: callers pause for up to 90 s (`MeshSettings.retryMax`). */
const PATIENCE: Ms = seconds(120);
/** How long nothing happens after a cold start; and how often it is looked whether all are together. */
const QUIET: Ms = minutes(5);
/** The same of a mesh that begins acquainted: whoever was tried in vain at the start is left alone by then. */
const SETTLED: Ms = minutes(6);
const QUIET_ACQUAINTED: Ms = minutes(2);
/** In a planned day, until what happens is undone, and until the next: so that what is wrong for good shows. */
const HOLD: Ms = PATIENCE + seconds(30);
const COLD_STEP: Ms = 100;
/** Gateways whose ways to everybody are followed at each step. */
const SAMPLE = 12;
/** Posts that are sent at each step, and when they must have arrived. */
const POSTS = 2;
const POST_LIMIT: Ms = seconds(60);
/** Sent by each gateway on average, B/s: while nothing happens; and over the whole, cold start and all. */
const QUIET_MAX = 375;
const BUSY_MAX = 12_000;

/** For large meshes: they begin acquainted, and so often as there is time these happen in turn. */
export interface Plan {
  readonly kinds: readonly ChangeName[];
  /** B/s of each gateway while nothing happens, and over all that happens. */
  readonly quietMax: number;
  readonly busyMax: number;
}

export interface LargeDay {
  readonly violations: readonly string[];
  /** How often each thing happened. */
  readonly happenings: Readonly<Record<string, number>>;
  readonly judgements: number;
  readonly pairs: number;
  /** Arrived; and those of which the sender was told that they are lost. */
  readonly posts: number;
  readonly told: number;
  /** Until everybody reached everybody. */
  readonly cold: Ms;
  /** Sent per gateway until then, bytes. */
  readonly coldBytes: number;
  /** Per gateway and second. */
  readonly quietBytes: number;
  readonly allBytes: number;
}

interface Post {
  readonly id: number;
  readonly from: Node;
  readonly to: Node;
  readonly until: Ms;
  /** Neither end has crashed, and no partition has come between. */
  isFair: boolean;
}

/** Makes it happen; gives what undoes it. */
type Change = (day: LargeChurn) => () => Promise<void>;

export const SPARSE_DAY: Plan = {
  kinds: ["partition", "region", "wires", "crash", "wire"],
  quietMax: 200,
  busyMax: 4000,
};

export class LargeChurn {
  readonly mesh: LargeMesh;
  readonly #plan: Plan | undefined;
  readonly #violations: string[] = [];
  readonly #happenings: Record<string, number> = {};
  readonly #open = new Set<Post>();
  #lastChange: Ms = 0;
  #judgements = 0;
  #pairs = 0;
  #posts = 0;
  #told = 0;

  constructor(mesh: LargeMesh, plan?: Plan) {
    this.mesh = mesh;
    this.#plan = plan;
  }

  /** From nothing, or as planned. Stops at the first violation: what comes after one means little. */
  async run(length: Ms): Promise<LargeDay> {
    const mesh = this.mesh;
    const plan = this.#plan;
    const { cold, coldBytes } = await this.#begin();
    const quietBytes = await this.#rest();
    // What a start costs is told by itself, and is no day's part where it was made short.
    const [from, before] = plan ? [mesh.world.now, mesh.sentBytes] : [0, 0];
    for (let turn = 0; mesh.world.now < length && this.#violations.length === 0; turn++) {
      const kind = plan ? (plan.kinds[turn % plan.kinds.length] as ChangeName) : mesh.pick(CHANGE_NAMES);
      this.#happenings[kind] = (this.#happenings[kind] ?? 0) + 1;
      const undo = CHANGES[kind](this);
      this.#changed();
      await this.#wait(plan ? HOLD : seconds(30) + mesh.below(kind === "partition" ? minutes(4) : minutes(2)), true);
      await undo();
      this.#changed();
      await this.#wait(plan ? HOLD : seconds(30) + mesh.below(minutes(4)), true);
    }
    const allBytes = (mesh.sentBytes - before) / ((mesh.world.now - from) / 1000);
    const { quietMax, busyMax } = plan ?? { quietMax: QUIET_MAX, busyMax: BUSY_MAX };
    if (quietBytes > quietMax) this.#violations.push(`${quietBytes} bytes a gateway and second while nothing happens`);
    if (allBytes > busyMax) this.#violations.push(`${allBytes} bytes a gateway and second`);
    return {
      violations: this.#violations,
      happenings: this.#happenings,
      judgements: this.#judgements,
      pairs: this.#pairs,
      posts: this.#posts,
      told: this.#told,
      cold,
      coldBytes,
      quietBytes,
      allBytes,
    };
  }

  /** Until everybody reaches everybody, as far as some show. */
  async #begin(): Promise<{ readonly cold: Ms; readonly coldBytes: number }> {
    const { mesh } = this;
    if (this.#plan) await mesh.startAcquainted();
    else mesh.start();
    const shown = this.#plan ? mesh.nodes.slice(0, 10 * SAMPLE) : mesh.nodes;
    const isWhole = (): boolean => mesh.running.length === mesh.nodes.length && isSound(judge(mesh, shown));
    if (!(await mesh.world.runUntil(isWhole, PATIENCE, COLD_STEP)))
      this.#violations.push("not together after a cold start");
    return { cold: mesh.world.now, coldBytes: mesh.sentBytes };
  }

  /** What is sent while nothing happens and nothing is to be carried. */
  async #rest(): Promise<number> {
    await this.#wait(this.#plan ? SETTLED : PATIENCE);
    const before = this.mesh.sentBytes;
    const quiet = this.#plan ? QUIET_ACQUAINTED : QUIET;
    await this.#wait(quiet);
    return (this.mesh.sentBytes - before) / (quiet / 1000);
  }

  #changed(): void {
    this.#lastChange = this.mesh.world.now;
    for (const post of this.#open) {
      const { from, to } = post;
      if (!from.gateway.running || !to.gateway.running || this.mesh.isParted(from, to)) post.isFair = false;
    }
  }

  async #wait(span: Ms, posts = false): Promise<void> {
    const { world } = this.mesh;
    for (const end = world.now + span; world.now < end && this.#violations.length === 0; ) {
      await world.run(Math.min(STEP, end - world.now));
      this.#look();
      if (posts) await this.#post();
    }
  }

  #look(): void {
    const { mesh } = this;
    const { now } = mesh.world;
    const verdict = judge(
      mesh,
      Array.from({ length: SAMPLE }, () => mesh.pick(mesh.nodes)),
    );
    this.#judgements++;
    this.#pairs += verdict.pairs;
    if (!isSound(verdict) && now - this.#lastChange >= PATIENCE)
      this.#violations.push(
        `at ${now}: ${verdict.loops} loops, ${verdict.holes} holes: ${verdict.examples.join("; ")}`,
      );
    this.#violations.push(...overgrown(mesh).slice(0, 3));
    for (const post of this.#open) {
      const { id, from, to } = post;
      if (to.posts.delete(id)) this.#posts++;
      else if (now < post.until) continue;
      else if (from.lost.has(to.address)) this.#told++;
      else if (post.isFair)
        this.#violations.push(`at ${now}: post ${id} from ${from.gateway.label} to ${to.gateway.label} did not arrive`);
      this.#open.delete(post);
    }
  }

  /** To anybody who can be reached, once the mesh has had time to find out about what has happened. */
  async #post(): Promise<void> {
    const { mesh } = this;
    if (mesh.world.now - this.#lastChange < PATIENCE - POST_LIMIT) return;
    for (let i = 0; i < POSTS; i++) {
      const [from, to] = [mesh.pick(mesh.running), mesh.pick(mesh.running)];
      if (from === to || mesh.isParted(from, to)) continue;
      const data = new Uint8Array(4);
      const id = mesh.below(2 ** 32);
      new DataView(data.buffer).setUint32(0, id);
      from.lost.delete(to.address);
      this.#open.add({ id, from, to, until: mesh.world.now + POST_LIMIT, isFair: true });
      await mesh.world.command(from.gateway, { type: "post", peer: to.address, protocol: "sim", data });
    }
  }
}

const cut = (mesh: LargeMesh, count: number): (() => Promise<void>) => {
  const wires: (readonly [Node, Node])[] = [];
  for (let i = 0; i < count; i++) {
    const a = mesh.pick(mesh.running);
    const others = mesh.neighbours(a);
    if (others.length > 0) wires.push([a, mesh.pick(others)]);
  }
  for (const [a, b] of wires) mesh.cut(a, b);
  return async () => {
    for (const [a, b] of wires) mesh.mend(a, b);
  };
};

const crash = (mesh: LargeMesh, nodes: readonly Node[]): (() => Promise<void>) => {
  for (const node of nodes) mesh.crash(node);
  return async () => {
    for (const node of nodes) await mesh.restart(node);
  };
};

const CHANGES = {
  wire: ({ mesh }) => cut(mesh, 1),
  wires: ({ mesh }) => cut(mesh, 5),
  crash: ({ mesh }) => crash(mesh, [mesh.pick(mesh.nodes)]),
  region: ({ mesh }) => crash(mesh, mesh.region(2 + mesh.below(Math.max(1, mesh.nodes.length / 20)))),
  partition: ({ mesh }) => {
    mesh.split(new Set(mesh.region(Math.ceil(mesh.nodes.length / 3))));
    return async () => mesh.heal();
  },
} as const satisfies Record<string, Change>;

export type ChangeName = keyof typeof CHANGES;
const CHANGE_NAMES = Object.keys(CHANGES) as ChangeName[];
