/**
 * Link-state routing, the only door: who is whose neighbour is signed by both ends, spread to all, and made into next hops
 * with loop-free backups. Pure: an event in, actions out. SPEC.md has the formats and the rules.
 */
import type { Ms } from "../../base/time.ts";
import { LinkDatabase } from "./database.ts";
import { Exchange } from "./exchange.ts";
import { asSigned, encodeList, joined, type LinkList, signedMessage } from "./link-list.ts";
import { NextHops } from "./next-hops.ts";
import { OwnLists } from "./own-lists.ts";
import type {
  EdgeView,
  Label,
  LinkValue,
  Route,
  RouteView,
  RoutingAction,
  RoutingDeps,
  RoutingEvent,
  Subnet,
} from "./types.ts";

/** Routes are computed at once; while changes keep coming the pause between two computations doubles. */
const ROUTES_APART = { first: 10, most: 80 } as const;
const NEVER = Number.POSITIVE_INFINITY;

export class Routing {
  readonly #deps: RoutingDeps;
  readonly #database: LinkDatabase;
  readonly #own: OwnLists;
  readonly #exchange: Exchange;
  readonly #hops: NextHops;
  readonly #members = new Set<Label>();
  /** What we are told of neighbours; it may come before they are members, and outlive that. */
  readonly #links = new Map<Label, LinkValue>();
  readonly #sessions = new Set<Label>();
  readonly #routes = new Map<Label, Route>();
  #routesDue: Ms = NEVER;
  #routesAt: Ms = Number.NEGATIVE_INFINITY;
  #routesApart: Ms = ROUTES_APART.first;
  #persisted: number;
  /** After each event: nothing else changes it. */
  #due: Ms;
  #out: RoutingAction[] = [];

  constructor(deps: RoutingDeps, now: Ms) {
    this.#deps = deps;
    this.#database = new LinkDatabase(deps.crypto, deps.mesh);
    this.#database.add(deps.own);
    this.#own = new OwnLists(deps, this.#database, now);
    this.#exchange = new Exchange(deps, this.#database, this.#own);
    this.#hops = new NextHops(this.#database.graph, this.#database.graph.numberOf(deps.own) as number);
    this.#persisted = deps.epoch;
    this.#due = this.#own.due;
  }

  /** One event at a time: the next only after this resolved. Never throws for what came from the network. */
  async handle(event: RoutingEvent, now: Ms): Promise<RoutingAction[]> {
    this.#out = [];
    if (event.type === "link") this.#link(event.neighbour, event.value, now);
    else if (event.type === "session") this.#session(event.neighbour, event.up, now);
    else if (event.type === "message") await this.#exchange.receive(event.neighbour, event.data, now);
    else if (event.type === "known") await this.#exchange.restore(event.lists, now);
    else if (event.type === "digest") this.#exchange.compare(event.neighbour, event.digest, now);
    else if (event.type === "members") this.#changeMembers(event.added, event.removed, now);
    else if (event.type === "subnets") this.#own.setSubnets(event.subnets, now);
    else if (event.type === "distrust") this.#distrust(event.relay, event.until, now);
    await this.#settle(now);
    this.#due = Math.min(this.#own.due, this.#exchange.due, this.#routesDue, this.#hops.due);
    return this.#out;
  }

  /** When to send `tick` next; undefined: not before another event. */
  deadline(): Ms | undefined {
    return Number.isFinite(this.#due) ? this.#due : undefined;
  }

  /** 16 bytes, equal where the same is known: neighbours that are told it from time to time find out what they missed. */
  get digest(): Uint8Array {
    return this.#database.digest;
  }

  /** All lists, to be kept over a restart: some 4 kB a gateway. What is lost of it neighbours bring. */
  lists(): readonly Uint8Array[] {
    return this.#exchange.lists();
  }

  route(destination: Label): Route | undefined {
    return this.#routes.get(destination);
  }

  /** The way to a member, as this gateway sees it, and why. */
  routeTo(destination: Label): RouteView {
    const nothing = { destination, hops: [], cost: undefined, primary: undefined, backup: undefined };
    if (destination === this.#deps.own) return { ...nothing, cost: 0, protects: undefined, why: "self" };
    const graph = this.#database.graph;
    const n = graph.numberOf(destination);
    if (n === undefined) return { ...nothing, protects: undefined, why: "not-a-member" };
    const primary = graph.labelOf(this.#hops.primary(n));
    if (primary === undefined) return { ...nothing, protects: undefined, why: "no-way" };
    const { hops, cost } = this.#hops.wayTo(n);
    const labels = hops.map((m) => graph.labelOf(m) as Label);
    const backup = graph.labelOf(this.#hops.backup(n));
    const protects = this.#hops.protects(n);
    const why = this.#hops.why(n);
    return { destination, hops: labels, cost: why === "direct" ? undefined : cost, primary, backup, protects, why };
  }

  /** All links that anybody lists, also those of which only one end tells. */
  edges(): readonly EdgeView[] {
    return this.#database.edges();
  }

  /** What a member announces; whether it may is for the caller to say. */
  subnetsOf(origin: Label): readonly Subnet[] {
    return this.#database.subnetsOf(origin);
  }

  /** Entries of every table that others can make grow, for tests of the bounds. */
  get load(): Readonly<Record<string, number>> {
    const { lists, trees } = { lists: this.#database.size, trees: this.#hops.trees };
    return { ...this.#exchange.load, lists, trees, routes: this.#routes.size };
  }

  /** After each event: what follows from it goes out. */
  async #settle(now: Ms): Promise<void> {
    if (now >= this.#own.crowdDue) this.#relieve(now);
    for (const { record, reveal } of this.#own.reveals(now)) this.#exchange.push(record, reveal, now);
    for (const draft of this.#own.drafts(now)) await this.#sign(draft, now);
    if (this.#database.graph.hasChanges)
      this.#routesDue = Math.min(this.#routesDue, this.#routesAt + this.#routesApart);
    if (now >= Math.min(this.#routesDue, this.#hops.due)) this.#updateRoutes(now);
    this.#out.push(...this.#exchange.take(now));
  }

  #link(neighbour: Label, value: number, now: Ms): void {
    if (neighbour === this.#deps.own) return;
    if (value > 0) this.#links.set(neighbour, value);
    else this.#links.delete(neighbour);
    if (!this.#members.has(neighbour)) return;
    this.#own.setLink(neighbour, value, now);
    this.#routesDue = now; // a neighbour is reached whatever the lists say
  }

  #session(neighbour: Label, up: boolean, now: Ms): void {
    if (up) this.#sessions.add(neighbour);
    else this.#sessions.delete(neighbour);
    this.#exchange.session(neighbour, up, now);
  }

  #changeMembers(added: readonly Label[], removed: readonly Label[], now: Ms): void {
    for (const label of added) {
      if (this.#members.has(label)) continue;
      this.#members.add(label);
      this.#database.add(label);
      if (this.#links.has(label)) this.#link(label, this.#links.get(label) as LinkValue, now);
      if (this.#sessions.has(label)) this.#exchange.session(label, true, now);
    }
    for (const label of removed) if (label !== this.#deps.own) this.#removeMember(label, now);
    if (added.length > 0) this.#exchange.compareAll(now);
  }

  #removeMember(label: Label, now: Ms): void {
    const n = this.#database.graph.numberOf(label);
    if (n === undefined) return;
    this.#members.delete(label);
    if (this.subnetsOf(label).length > 0) this.#out.push({ type: "subnets", origin: label });
    this.#own.forget(label, now);
    this.#exchange.forget(label, now);
    this.#hops.forget(n);
    this.#database.remove(label);
    this.#setRoute(label, undefined);
    this.#routesDue = now;
  }

  #distrust(relay: Label, until: Ms, now: Ms): void {
    const n = this.#database.graph.numberOf(relay);
    if (n === undefined) return;
    this.#hops.distrust(n, until);
    this.#routesDue = now;
  }

  async #sign(draft: LinkList, now: Ms): Promise<void> {
    const { crypto, mesh } = this.#deps;
    if (this.#own.epoch !== this.#persisted) {
      this.#persisted = this.#own.epoch;
      this.#out.push({ type: "persist", epoch: this.#persisted });
    }
    const body = encodeList(draft);
    const signature = joined(await this.#deps.sign(signedMessage(mesh, body)));
    const list = asSigned(crypto, mesh, body, signature);
    if (!list) throw new RangeError("what we signed is no link list");
    this.#exchange.announce(list, now);
  }

  #updateRoutes(now: Ms): void {
    const isBusy = now - this.#routesAt <= 2 * this.#routesApart;
    this.#routesApart = isBusy ? Math.min(2 * this.#routesApart, ROUTES_APART.most) : ROUTES_APART.first;
    this.#routesAt = now;
    this.#routesDue = NEVER;
    const graph = this.#database.graph;
    const isDenied = (label: Label): boolean => this.#database.claim(label, this.#deps.own) === 0;
    const direct = new Map(this.#own.up.map((label) => [graph.numberOf(label) as number, isDenied(label)]));
    for (const n of this.#hops.update(graph.takeChanges(), direct, now)) {
      const destination = graph.labelOf(n);
      if (destination === undefined) continue;
      const primary = graph.labelOf(this.#hops.primary(n));
      const backup = graph.labelOf(this.#hops.backup(n));
      this.#setRoute(destination, primary === undefined ? undefined : { primary, backup });
    }
    this.#relieve(now);
  }

  #relieve(now: Ms): void {
    const graph = this.#database.graph;
    const number = (label: Label): number => graph.numberOf(label) as number;
    const distanceTo = (label: Label): number => this.#hops.distanceTo(number(label));
    const edgesOf = (label: Label): number => graph.neighboursOf(number(label)).length;
    this.#own.relieve({ distanceTo, edgesOf }, now);
  }

  #setRoute(destination: Label, route: Route | undefined): void {
    const before = this.#routes.get(destination);
    if (before?.primary === route?.primary && before?.backup === route?.backup) return;
    if (route) this.#routes.set(destination, route);
    else this.#routes.delete(destination);
    this.#out.push({ type: "route", destination, primary: route?.primary, backup: route?.backup });
  }
}
