/**
 * A large mesh of whole gateways: the shipped core with handshakes, sessions, gossip, discovery and link state, over a simulated underlay.
 * Stood in for: the cryptography (`stand-in`: byte strings of full size), the rosters (SharedDirectory), copies of one link list (SharedLists), and
 * the data path's questions: where a wire is cut both ends are told so after 30 ms, as it would find out by itself.
 */
import { type Ms, seconds } from "../../../runtime/base/time.ts";
import { overlayAddress } from "../../../runtime/identity/address.ts";
import { Roster } from "../../../runtime/identity/roster.ts";
import { isThrough } from "../../../runtime/mesh/neighbours.ts";
import type { LinkState } from "../../../runtime/mesh/ports.ts";
import { Routing } from "../../../runtime/mesh/routing/routing.ts";
import type { RoutingDeps } from "../../../runtime/mesh/routing/types.ts";
import type { MeshAction } from "../../../runtime/mesh/types.ts";
import { seededNumber } from "../../help/seeded.ts";
import type { Gateway } from "../gateway.ts";
import type { LinkKind } from "../network/link.ts";
import { NAT, Nat } from "../network/nat.ts";
import { PORT, World } from "../world.ts";
import { HeldRouting, SharedLists } from "./held-routing.ts";
import { Known, SharedDirectory } from "./shared-directory.ts";
import { type Site, type Underlay, underlayOf } from "./underlay.ts";

export interface LargeOptions {
  readonly seed: string;
  readonly count: number;
  readonly site: Site;
  /** Percent. */
  readonly loss?: number;
  /** Other than the shipped link state. */
  readonly routing?: ((deps: RoutingDeps, now: Ms) => Routing) | undefined;
}

/** The data path has found out that a wire is dead. */
const DETECTED: Ms = 30;
/** Gateways start within this. */
const START: Ms = 2000;
/** Sessions between neighbours are there, and round trips are known. */
const ACQUAINTED: Ms = seconds(20);

/** What a gateway of a large mesh has told its data path, and what has reached it. */
export interface Node {
  readonly gateway: Gateway;
  /** Overlay address. */
  readonly address: string;
  readonly index: number;
  readonly isOpen: boolean;
  readonly directory: SharedDirectory;
  /** Whom its data path has had no answer from. */
  readonly silent: Set<Node>;
  /** Next hops by overlay address. */
  readonly routes: Map<string, string>;
  /** To whom posts were lost, as it was told: they began anew, or could not be reached. */
  readonly lost: Set<string>;
  /** Ids of posts that have arrived. */
  readonly posts: Set<number>;
  /** Of its life now. */
  routing: HeldRouting | undefined;
}

export class LargeMesh {
  readonly world: World;
  readonly nodes: Node[] = [];
  readonly draw: () => number;
  /** When somebody's route last changed. */
  lastRoute: Ms = 0;
  readonly #byAddress = new Map<string, Node>();
  readonly #byGateway = new Map<Gateway, Node>();
  readonly #lists = new SharedLists();
  readonly #underlay: Underlay;
  readonly #makeRouting: NonNullable<LargeOptions["routing"]>;
  #held = false;
  #inside: ReadonlySet<Node> | undefined;
  /** By number of the gateway, the part of the mesh that it is in; undefined where that is to be found out anew. */
  #parts: Int32Array | undefined;

  private constructor(world: World, { seed, site, count, routing }: LargeOptions) {
    this.world = world;
    this.draw = seededNumber(`${seed}/large`);
    this.#underlay = underlayOf(site, count, seed, this.draw);
    this.#makeRouting = routing ?? ((deps, now) => new Routing(deps, now));
    world.also = (gateway, action) => this.#note(gateway, action);
  }

  /** All hold all certificates and know where the open ones are; nothing has been sent yet, and no link list made. */
  static async create(options: LargeOptions): Promise<LargeMesh> {
    const { seed, count, loss = 0 } = options;
    const world = await World.create(seed, { provider: "stand-in", drift: 100, history: false });
    const mesh = new LargeMesh(world, options);
    const known = new Known(new Roster(world.provider.crypto, world.founding.mesh));
    for (let i = 0; i < count; i++) await known.add(await mesh.#place(i, known));
    world.network.kind = mesh.#wires(loss);
    return mesh;
  }

  /** Everybody starts, cold; but for those who come later, and of whom nobody knows where they are. */
  start(absent: readonly Node[] = []): void {
    const open = this.nodes.filter((n) => n.isOpen && !absent.includes(n));
    for (const node of this.nodes) {
      const around = this.#underlay.around(node.index)?.map((index) => this.nodes[index] as Node);
      for (const { gateway } of around?.filter((n) => !absent.includes(n)) ?? open)
        if (gateway !== node.gateway) node.directory.setEndpoint(gateway.id, gateway.endpoint);
      if (!absent.includes(node)) this.world.at(this.draw() * START, () => this.world.start(node.gateway));
    }
  }

  /** As a mesh that has been together for long: all members, lists and routes are known to everybody. */
  async startAcquainted(): Promise<void> {
    this.#held = true;
    this.start();
    await this.world.run(ACQUAINTED);
    this.#held = false;
    const lists = this.nodes.flatMap((n) => n.routing?.lists() ?? []);
    for (const { gateway, routing } of this.nodes) {
      routing?.letGo(lists);
      await this.world.feed(gateway, { type: "tick" });
    }
  }

  node(address: string): Node | undefined {
    return this.#byAddress.get(address);
  }

  below(n: number): number {
    return Math.floor(this.draw() * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  get running(): Node[] {
    return this.nodes.filter((n) => n.gateway.running);
  }

  /** Whether a partition lies between them, or no wire at all leads from one to the other. */
  isParted(a: Node, b: Node): boolean {
    if (this.#inside !== undefined && this.#inside.has(a) !== this.#inside.has(b)) return true;
    this.#parts ??= this.#findParts();
    return this.#parts[a.index] !== this.#parts[b.index];
  }

  /** Whether the wire between them carries nothing. */
  isApart(a: Node, b: Node): boolean {
    const [from, to] = [outerOf(a), outerOf(b)];
    return this.world.network.isSplit(from, to);
  }

  /** The `count` gateways nearest to one. */
  region(count: number): Node[] {
    const nearest = this.#underlay.nearest(this.below(this.nodes.length)).slice(0, count);
    return nearest.map((index) => this.nodes[index] as Node);
  }

  crash(node: Node): void {
    for (const other of this.neighbours(node)) this.#tell(other, node, "silent");
    this.world.crash(node.gateway);
    this.#parts = undefined;
    node.posts.clear();
    node.routes.clear();
    this.lastRoute = this.world.now;
  }

  async restart(node: Node): Promise<void> {
    await this.world.start(node.gateway);
    this.#parts = undefined;
  }

  /** The wire between two gateways, as `DETECTED` says. */
  cut(a: Node, b: Node): void {
    this.world.network.cut(outerOf(a), outerOf(b));
    this.#parts = undefined;
    this.#tell(a, b, "silent");
    this.#tell(b, a, "silent");
  }

  mend(a: Node, b: Node): void {
    this.world.network.mend(outerOf(a), outerOf(b));
    this.#parts = undefined;
    this.#revive();
  }

  split(inside: ReadonlySet<Node>): void {
    const [left, right] = [[...inside], this.nodes.filter((n) => !inside.has(n))];
    this.world.network.split({ left: left.map(outerOf), right: right.map(outerOf) });
    this.#inside = inside;
    this.#parts = undefined;
    for (const a of this.nodes) for (const b of this.neighbours(a)) if (this.isParted(a, b)) this.#tell(a, b, "silent");
  }

  heal(): void {
    this.world.network.heal();
    this.#inside = undefined;
    this.#parts = undefined;
    this.#revive();
  }

  /** Who is spoken to over the underlay, as the gateway sees it. */
  neighbours(node: Node): Node[] {
    if (!node.gateway.running) return [];
    return node.gateway.peers().flatMap((p) => {
      const other = p.endpoint && !isThrough(p.endpoint) && p.sessionId ? this.#byAddress.get(p.address) : undefined;
      return other ? [other] : [];
    });
  }

  /** Per gateway, headers included; all that is sent. */
  get sentBytes(): number {
    const { control, handshake, payload } = this.world.counts;
    return (control.bytes + handshake.bytes + payload.bytes) / this.nodes.length;
  }

  /** The data path of one tells its core about another. */
  #tell(at: Node, about: Node, type: "silent" | "alive"): void {
    if (type === "silent") at.silent.add(about);
    else at.silent.delete(about);
    this.world.at(this.world.now + DETECTED, async () => {
      if (!at.gateway.running || at.silent.has(about) !== (type === "silent")) return;
      await this.world.feed(at.gateway, { type: "dataPlane", event: { type, peer: about.address } });
    });
  }

  /** Whoever was silent for a data path and answers again. */
  #revive(of: readonly Node[] = this.nodes): void {
    for (const at of of)
      for (const about of at.silent)
        if (about.gateway.running && !this.isApart(at, about)) this.#tell(at, about, "alive");
  }

  async #place(index: number, known: Known): Promise<Uint8Array> {
    const isOpen = this.#underlay.isOpen(index);
    const outer = `100.64.${index >> 8}.${index & 255}`;
    const nat = isOpen ? undefined : new Nat(NAT["port-restricted"], outer);
    const endpoint = { address: `10.1.${index >> 8}.${index & 255}`, port: PORT };
    const directory = new SharedDirectory(known, new Roster(this.world.provider.crypto, this.world.founding.mesh));
    const { gateway, chain } = await this.world.place(`g${index}`, {
      endpoint,
      ...(nat && { nat }),
      directory: () => directory,
      routing: (deps, now) => this.#routingOf(index, deps, now),
    });
    const address = overlayAddress(this.world.provider.crypto, this.world.founding.mesh.id, gateway.id);
    const node: Node = {
      gateway,
      address,
      index,
      isOpen,
      directory,
      silent: new Set<Node>(),
      lost: new Set<string>(),
      routes: new Map<string, string>(),
      posts: new Set<number>(),
      routing: undefined,
    };
    this.nodes.push(node);
    this.#byAddress.set(address, node);
    this.#byGateway.set(gateway, node);
    return chain;
  }

  #routingOf(index: number, deps: RoutingDeps, now: Ms): LinkState {
    const routing = this.#makeRouting({ ...deps, keep: this.#lists.keep }, now);
    if (!this.#held) return routing;
    const held = new HeldRouting(routing);
    (this.nodes[index] as Node).routing = held;
    return held;
  }

  #wires(loss: number): LinkKind {
    const at = new Map(this.nodes.map((n) => [outerOf(n), n]));
    return (chance) => (packet, now) => {
      if (chance() * 100 < loss) return [];
      const [a, b] = [at.get(packet.from.address), at.get(packet.to.address)];
      const delay = a && b && this.#underlay.delay(a.index, b.index, chance);
      return delay === undefined ? [] : [{ at: now + delay, packet }];
    };
  }

  /** Over wires that carry, between gateways that run; where everybody reaches everybody there is one part. */
  #findParts(): Int32Array {
    const parts = new Int32Array(this.nodes.length).fill(-1);
    for (const start of this.nodes) {
      if (parts[start.index] !== -1) continue;
      const found = new Set([start]);
      for (const node of found) {
        parts[node.index] = start.index;
        const around = this.#underlay.around(node.index);
        if (!around) return new Int32Array(this.nodes.length);
        for (const other of node.gateway.running ? around.map((n) => this.nodes[n] as Node) : [])
          if (parts[other.index] === -1 && other.gateway.running && !this.isApart(node, other)) found.add(other);
      }
    }
    return parts;
  }

  #note(gateway: Gateway, action: MeshAction): void {
    const node = this.#byGateway.get(gateway) as Node;
    if (action.type === "setRoute") {
      if (action.primary === undefined) node.routes.delete(action.destination);
      else node.routes.set(action.destination, action.primary);
      this.lastRoute = this.world.now;
    } else if (action.type === "useSession") this.#revive([node]);
    else if (action.type === "message" && action.protocol === "sim")
      node.posts.add(new DataView(action.data.buffer, action.data.byteOffset).getUint32(0));
    else if (action.type === "notice") {
      const { notice } = action;
      if (notice.kind === "streamReset" || notice.kind === "undelivered") node.lost.add(notice.peer);
    }
  }
}

const outerOf = ({ gateway, isOpen, index }: Node): string =>
  isOpen ? gateway.endpoint.address : `100.64.${index >> 8}.${index & 255}`;
