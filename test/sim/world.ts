/** Gateways on a simulated underlay and a virtual clock. Everything that is drawn is drawn from one seed. */
import { type Endpoint, endpointKey } from "../../runtime/base/endpoint.ts";
import type { RandomBytes } from "../../runtime/base/random.ts";
import type { Ms } from "../../runtime/base/time.ts";
import type { NodeKeys } from "../../runtime/identity/keys.ts";
import { FRAME } from "../../runtime/mesh/frame.ts";
import type { MeshSettings } from "../../runtime/mesh/ports.ts";
import type { Datagram, JoinInvite, MeshAction, MeshCommand, MeshEvent } from "../../runtime/mesh/types.ts";
import { OwnHome } from "../../runtime/provisioning/home.io.ts";
import { MemoryFiles } from "../../runtime/store/memory-files.ts";
import { seededNumber, seededRandom } from "../help/seeded.ts";
import { SIM_PROVIDERS, type SimProvider, type SimProviderName } from "../help/sim-providers.ts";
import { DriftingClock } from "./clock.ts";
import { Counts } from "./counts.ts";
import { Founding } from "./founding.ts";
import { Gateway, type GatewayOptions } from "./gateway.ts";
import { ASK_EVERY } from "./link-model.ts";
import { chain, delay, type LinkKind, loss } from "./network/link.ts";
import type { Nat } from "./network/nat.ts";
import { Network } from "./network/network.ts";
import type { Packet } from "./network/packet.ts";
import { EventQueue } from "./queue.ts";
import { Trace } from "./trace.ts";

export const PORT = 51_820;

export interface WorldOptions {
  readonly provider?: SimProviderName;
  /** Percent of datagrams lost, on links of 5 to 25 ms. For anything else set `network.kind`. */
  readonly loss?: number;
  /** Parts per million by which gateways' clocks run wrong, at most; drawn for each. */
  readonly drift?: number;
  /** Whether gateways write what they learn; false in large runs, where nobody crashes and writing would dominate. */
  readonly disks?: boolean;
  /** Whether data paths ask others whether they live, over each of their links. */
  readonly links?: boolean;
  /** Whether gateways remember all that they were told to do and say; false in large runs. */
  readonly history?: boolean;
  /** Gets every event as a line. */
  readonly line?: (line: string) => void;
}

export interface Place {
  readonly endpoint?: Endpoint;
  readonly nat?: Nat;
  readonly dials?: MeshSettings["dials"];
  readonly directory?: GatewayOptions["directory"];
  readonly routing?: GatewayOptions["routing"];
}

/** Data packets of `bytes` from each gateway to each peer every so many milliseconds. */
export interface Load {
  readonly every: Ms;
  readonly bytes: number;
}

type Happening =
  | { readonly kind: "arrival"; readonly packet: Packet }
  | { readonly kind: "wake"; readonly gateway: Gateway; readonly at: Ms }
  | { readonly kind: "call"; readonly call: () => Promise<void> | void };

const CARRIED_AGAIN: Ms = 1000;
/** Enough that keys count as used. */
export const TRICKLE: Load = { every: 1000, bytes: 64 };

/** As long as `trellis join` waits by itself. */
const JOIN_LIMIT: Ms = 30_000;
/** A core that wants to be woken so often at one moment would spin for ever. */
const WAKES_MAX = 1000;

/** Ordinary links. */
export const plainLink = (percent: number): LinkKind => chain(loss(percent), delay(5, 20));

export class World {
  now: Ms = 0;
  readonly seed: string;
  readonly provider: SimProvider;
  readonly founding: Founding;
  readonly trace: Trace;
  readonly network: Network<Gateway>;
  readonly counts = new Counts();
  readonly gateways: Gateway[] = [];
  /** Somebody on the wire: sees every datagram behind the sender's box; what it returns goes on. */
  wire: (packet: Packet, now: Ms) => readonly Packet[] = (packet) => [packet];
  /** What a daemon does with what its core asks for beyond packets. */
  also: (gateway: Gateway, action: MeshAction) => Promise<void> | void = () => {};
  readonly #queue = new EventQueue<Happening>();
  readonly #drift: number;
  readonly #disks: boolean;
  readonly #links: boolean;
  readonly #history: boolean;
  readonly #wakeAt = new Map<Gateway, Ms>();
  #load: Load | undefined;
  #wakes = 0;
  #lives = 0;

  private constructor(seed: string, options: WorldOptions, provider: SimProvider, founding: Founding) {
    this.seed = seed;
    this.provider = provider;
    this.founding = founding;
    this.#drift = options.drift ?? 0;
    this.#disks = options.disks ?? true;
    this.#links = options.links ?? false;
    this.#history = options.history ?? true;
    if (this.#links) this.at(0, () => this.#askAll());
    this.trace = new Trace(options.line);
    this.network = new Network(seededNumber(`${seed}/network`), plainLink(options.loss ?? 0));
  }

  static async create(seed: string, options: WorldOptions = {}): Promise<World> {
    const provider = SIM_PROVIDERS[options.provider ?? "seeded"];
    const founding = await Founding.create(provider.crypto, seededRandom(`${seed}/founding`));
    return new World(seed, options, provider, founding);
  }

  /** A member's daemon, started. The first one founds the mesh: it may issue and revoke. */
  async add(label: string, place: Place = {}): Promise<Gateway> {
    const { gateway } = await this.place(label, place);
    await this.start(gateway);
    return gateway;
  }

  /** The same, not started; and its chain. */
  async place(label: string, place: Place = {}): Promise<{ readonly gateway: Gateway; readonly chain: Uint8Array }> {
    const { gateway, keys } = await this.#create(label, place);
    const { encoded: chain } = await this.founding.member(label, keys);
    await gateway.home.saveMember({ genesis: this.founding.mesh.encoded, chain });
    return { gateway, chain };
  }

  /** A gateway with keys and nothing else: it can only join. */
  async addJoiner(label: string, place: Place = {}): Promise<Gateway> {
    const { gateway } = await this.#create(label, place);
    await gateway.startJoiner(this.#newClock(gateway), this.#randomOf(gateway));
    return gateway;
  }

  /** Kills a joining process and starts another; its keys are on the disk. */
  async startOver(joiner: Gateway): Promise<void> {
    this.crash(joiner);
    await joiner.startJoiner(this.#newClock(joiner), this.#randomOf(joiner));
  }

  /** Starts a member's daemon from what its home holds; also after a crash. Its clock begins anew. */
  async start(gateway: Gateway): Promise<void> {
    this.trace.event(this.now, `start ${gateway.label}`);
    await gateway.start(this.#newClock(gateway), this.#randomOf(gateway));
    await this.feed(gateway, { type: "tick" });
    const endpoints = gateway.sites.map((site) => site.endpoint);
    await this.feed(gateway, { type: "command", command: { type: "addresses", endpoints } });
  }

  /**
   * `trellis join`, then `trellis run`: a process of its own asks until it is answered, says goodbye and writes who answered,
   * and a daemon starts from that. Throws what the joiner was told when it was refused.
   */
  async join(joiner: Gateway, invite: JoinInvite, name: string): Promise<void> {
    await this.command(joiner, { type: "join", invite, name });
    const outcome = () => joiner.notices.find((n) => n.kind === "joined" || n.kind === "joinFailed");
    await this.runUntil(() => outcome() !== undefined, JOIN_LIMIT, 10);
    const told = outcome();
    if (told?.kind !== "joined") throw new Error(told?.kind === "joinFailed" ? told.code : "join/no-answer");
    await this.command(joiner, { type: "leave" });
    const answered = joiner.actions.find((a) => a.type === "installSession");
    if (answered?.type === "installSession") joiner.roster.setEndpoint(invite.issuerId, answered.endpoint);
    await joiner.persist();
    this.crash(joiner);
    await this.start(joiner);
  }

  /** Power cut: all but what was written is gone. */
  crash(gateway: Gateway): void {
    if (!this.#disks) throw new Error("a world without disks has nothing to start from again");
    this.trace.event(this.now, `crash ${gateway.label}`);
    gateway.crash();
    this.#wakeAt.delete(gateway);
  }

  /** Puts the gateway elsewhere; it does not notice. */
  move(gateway: Gateway, endpoint: Endpoint, nat?: Nat): void {
    this.trace.event(this.now, `move ${gateway.label} ${endpointKey(endpoint)}`);
    const site = { host: gateway, endpoint, nat };
    const [before] = gateway.sites.splice(0, 1, site);
    if (before) this.network.detach(before);
    this.network.attach(site);
  }

  /** Gives it another interface; its neighbours learn of it as of the first. */
  async connectTo(gateway: Gateway, endpoint: Endpoint): Promise<void> {
    this.trace.event(this.now, `connect ${gateway.label} ${endpointKey(endpoint)}`);
    const site = { host: gateway, endpoint, nat: undefined };
    gateway.sites.push(site);
    this.network.attach(site);
    await this.command(gateway, { type: "addresses", endpoints: gateway.sites.map((s) => s.endpoint) });
  }

  /** Makes an invite at `issuer`, as `trellis invite` does. */
  invite(issuer: Gateway, endpoints: readonly Endpoint[] = [issuer.endpoint]): JoinInvite {
    const { book, now } = issuer.issuer;
    const random = seededRandom(`${this.seed}/invite ${issuer.label} ${book.list().length}`);
    const { id, secret } = book.create(random, now());
    return { meshId: this.founding.mesh.id, issuerId: issuer.id, inviteId: id, secret, endpoints };
  }

  connect(from: Gateway, to: Gateway): Promise<void> {
    return this.command(from, { type: "connect", id: to.id, endpoint: to.endpoint });
  }

  command(to: Gateway, command: MeshCommand): Promise<void> {
    this.trace.event(this.now, `${command.type} ${to.label}`);
    return this.feed(to, { type: "command", command });
  }

  async feed(to: Gateway, event: MeshEvent): Promise<void> {
    for (const action of await to.handle(event)) await this.#perform(to, action);
    this.#schedule(to);
  }

  /** Delivers a datagram that no gateway sent, now; no partition can be got around by it. */
  async inject(packet: Packet): Promise<void> {
    if (!this.network.isSplit(packet.from.address, packet.to.address)) await this.#arrive(packet);
  }

  /** Runs something at a moment of the virtual clock. */
  at(when: Ms, call: () => Promise<void> | void): void {
    this.#queue.push(Math.max(when, this.now), { kind: "call", call });
  }

  /** Data packets between all that have sessions, from now on; undefined ends it. */
  set load(load: Load | undefined) {
    this.#load = load;
    if (!load) return;
    this.at(this.now, () => this.#sendLoad(load));
    this.at(this.now + CARRIED_AGAIN, () => this.#tellCarried(load));
  }

  /** Lets `span` milliseconds of the virtual clock pass. */
  async run(span: Ms): Promise<void> {
    const end = this.now + span;
    for (let next = this.#queue.next; next !== undefined && next <= end; next = this.#queue.next) {
      if (next > this.now) this.#wakes = 0;
      this.now = next;
      const happening = this.#queue.pop();
      if (happening.kind === "arrival") await this.#arrive(happening.packet);
      else if (happening.kind === "wake") await this.#wake(happening.gateway, happening.at);
      else await happening.call();
    }
    this.now = end;
  }

  /** Runs until `isTrue`, looking every `step` milliseconds, for `limit` at most. Whether it came true. */
  async runUntil(isTrue: () => boolean, limit: Ms, step: Ms = 50): Promise<boolean> {
    for (const end = this.now + limit; !isTrue(); ) {
      if (this.now >= end) return false;
      await this.run(Math.min(step, end - this.now));
    }
    return true;
  }

  async #create(label: string, place: Place): Promise<{ gateway: Gateway; keys: NodeKeys }> {
    const { crypto } = this.provider;
    const home = OwnHome.over(`/${label}`, crypto, new MemoryFiles());
    const keys = await home.keysOrNew(seededRandom(`${this.seed}/keys ${label}`));
    const settings = place.dials ? { dials: place.dials } : {};
    const gateway = new Gateway({
      label,
      crypto,
      home,
      id: keys.id,
      settings,
      worldTime: () => this.now,
      asks: this.#links,
      directory: place.directory,
      routing: place.routing,
    });
    this.move(gateway, place.endpoint ?? { address: addressOf(this.gateways.length), port: PORT }, place.nat);
    this.gateways.push(gateway);
    return { gateway, keys };
  }

  /** Draws the clock of a daemon's life: any zero, and a rate within the world's drift. */
  #newClock(gateway: Gateway): DriftingClock {
    const chance = seededNumber(`${this.seed}/clock ${gateway.label} ${this.#lives}`);
    return new DriftingClock({
      zero: Math.floor(chance() * 1e9),
      from: this.now,
      ppm: Math.round((2 * chance() - 1) * this.#drift),
    });
  }

  #randomOf(gateway: Gateway): RandomBytes {
    return seededRandom(`${this.seed}/life ${gateway.label} ${this.#lives++}`);
  }

  async #perform(from: Gateway, action: MeshAction): Promise<void> {
    if (action.type === "send") return this.#send(from, action.datagram);
    if (this.#history) from.actions.push(action);
    from.data.apply(action);
    this.counts.action(from.label, action);
    if (action.type === "notice" && this.#history) from.notices.push(action.notice);
    if (action.type === "epoch" && this.#disks) await from.home.saveEpoch(action.epoch);
    if (action.type === "persist" && this.#disks) await from.persist();
    await this.also(from, action);
  }

  #send(from: Gateway, datagram: Datagram): void {
    const out = from.data.route(datagram);
    const site = out && from.siteFor(out.endpoint.address);
    if (!site) return;
    const { endpoint, payload } = out;
    const inner = { from: site.endpoint, to: endpoint, payload: payload.slice() };
    const packet = this.network.leave(site, inner, this.now);
    this.counts.packet(packet);
    this.trace.packet("sent", this.now, packet);
    for (const each of this.wire(packet, this.now))
      for (const arrival of this.network.cross(each, this.now))
        this.#queue.push(arrival.at, { kind: "arrival", packet: arrival.packet });
  }

  async #arrive(packet: Packet): Promise<void> {
    const arrived = this.network.arrive(packet, this.now);
    if (!arrived?.host.running) return;
    this.trace.packet("arrived", this.now, arrived.packet);
    const { host } = arrived;
    const verdict = host.data.unwrap({ endpoint: arrived.packet.from, payload: arrived.packet.payload });
    if ("forward" in verdict) return this.#send(host, verdict.forward);
    if ("reply" in verdict) return this.#send(host, verdict.reply);
    if ("place" in verdict) {
      const { place: peer, endpoint } = verdict;
      return await this.feed(host, { type: "dataPlane", event: { type: "place", peer, endpoint } });
    }
    if (!("deliver" in verdict)) return;
    const datagram = verdict.deliver;
    if (datagram.payload[0] !== FRAME.data) return await this.feed(host, { type: "datagrams", batch: [datagram] });
    const { opened, event } = host.data.receive(datagram);
    this.counts.data(opened);
    if (event) await this.feed(host, { type: "dataPlane", event });
  }

  /** One wake-up is under way for each gateway, at its deadline or before: most events only move deadlines back. */
  #schedule(gateway: Gateway): void {
    const due = gateway.running ? gateway.mesh.deadline() : undefined;
    if (due === undefined) return;
    const at = Math.max(this.now, gateway.clock.world(due));
    const planned = this.#wakeAt.get(gateway);
    if (planned !== undefined && planned <= at) return;
    this.#wakeAt.set(gateway, at);
    this.#queue.push(at, { kind: "wake", gateway, at });
  }

  async #wake(gateway: Gateway, at: Ms): Promise<void> {
    if (this.#wakeAt.get(gateway) !== at) return; // an earlier one took its place, or the daemon died
    this.#wakeAt.delete(gateway);
    if (++this.#wakes > WAKES_MAX) throw new Error(`${gateway.label} asks to be woken at once, again and again`);
    const due = gateway.mesh.deadline();
    if (due !== undefined && due <= gateway.now) await this.feed(gateway, { type: "tick" });
    else this.#schedule(gateway);
  }

  /** As the daemon looks at its data path once a second. */
  async #tellCarried(load: Load): Promise<void> {
    for (const gateway of this.gateways) {
      const sessions = gateway.running ? gateway.data.carried() : [];
      if (sessions.length > 0) await this.feed(gateway, { type: "dataPlane", event: { type: "carried", sessions } });
    }
    if (this.#load === load) this.at(this.now + CARRIED_AGAIN, () => this.#tellCarried(load));
  }

  async #askAll(): Promise<void> {
    for (const gateway of this.gateways) {
      if (!gateway.running || !gateway.data.links) continue;
      const { questions, events } = gateway.data.links.turn(this.now);
      for (const question of questions) this.#send(gateway, question);
      for (const event of events) await this.feed(gateway, { type: "dataPlane", event });
    }
    this.at(this.now + ASK_EVERY, () => this.#askAll());
  }

  #sendLoad(load: Load): void {
    if (this.#load !== load) return;
    for (const from of this.gateways)
      if (from.running) for (const datagram of from.data.packets(load.bytes)) this.#send(from, datagram);
    this.at(this.now + load.every, () => this.#sendLoad(load));
  }
}

/** Every gateway has an address of its own. */
const addressOf = (index: number): string => `10.1.${index >> 8}.${index & 255}`;
