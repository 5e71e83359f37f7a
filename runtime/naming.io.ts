/** Names of the mesh for the programs of this machine: the resolver on the overlay address, and who sends questions there. */
import type { JsonObject } from "./api/protocol.ts";
import type { Handler } from "./api/server.io.ts";
import { messageOf } from "./base/errors.ts";
import { containsAddress, type Prefix, parseIp, parsePrefix } from "./base/ip.ts";
import type { Log } from "./base/log.ts";
import type { Meter } from "./base/meter.ts";
import { overlayPrefix } from "./identity/address.ts";
import type { Roster } from "./identity/roster.ts";
import { revert, route, systemResolver } from "./names/resolved.io.ts";
import { DNS_PORT, type NameServer, serveNames } from "./names/server.io.ts";
import { domainOf, type Named, reverseApex, type Zone, zonesOf } from "./names/zone.ts";
import { systemClock } from "./system.io.ts";

/** `auto`: the system's resolver is told as well; `local`: nothing outside this process is touched; `off`: no resolver. */
export type NamesMode = "auto" | "local" | "off";

export interface NamingTerms {
  readonly mode: NamesMode;
  readonly roster: Roster;
  /** This gateway's name and overlay address. */
  readonly self: Named;
  /** The overlay's; undefined without one. */
  readonly device: string | undefined;
  readonly meter: Meter;
  readonly log: Log;
}

export class Naming {
  readonly #terms: NamingTerms;
  readonly #prefix: Prefix;
  #zones: readonly Zone[] = [];
  #seen = "";
  #server: NameServer | undefined;
  /** Why nobody is answered. */
  #reason = "";
  /** Whether the system's resolver asks us; why not, otherwise. */
  #system = { told: false, reason: "" };

  private constructor(terms: NamingTerms) {
    this.#terms = terms;
    const { prefix, length } = overlayPrefix(terms.roster.meshId);
    this.#prefix = parsePrefix(`${prefix}/${length}`) as Prefix;
  }

  /** A gateway without names works: what keeps them from working is logged and shown. */
  static async open(terms: NamingTerms): Promise<Naming> {
    const naming = new Naming(terms);
    await naming.#serve();
    if (naming.#server) await naming.#tellSystem();
    return naming;
  }

  async #serve(): Promise<void> {
    const { mode, device, self, meter, log } = this.#terms;
    if (mode === "off") this.#reason = "switched off by the setting names";
    else if (device === undefined) this.#reason = "there is no overlay device, so no overlay address to answer at";
    else {
      const overlay = (source: string): boolean => {
        const address = parseIp(source.split("%")[0] as string);
        return address !== undefined && containsAddress(this.#prefix, address);
      };
      try {
        const zones = (): readonly Zone[] => this.#current();
        this.#server = await serveNames({ address: self.address, serves: overlay, zones, meter, now: systemClock.now });
      } catch (thrown) {
        this.#reason = reasonOf(thrown, self.address);
        log.warn("no names: the resolver cannot answer", { reason: this.#reason });
      }
    }
  }

  async #tellSystem(): Promise<void> {
    const { mode, device, self, log } = this.#terms;
    if (mode !== "auto" || device === undefined) this.#system.reason = "not asked to, by the setting names";
    else if (!systemResolver().resolved) this.#system.reason = "systemd-resolved does not run";
    else {
      const problem = await route(device, self.address, [this.domain, this.#reverse]);
      this.#system = { told: problem === undefined, reason: problem ?? "" };
      if (problem !== undefined) log.warn("systemd-resolved was not told of the mesh's names", { reason: problem });
    }
    log.info("names are answered", { domain: this.domain, at: self.address, "systemd-resolved": this.#system.told });
  }

  get domain(): string {
    return domainOf(this.#terms.roster.mesh.genesis.name);
  }

  get #reverse(): string {
    return reverseApex(this.#prefix);
  }

  /** Of the members as they are now: who was revoked or has expired is in no zone. */
  #current(): readonly Zone[] {
    const { roster, self } = this.#terms;
    const state = `${roster.revision} ${roster.time.now}`;
    if (this.#seen === state) return this.#zones;
    this.#seen = state;
    this.#zones = zonesOf({
      meshName: roster.mesh.genesis.name,
      prefix: this.#prefix,
      self: self.name,
      members: namedOf(roster),
      serial: roster.revision,
    });
    return this.#zones;
  }

  /** For `status`. */
  view(): JsonObject {
    const { told, reason } = this.#system;
    return {
      domain: this.domain,
      reverse: this.#reverse,
      server: this.#server ? this.#terms.self.address : null,
      reason: this.#reason || null,
      system: told ? "systemd-resolved" : null,
      systemReason: told ? null : reason || null,
    };
  }

  methods(): Readonly<Record<string, Handler>> {
    const { roster } = this.#terms;
    return {
      names: async () => ({
        ...this.view(),
        asked: systemResolver().asked,
        names: namedOf(roster).map(({ name, address }) => ({ name: `${name}.${this.domain}`, address })),
      }),
    };
  }

  async close(): Promise<void> {
    const { device, log } = this.#terms;
    this.#server?.close();
    this.#server = undefined;
    this.#reason = "closed";
    if (!this.#system.told || device === undefined) return;
    const problem = await revert(device);
    // It goes with the device in any case.
    if (problem !== undefined) log.debug("systemd-resolved was not told that we stop", { reason: problem });
  }
}

/** Of two members with one name the one that everybody finds by it. */
function namedOf(roster: Roster): Named[] {
  const names = [...new Set(roster.list().map((m) => m.name))];
  return names.map((name) => ({ name, address: roster.byName(name)?.address ?? "" }));
}

function reasonOf(thrown: unknown, address: string): string {
  const { code } = thrown as { code?: string };
  if (code === "EADDRINUSE") return `another program has port ${DNS_PORT} on ${address}: a DNS server on all addresses`;
  if (code === "EACCES" || code === "EPERM") return `no right to port ${DNS_PORT} (CAP_NET_BIND_SERVICE)`;
  return messageOf(thrown);
}
