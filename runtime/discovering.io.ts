/** Members on our own links: sends beacons and hears those of others, on every interface that may, as interfaces come and go. */
import { messageOf } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import { loadAddon, type Multicast, type MulticastGroups } from "./dataplane/addon.io.ts";
import { type BeaconLink, beaconLinks, type NetworkInterface } from "./dataplane/interfaces.ts";
import { Discovery, type DiscoveryDeps, type Sighting } from "./mesh/discovery/discovery.ts";
import { systemClock } from "./system.io.ts";

/** IPv4's is of organisation-local scope (RFC 2365), IPv6's transient and of link-local scope (RFC 4291 §2.7, RFC 3307 §4.3). */
export const GROUPS: MulticastGroups = { v4: "239.255.84.108", v6: "ff12::d472:6c73", port: 21_820 };

export interface DiscoveringOptions {
  readonly enabled: boolean;
  /** The only interface of the underlay; undefined: all. */
  readonly interface: string | undefined;
  /** Interfaces that are left out. */
  readonly except: readonly string[];
}

/** Of a `MeshNotice`. */
interface SessionNotice {
  readonly kind: string;
  /** Overlay address. */
  readonly peer?: string;
  readonly reason?: string;
}

export interface DiscoveringView {
  /** Interfaces on which beacons are sent and heard. */
  readonly on: readonly string[];
  /** Why there are none; empty while there are. */
  readonly reason: string;
}

export class Discovering {
  readonly #options: DiscoveringOptions;
  readonly #deps: DiscoveryDeps;
  readonly #log: Log;
  readonly #sighted: (sighting: Sighting) => void;
  #core: Discovery | undefined;
  #group: Multicast | undefined;
  #reason = "no interface yet";
  #links: readonly BeaconLink[] = [];
  #timer: Timer | undefined;

  /** Starts with the first `changed`. */
  constructor(options: DiscoveringOptions, deps: DiscoveryDeps, log: Log, sighted: (sighting: Sighting) => void) {
    this.#options = options;
    this.#deps = deps;
    this.#log = log;
    this.#sighted = sighted;
    if (options.enabled) this.#open();
    else this.#reason = "switched off (discovery)";
  }

  get view(): DiscoveringView {
    return { on: this.#links.map((link) => link.name), reason: this.#links.length > 0 ? "" : this.#reason };
  }

  /** These are the interfaces now. Where something is new for us, everybody there is told. */
  changed(interfaces: readonly NetworkInterface[]): void {
    const group = this.#group;
    if (!group) return;
    const wanted = beaconLinks(interfaces, this.#options.interface, this.#options.except);
    if (JSON.stringify(wanted) === JSON.stringify(this.#links)) return;
    for (const { index } of this.#links) if (!wanted.some((link) => link.index === index)) group.leave(index);
    this.#links = wanted.filter((link) => this.#join(group, link));
    if (this.#links.length === 0) this.#reason ||= "no interface that takes multicast";
    const now = systemClock.now();
    if (this.#core) this.#core.changed(now);
    else this.#core = new Discovery(this.#deps, now);
    this.#turn();
  }

  /** What the mesh says of sessions: who is gone without a goodbye is looked for. */
  notice({ kind, peer, reason }: SessionNotice): void {
    if (kind === "sessionUp" && peer !== undefined) this.#core?.found(peer);
    if (kind !== "sessionDown" || peer === undefined || reason !== "expired") return;
    this.#core?.lost(peer, systemClock.now());
    this.#turn();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#group?.close();
    this.#group = undefined;
    this.#links = [];
    this.#reason = "closed";
  }

  #open(): void {
    const { addon, reason } = loadAddon();
    if (!addon) {
      this.#reason = `it needs the native addon: ${reason}`;
      return;
    }
    try {
      this.#group = addon.openMulticast(GROUPS, (batch) => {
        const now = systemClock.now();
        for (const { address, port, payload } of batch) this.#core?.hear(payload, { address, port }, now);
        this.#turn();
      });
    } catch (thrown) {
      this.#reason = messageOf(thrown);
      this.#log.warn("members on local links are not looked for", { reason: this.#reason });
    }
  }

  #join(group: Multicast, { name, index }: BeaconLink): boolean {
    try {
      group.join(index);
      return true;
    } catch (thrown) {
      this.#reason = `${name}: ${messageOf(thrown)}`;
      this.#log.debug("no beacons here", { interface: name, reason: messageOf(thrown) });
      return false;
    }
  }

  #turn(): void {
    const core = this.#core;
    if (!core || !this.#group) return;
    const now = systemClock.now();
    if (core.takeBeacon(now)) this.#send(core, this.#group, now);
    for (const sighting of core.takeSightings(now)) this.#sighted(sighting);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#turn(), Math.max(0, core.due - now));
  }

  /** What cannot be sent (an address that has just gone, a device without a carrier) is counted; the next one may leave. */
  #send(core: Discovery, group: Multicast, now: number): void {
    for (const { index, sources } of this.#links)
      for (const source of sources) {
        try {
          group.send(index, source, core.beacon(source, now));
          this.#deps.meter.count("discovery.sent");
        } catch {
          this.#deps.meter.count("discovery.sendFailed");
        }
      }
  }
}
