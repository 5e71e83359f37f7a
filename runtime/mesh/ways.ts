/**
 * Who leads to whom, for the data path: link state over the links that neighbours keep, and before it whoever is reached over the
 * underlay itself. Tells link state what becomes of our links, and carries what it says.
 */
import { toHex } from "../base/bytes.ts";
import { type Prefix, parseIp } from "../base/ip.ts";
import type { Meter } from "../base/meter.ts";
import type { RandomBytes } from "../base/random.ts";
import { type Ms, seconds } from "../base/time.ts";
import { signHybrid, verifyHybrid } from "../crypto/hybrid-signature.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { overlayLabel } from "../identity/address.ts";
import type { NodeKeys } from "../identity/keys.ts";
import type { Membership } from "./handshake/ports.ts";
import { linkValue } from "./link-value.ts";
import { isAdjacent, isNeighbour } from "./neighbours.ts";
import type { Peer } from "./peers.ts";
import type { LinkState, MakeRouting, MeshDirectory } from "./ports.ts";
import { Routing } from "./routing/routing.ts";
import { COSTS, type Label, type RoutingAction, type RoutingEvent } from "./routing/types.ts";
import type { Edge, Way } from "./types.ts";

/** Overlay addresses of neighbours; `backup` takes over while `primary` is silent. */
export interface Route {
  readonly primary: string;
  readonly backup: string | undefined;
}

export type WayAction =
  | { readonly type: "route"; readonly destination: string; readonly route: Route | undefined }
  /** Over the stream to this overlay address. */
  | { readonly type: "tell"; readonly peer: string; readonly data: Uint8Array }
  | { readonly type: "epoch"; readonly epoch: number }
  | { readonly type: "subnets"; readonly gateway: string; readonly subnets: readonly Prefix[] };

export interface WaysDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomBytes;
  readonly meter: Meter;
  /** As `MeshDeps.epoch`. */
  readonly epoch: number;
  readonly routing?: MakeRouting | undefined;
  readonly peerAt: (address: string) => Peer | undefined;
}

/** So long after a session has begun, how soon the other's daemon answers says more of its start than of the way; the data path has measured that by then. */
const SLOW: Ms = seconds(3);

/** What link state was told of a neighbour. */
interface Told {
  session: boolean;
  /** When that was so last. */
  since: Ms;
  value: number;
  /** Whether a route to it is itself. */
  direct: boolean;
}

const isDirect = (peer: Peer): boolean => isNeighbour(peer) && !peer.shut;

export const labelOf = (address: string): Label => toHex((parseIp(address) as Uint8Array).subarray(8));

export class Ways {
  readonly #deps: WaysDeps;
  #routing: LinkState | undefined;
  #directory: MeshDirectory | undefined;
  #revision = -1;
  /** Both ways, of all members. */
  readonly #addresses = new Map<Label, string>();
  readonly #labels = new Map<string, Label>();
  readonly #told = new Map<string, Told>();
  readonly #routes = new Map<string, Route>();
  #out: WayAction[] = [];

  constructor(deps: WaysDeps) {
    this.#deps = deps;
  }

  /** We are a member from now on. */
  begin(keys: NodeKeys, { meshId }: Membership, directory: MeshDirectory, now: Ms): void {
    const { crypto, random, meter, epoch, routing = (deps, at) => new Routing(deps, at) } = this.#deps;
    this.#directory = directory;
    this.#revision = -1;
    this.#routing = routing(
      {
        crypto,
        random,
        meter,
        epoch,
        mesh: meshId,
        own: toHex(overlayLabel(crypto, meshId, keys.id)),
        sign: (message) => signHybrid(crypto, keys.secrets, message, LABEL.linkList),
        verify: async (origin, message, signature) => {
          const keys = this.#keysOf(origin);
          return keys !== undefined && (await verifyHybrid(crypto, keys, message, LABEL.linkList, signature));
        },
      },
      now,
    );
  }

  /** To an overlay address; undefined when nobody leads there. */
  to(address: string): Route | undefined {
    return this.#routes.get(address);
  }

  /** The way that packets of ours take; undefined before we are a member. */
  explain(address: string): Way | undefined {
    const label = this.#labels.get(address);
    const view = label === undefined ? undefined : this.#routing?.routeTo(label);
    if (!view) return undefined;
    const route = this.#routes.get(address);
    const { primary, backup } = { primary: route?.primary, backup: route?.backup };
    if (primary === address) return { hops: [address], cost: this.#costOf(address), primary, backup, why: "direct" };
    const hops = view.hops.map((hop) => this.#addresses.get(hop)).filter((hop) => hop !== undefined);
    return { hops, cost: view.cost, primary, backup, why: view.why };
  }

  /** Of the link to a neighbour; undefined while it serves us alone. */
  #costOf(address: string): number | undefined {
    const value = this.#told.get(address)?.value;
    return value ? COSTS[value] : undefined;
  }

  /** Every link that anybody tells of, with the overlay addresses of its ends. */
  edges(): readonly Edge[] {
    const name = (l: Label): string | undefined => this.#addresses.get(l);
    return (this.#routing?.edges() ?? []).flatMap(({ ends: [a, b], values, cost }) => {
      const [from, to] = [name(a), name(b)];
      return from !== undefined && to !== undefined ? [{ ends: [from, to] as const, values, cost }] : [];
    });
  }

  get load(): Readonly<Record<string, number>> {
    return this.#routing?.load ?? {};
  }

  get digest(): Uint8Array | undefined {
    return this.#routing?.digest;
  }

  get due(): Ms {
    return this.#routing?.deadline() ?? Number.POSITIVE_INFINITY;
  }

  /** What is to be done, in order. */
  take(): readonly WayAction[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** After the roster may have changed. */
  async followMembers(now: Ms): Promise<void> {
    const directory = this.#directory;
    if (!directory || directory.revision === this.#revision) return;
    this.#revision = directory.revision;
    const current = new Set(directory.list().map((m) => m.address));
    const gone = [...this.#labels].filter(([address]) => !current.has(address));
    const added = [...current].filter((address) => !this.#labels.has(address)).map((address) => this.#enter(address));
    await this.#handle({ type: "members", added, removed: gone.map(([, label]) => label) }, now);
    for (const [address, label] of gone) {
      this.#labels.delete(address);
      this.#addresses.delete(label);
      this.#told.delete(address);
      this.#setRoute(address, undefined);
    }
  }

  /** What may have changed with this peer. `isKept`: one end at least keeps the session, so the link serves others too. */
  async follow(peer: Peer, isKept: boolean, now: Ms): Promise<void> {
    const address = peer.member?.address;
    if (address === undefined || !this.#labels.has(address)) return;
    const told = this.#told.get(address) ?? { session: false, since: now, value: 0, direct: false };
    this.#told.set(address, told);
    const session = isKept && isAdjacent(peer);
    if (session && !told.session) told.since = now;
    const said = now < told.since + SLOW ? undefined : (peer.roundTrip ?? peer.stream.roundTrip);
    const value = session && !peer.silent && !peer.shut ? linkValue(peer.linkTrip ?? said, told.value) : 0;
    const direct = isDirect(peer);
    if (session === told.session && value === told.value && direct === told.direct) return;
    const neighbour = this.#labels.get(address) as Label;
    if (session && !told.session) await this.#handle({ type: "session", neighbour, up: true }, now);
    if (value !== told.value) await this.#handle({ type: "link", neighbour, value }, now);
    if (!session && told.session) await this.#handle({ type: "session", neighbour, up: false }, now);
    told.session = session;
    told.value = value;
    told.direct = direct;
    this.#refresh(address);
  }

  /** The stream to this neighbour began anew: what it was told may be lost. */
  async beganAnew(peer: Peer, now: Ms): Promise<void> {
    const neighbour = this.#sessionWith(peer);
    if (neighbour !== undefined) await this.#handle({ type: "session", neighbour, up: true }, now);
  }

  async hear(peer: Peer, data: Uint8Array, now: Ms): Promise<void> {
    const neighbour = this.#sessionWith(peer);
    if (neighbour === undefined) this.#deps.meter.count("routing.drop.stranger");
    else await this.#handle({ type: "message", neighbour, data }, now);
  }

  async hearDigest(peer: Peer, digest: Uint8Array, now: Ms): Promise<void> {
    const neighbour = this.#sessionWith(peer);
    if (neighbour !== undefined) await this.#handle({ type: "digest", neighbour, digest }, now);
  }

  async announce(subnets: readonly Prefix[], now: Ms): Promise<void> {
    await this.#handle({ type: "subnets", subnets }, now);
  }

  /** A gateway that seems to drop what it should relay is avoided for a while. */
  async distrust(address: string, until: Ms, now: Ms): Promise<void> {
    const relay = this.#labels.get(address);
    if (relay !== undefined) await this.#handle({ type: "distrust", relay, until }, now);
  }

  async tick(now: Ms): Promise<void> {
    if (now >= this.due) await this.#handle({ type: "tick" }, now);
  }

  #sessionWith(peer: Peer): Label | undefined {
    const address = peer.member?.address ?? "";
    return this.#told.get(address)?.session ? this.#labels.get(address) : undefined;
  }

  #enter(address: string): Label {
    const label = labelOf(address);
    this.#labels.set(address, label);
    this.#addresses.set(label, address);
    return label;
  }

  #keysOf(origin: Label) {
    const address = this.#addresses.get(origin);
    return address === undefined ? undefined : this.#directory?.byAddress(address)?.keys;
  }

  async #handle(event: RoutingEvent, now: Ms): Promise<void> {
    for (const action of (await this.#routing?.handle(event, now)) ?? []) this.#perform(action);
  }

  #perform(action: RoutingAction): void {
    if (action.type === "persist") this.#out.push({ type: "epoch", epoch: action.epoch });
    else if (action.type === "route") this.#refresh(this.#addresses.get(action.destination));
    else if (action.type === "subnets") this.#tellSubnets(action.origin);
    else if (action.type === "tell") {
      const peer = this.#addresses.get(action.neighbour);
      if (peer !== undefined) this.#out.push({ type: "tell", peer, data: action.data });
    }
  }

  #tellSubnets(origin: Label): void {
    const gateway = this.#addresses.get(origin);
    const subnets = this.#routing?.subnetsOf(origin) ?? [];
    if (gateway !== undefined) this.#out.push({ type: "subnets", gateway, subnets });
  }

  #refresh(address: string | undefined): void {
    if (address !== undefined) this.#setRoute(address, this.#routeTo(address));
  }

  #routeTo(address: string): Route | undefined {
    const peer = this.#deps.peerAt(address);
    const label = this.#labels.get(address);
    const found = label === undefined ? undefined : this.#routing?.route(label);
    const [primary, backup] = [found?.primary, found?.backup].map((l) => l && this.#addresses.get(l));
    if (peer && isDirect(peer)) return { primary: address, backup: primary === address ? backup : primary };
    return primary === undefined ? undefined : { primary, backup };
  }

  #setRoute(destination: string, route: Route | undefined): void {
    const before = this.#routes.get(destination);
    if (before?.primary === route?.primary && before?.backup === route?.backup) return;
    if (route) this.#routes.set(destination, route);
    else this.#routes.delete(destination);
    this.#out.push({ type: "route", destination, route });
  }
}
