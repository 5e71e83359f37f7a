/**
 * Many gateways' routing over a simulated network of links, on a virtual clock, from one seed. The code is the shipped one;
 * signatures are stand-ins of full size (everybody verifies the same bytes a thousand times), and lists that are equal are
 * kept once for all gateways. Neighbours' streams are links without loss: what goes over one that is cut is lost.
 */
import { concat, equal } from "../../../runtime/base/bytes.ts";
import { Meter } from "../../../runtime/base/meter.ts";
import type { Ms } from "../../../runtime/base/time.ts";
import type { HybridSignature } from "../../../runtime/crypto/hybrid-signature.ts";
import { native } from "../../../runtime/crypto/native.ts";
import type { SignedList } from "../../../runtime/mesh/routing/link-list.ts";
import { Routing } from "../../../runtime/mesh/routing/routing.ts";
import type { Label, RoutingAction, RoutingDeps, RoutingEvent } from "../../../runtime/mesh/routing/types.ts";
import { seededNumber, seededRandom } from "../../help/seeded.ts";
import { EventQueue } from "../queue.ts";
import type { Wire } from "./topologies.ts";

/** How soon the ends of a link hear that it is dead, and how often neighbours tell each other their digests. */
export const DETECT: Ms = 20;
const DIGEST_EVERY: Ms = 5000;
/** Around what a message carries: IPv6, UDP, relay header, sealed header, tag, segment header; and its acknowledgement. */
const SEGMENT = 1112;
const PER_SEGMENT = 40 + 8 + 32 + 16 + 16 + 12;
const PER_ACKNOWLEDGEMENT = 40 + 8 + 32 + 16 + 16 + 12;

export const wireBytes = (message: number): number =>
  message + Math.ceil(message / SEGMENT) * PER_SEGMENT + PER_ACKNOWLEDGEMENT;

export interface SimLink extends Omit<Wire, "value"> {
  up: boolean;
  value: number;
  /** Counts cuts: what was under way before one does not arrive after it. */
  cuts: number;
}

export class SimNode {
  readonly index: number;
  readonly label: Label;
  routing: Routing;
  meter = new Meter();
  /** What it persisted. */
  epoch = 0;
  alive = true;
  /** When its tick is scheduled. */
  due: Ms = Number.POSITIVE_INFINITY;
  /** Counts crashes. */
  life = 0;
  /** By number of the gateway: -1 where there is no way. */
  readonly primary: Int32Array;
  readonly backup: Int32Array;
  readonly links = new Map<number, SimLink>();
  readonly sent = { messages: 0, bytes: 0 };
  /** A liar's hand on what it sends: the messages that go instead. */
  tamper: ((to: SimNode, data: Uint8Array) => readonly Uint8Array[]) | undefined;

  constructor(index: number, label: Label, count: number, make: (node: SimNode) => Routing) {
    this.index = index;
    this.label = label;
    this.primary = new Int32Array(count).fill(-1);
    this.backup = new Int32Array(count).fill(-1);
    this.routing = make(this);
  }
}

export interface RoutingWorldOptions {
  readonly seed: string;
  readonly count: number;
  readonly wires: readonly Wire[];
  readonly make?: ((deps: RoutingDeps, now: Ms) => Routing) | undefined;
}

/** A gateway has been given so many events in one go that its mesh must be turning in a circle. */
export class Overload extends Error {}
const EVENTS_MAX = 5000;

const sha = (...parts: readonly Uint8Array[]): Uint8Array => native.sha256(concat(...parts));
const text = (t: string): Uint8Array => new TextEncoder().encode(t);

export class RoutingWorld {
  readonly nodes: SimNode[] = [];
  readonly links: SimLink[] = [];
  readonly byLabel = new Map<Label, SimNode>();
  readonly mesh: Uint8Array;
  now: Ms = 0;
  /** Events that gateways were given. */
  events = 0;
  /** When somebody's routes last changed. */
  lastRoute: Ms = 0;
  readonly #seed: string;
  readonly #make: (deps: RoutingDeps, now: Ms) => Routing;
  readonly #queue = new EventQueue<() => Promise<void> | void>();
  readonly #kept = new Map<string, SignedList>();
  readonly draw: () => number;

  constructor(options: RoutingWorldOptions) {
    this.#seed = options.seed;
    this.#make = options.make ?? ((deps, now) => new Routing(deps, now));
    this.mesh = sha(text(`mesh ${options.seed}`));
    this.draw = seededNumber(`${options.seed}/world`);
    for (let index = 0; index < options.count; index++) this.#add(index, options.count);
    for (const w of options.wires) {
      const link = { ...w, up: false, cuts: 0 };
      this.links.push(link);
      this.node(w.a).links.set(w.b, link);
      this.node(w.b).links.set(w.a, link);
    }
  }

  node(index: number): SimNode {
    return this.nodes[index] as SimNode;
  }

  /** Stand-in: who has the secret can make it, and in here only the origin does. */
  signature(label: Label, message: Uint8Array): HybridSignature {
    const tag = sha(text(`signature of ${label}`), this.mesh, message);
    return { ed25519: concat(tag, new Uint8Array(32)), mlDsa65: concat(tag, new Uint8Array(3309 - 32)) };
  }

  depsOf(node: SimNode): RoutingDeps {
    return {
      crypto: native,
      random: seededRandom(`${this.#seed}/${node.index}/${node.life}`),
      meter: node.meter,
      mesh: this.mesh,
      own: node.label,
      epoch: node.epoch,
      sign: async (message) => this.signature(node.label, message),
      verify: async (origin, message, s) => equal(s.mlDsa65, this.signature(origin, message).mlDsa65),
      keep: (list) => this.#keep(list),
    };
  }

  /** Everybody knows everybody; links come up within `within`. */
  async start(within: Ms = 500): Promise<void> {
    const labels = this.nodes.map((n) => n.label);
    for (const n of this.nodes) await this.feed(n, { type: "members", added: labels, removed: [] });
    for (const link of this.links) this.at(this.now + this.draw() * within, () => this.raise(link));
  }

  /** As if all had been together for long, everybody knows all lists, all links are up; but for one that has never been there. */
  async startSettled(absent?: SimNode): Promise<void> {
    const labels = this.nodes.map((n) => n.label);
    const present = this.nodes.filter((n) => n !== absent);
    const links = this.links.filter((l) => l.a !== absent?.index && l.b !== absent?.index);
    if (absent) absent.alive = false;
    for (const n of present) await this.feed(n, { type: "members", added: labels, removed: [] });
    for (const { a, b, value } of links) {
      await this.feed(this.node(a), { type: "link", neighbour: this.node(b).label, value });
      await this.feed(this.node(b), { type: "link", neighbour: this.node(a).label, value });
    }
    await this.run(60_000);
    const lists = present.flatMap((n) => n.routing.lists());
    for (const n of present) await this.feed(n, { type: "known", lists });
    for (const link of links) await this.raise(link);
    await this.run(1000);
    for (const n of this.nodes) Object.assign(n.sent, { messages: 0, bytes: 0 });
  }

  /** The routing of the first gateway again, sharing no list with anybody, as it is on a machine of its own. */
  async alone(lists: readonly Uint8Array[]): Promise<Routing> {
    const node = this.node(0);
    const { keep, ...deps } = this.depsOf(node);
    const routing = this.#make(deps, this.now);
    const feed = async (event: RoutingEvent): Promise<void> => void (await routing.handle(event, this.now));
    await feed({ type: "members", added: this.nodes.map((n) => n.label), removed: [] });
    await feed({ type: "known", lists });
    for (const [other, { value }] of node.links) await feed({ type: "link", neighbour: this.node(other).label, value });
    await routing.handle({ type: "tick" }, this.now + 1000);
    return routing;
  }

  at(time: Ms, run: () => Promise<void> | void): void {
    this.#queue.push(Math.max(time, this.now), run);
  }

  async run(ms: Ms): Promise<void> {
    const end = this.now + ms;
    const most = this.events + EVENTS_MAX * this.nodes.length;
    for (let next = this.#queue.next; next !== undefined && next <= end; next = this.#queue.next) {
      const run = this.#queue.pop();
      this.now = next;
      await run();
      if (this.events > most) throw new Overload(`more than ${EVENTS_MAX} events a gateway in ${ms} ms`);
    }
    this.now = end;
  }

  async feed(node: SimNode, event: RoutingEvent): Promise<void> {
    if (!node.alive) return;
    this.events++;
    const actions = await node.routing.handle(event, this.now);
    for (const action of actions) this.#act(node, action);
    const due = node.routing.deadline();
    if (due === undefined || due >= node.due) return;
    node.due = Math.max(due, this.now);
    const { life } = node;
    this.at(node.due, async () => {
      if (node.life !== life) return;
      node.due = Number.POSITIVE_INFINITY;
      await this.feed(node, { type: "tick" });
    });
  }

  // What happens to the network.

  async raise(link: SimLink): Promise<void> {
    const [a, b] = [this.node(link.a), this.node(link.b)];
    if (link.up || !a.alive || !b.alive) return;
    link.up = true;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      await this.feed(from, { type: "session", neighbour: to.label, up: true });
      await this.feed(from, { type: "link", neighbour: to.label, value: link.value });
      this.#digests(from, to, link, link.cuts);
    }
  }

  cut(link: SimLink): void {
    if (!link.up) return;
    link.up = false;
    link.cuts++;
    for (const [from, to] of [
      [this.node(link.a), this.node(link.b)],
      [this.node(link.b), this.node(link.a)],
    ] as const) {
      const { cuts } = link;
      this.at(this.now + DETECT * (0.5 + this.draw()), async () => {
        if (link.cuts !== cuts || link.up) return;
        await this.feed(from, { type: "link", neighbour: to.label, value: 0 });
        await this.feed(from, { type: "session", neighbour: to.label, up: false });
      });
    }
  }

  /** Both ends measure something else. */
  async setValue(link: SimLink, value: number): Promise<void> {
    link.value = value;
    if (!link.up) return;
    const [a, b] = [this.node(link.a), this.node(link.b)];
    await this.feed(a, { type: "link", neighbour: b.label, value });
    await this.feed(b, { type: "link", neighbour: a.label, value });
  }

  crash(node: SimNode): void {
    for (const link of node.links.values()) this.cut(link);
    node.alive = false;
    node.life++;
    node.primary.fill(-1);
    node.backup.fill(-1);
    node.due = Number.POSITIVE_INFINITY;
  }

  /** `epoch`: what its disk says, if not what it persisted last. Its links come up again by themselves. */
  async restart(node: SimNode, epoch = node.epoch): Promise<void> {
    if (node.alive) return;
    node.alive = true;
    node.epoch = epoch;
    node.meter = new Meter();
    node.routing = this.#make(this.depsOf(node), this.now);
    await this.feed(node, { type: "members", added: this.nodes.map((n) => n.label), removed: [] });
    for (const link of node.links.values()) this.at(this.now + 100 * this.draw(), () => this.raise(link));
  }

  send(from: SimNode, to: SimNode, data: Uint8Array): void {
    const link = from.links.get(to.index);
    if (!link?.up) return;
    const { cuts } = link;
    this.#countSent(from, data.length);
    this.at(this.now + link.delay, async () => {
      if (link.cuts === cuts) await this.feed(to, { type: "message", neighbour: from.label, data });
    });
  }

  #countSent(from: SimNode, payload: number): void {
    from.sent.messages++;
    from.sent.bytes += wireBytes(payload);
  }

  /** In the control frame that goes every five seconds anyway: 16 bytes more. */
  #digests(from: SimNode, to: SimNode, link: SimLink, cuts: number): void {
    this.at(this.now + DIGEST_EVERY * (0.9 + 0.2 * this.draw()), () => {
      if (!link.up || link.cuts !== cuts) return;
      const digest = from.routing.digest;
      from.sent.bytes += digest.length;
      this.at(this.now + link.delay, async () => {
        // Equal ones change nothing; not feeding them saves most events of a quiet hour.
        if (link.cuts === cuts && !equal(to.routing.digest, digest))
          await this.feed(to, { type: "digest", neighbour: from.label, digest });
      });
      this.#digests(from, to, link, cuts);
    });
  }

  #act(node: SimNode, action: RoutingAction): void {
    if (action.type === "persist") node.epoch = action.epoch;
    else if (action.type === "route") {
      const { index } = this.byLabel.get(action.destination) as SimNode;
      const number = (label: Label | undefined): number =>
        label === undefined ? -1 : (this.byLabel.get(label)?.index ?? -1);
      node.primary[index] = number(action.primary);
      node.backup[index] = number(action.backup);
      this.lastRoute = this.now;
    } else if (action.type === "tell") {
      const to = this.byLabel.get(action.neighbour) as SimNode;
      for (const data of node.tamper?.(to, action.data) ?? [action.data]) this.send(node, to, data);
    }
  }

  #add(index: number, count: number): void {
    const label = sha(text(`${this.#seed}/gateway ${index}`))
      .subarray(0, 8)
      .toHex();
    this.nodes.push(new SimNode(index, label, count, (node) => this.#make(this.depsOf(node), 0)));
    this.byLabel.set(label, this.node(index));
  }

  #keep(list: SignedList): SignedList {
    const known = this.#kept.get(list.key);
    if (known?.version === list.version && equal(known.signature, list.signature)) return known;
    if (!known || known.version < list.version) this.#kept.set(list.key, list);
    return list;
  }
}
