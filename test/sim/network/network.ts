/** The underlay: hosts at addresses, boxes before some of them, a link between each two addresses, and partitions. */
import { type Endpoint, endpointKey } from "../../../runtime/base/endpoint.ts";
import type { Ms } from "../../../runtime/base/time.ts";
import type { Arrival, Chance, Link, LinkKind } from "./link.ts";
import type { Nat } from "./nat.ts";
import type { Packet } from "./packet.ts";

export interface Site<H> {
  readonly host: H;
  readonly endpoint: Endpoint;
  /** The box that this host sits behind. */
  readonly nat: Nat | undefined;
}

export interface NetworkCounts {
  /** Datagrams that hosts sent. */
  sent: number;
  /** Datagrams that reached a host. */
  arrived: number;
  /** Lost on a link, or by its queue. */
  lost: number;
  /** Nobody lives there, a box let it not in, or a partition lies between. */
  unreachable: number;
}

export class Network<H> {
  readonly counts: NetworkCounts = { sent: 0, arrived: 0, lost: 0, unreachable: 0 };
  readonly #chance: Chance;
  readonly #byEndpoint = new Map<string, Site<H>>();
  readonly #nats = new Map<string, Nat>();
  readonly #groups = new Map<string, string>();
  readonly #cut = new Set<string>();
  /** From whom to whom. */
  #links = new Map<string, Map<string, Link>>();
  #kind: LinkKind;

  constructor(chance: Chance, kind: LinkKind) {
    this.#chance = chance;
    this.#kind = kind;
  }

  /** Every link is of this kind from now on. */
  set kind(kind: LinkKind) {
    this.#kind = kind;
    this.#links = new Map();
  }

  /** Puts a host at an endpoint, behind a box or in the open. Throws when somebody is there. */
  attach(site: Site<H>): void {
    const key = placeOf(site);
    if (this.#byEndpoint.has(key)) throw new RangeError(`somebody is at ${key}`);
    this.#byEndpoint.set(key, site);
    if (site.nat) this.#nats.set(site.nat.address, site.nat);
  }

  detach(site: Site<H>): void {
    this.#byEndpoint.delete(placeOf(site));
  }

  /** Named groups of outer addresses; between two groups nothing passes. Who is in none reaches everybody. */
  split(groups: Readonly<Record<string, readonly string[]>>): void {
    this.#groups.clear();
    for (const [name, addresses] of Object.entries(groups))
      for (const address of addresses) this.#groups.set(address, name);
  }

  heal(): void {
    this.#groups.clear();
  }

  /** Nothing passes between two outer addresses until `mend`, partition or not. */
  cut(a: string, b: string): void {
    this.#cut.add(`${a} ${b}`).add(`${b} ${a}`);
  }

  mend(a: string, b: string): void {
    this.#cut.delete(`${a} ${b}`);
    this.#cut.delete(`${b} ${a}`);
  }

  /** The packet as it leaves the site: translated when the site is behind a box. */
  leave(site: Site<H>, packet: Packet, now: Ms): Packet {
    this.counts.sent++;
    return site.nat ? site.nat.outbound(packet, now) : packet;
  }

  /** When the packet comes out at the other end, once per copy. */
  cross(packet: Packet, now: Ms): readonly Arrival[] {
    const { from, to } = packet;
    if (this.isSplit(from.address, to.address)) {
      this.counts.unreachable++;
      return [];
    }
    const arrivals = this.#link(from.address, to.address)(packet, now);
    if (arrivals.length === 0) this.counts.lost++;
    return arrivals;
  }

  /** The host that gets it, and the packet as that host sees it. */
  arrive(packet: Packet, now: Ms): { readonly host: H; readonly packet: Packet } | undefined {
    const nat = this.#nats.get(packet.to.address);
    const inner = nat ? nat.inbound(packet, now) : packet;
    const site = inner && this.#byEndpoint.get(nat ? insideOf(nat, inner.to) : endpointKey(inner.to));
    if (!inner || !site) {
      this.counts.unreachable++;
      return undefined;
    }
    this.counts.arrived++;
    return { host: site.host, packet: inner };
  }

  /** Whether a partition or a cut lies between two outer addresses. */
  isSplit(a: string, b: string): boolean {
    if (this.#cut.size > 0 && this.#cut.has(`${a} ${b}`)) return true;
    if (this.#groups.size === 0) return false;
    const [one, other] = [this.#groups.get(a), this.#groups.get(b)];
    return one !== undefined && other !== undefined && one !== other;
  }

  #link(from: string, to: string): Link {
    const out = this.#links.get(from) ?? new Map<string, Link>();
    this.#links.set(from, out);
    const link = out.get(to) ?? this.#kind(this.#chance);
    out.set(to, link);
    return link;
  }
}

/** Inner addresses mean something behind their box only: two boxes may have the same ones inside. */
const insideOf = (nat: Nat, endpoint: Endpoint): string => `${nat.address} > ${endpointKey(endpoint)}`;

const placeOf = (site: Site<unknown>): string =>
  site.nat ? insideOf(site.nat, site.endpoint) : endpointKey(site.endpoint);
