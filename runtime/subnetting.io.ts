/** Subnets behind gateways: what this one announces, what the others do, which of it counts, and which gateway is used. */
import type { Json, JsonObject } from "./api/protocol.ts";
import type { Handler } from "./api/server.io.ts";
import { messageOf } from "./base/errors.ts";
import { contains, containsAddress, formatIp, formatPrefix, type Prefix, parseIp, parsePrefix } from "./base/ip.ts";
import type { Log } from "./base/log.ts";
import { seconds } from "./base/time.ts";
import type { Addon } from "./dataplane/addon.io.ts";
import type { NetworkInterface } from "./dataplane/interfaces.ts";
import type { DataPlane } from "./dataplane/port.ts";
import { SubnetRoutes } from "./dataplane/subnet-routes.io.ts";
import { SubnetService } from "./dataplane/subnet-service.io.ts";
import { interfaces } from "./dataplane/underlay.io.ts";
import { overlayPrefix } from "./identity/address.ts";
import type { Member, Roster } from "./identity/roster.ts";
import type { MeshAction, Way } from "./mesh/types.ts";
import { Preference, type Reach } from "./subnets/choose.ts";
import { type Announcer, type Judgement, judge } from "./subnets/judge.ts";
import { systemClock } from "./system.io.ts";

/** Ways become dearer or cheaper: where a subnet has several gateways, they are compared so often. */
const COMPARED_EVERY = seconds(5);

export interface SubnettingTerms {
  /** Overlay address of this gateway. */
  readonly self: string;
  readonly roster: Roster;
  /** What it is to announce, canonical. */
  readonly announce: readonly string[];
  readonly masquerade: boolean;
  readonly plane: DataPlane;
  readonly addon: Addon | undefined;
  /** A file of the state directory. */
  readonly memory: string;
  readonly wayTo: (gateway: string) => Way | undefined;
  /** As `Mesh.standsStill`, of those that `attend` named last. */
  readonly standsStill: (gateway: string) => boolean;
  readonly attend: (gateways: ReadonlySet<string>) => void;
  /** Tells all members what we announce from now on. */
  readonly tell: (subnets: readonly Prefix[]) => void;
  readonly log: Log;
}

/** A subnet that counts, as policies and commands want it. */
export interface KnownSubnet {
  readonly prefix: Prefix;
  /** Behind this gateway. */
  readonly own: boolean;
  /** Overlay addresses, the one in use first. */
  readonly gateways: readonly string[];
}

export class Subnetting {
  readonly #terms: SubnettingTerms;
  readonly #overlay: Prefix;
  readonly #wanted: readonly Prefix[];
  readonly #service: SubnetService;
  readonly #routes: SubnetRoutes;
  readonly #announced = new Map<string, readonly Prefix[]>(); // by gateway
  /** What we announce now: those of the wanted ones that this machine has a way to. */
  #own: readonly Prefix[] = [];
  /** Why not the others. */
  #withdrawn = new Map<string, string>();
  #judgement: Judgement = { subnets: [], refused: [] };
  #known: readonly KnownSubnet[] = [];
  #interfaces: readonly NetworkInterface[] = [];
  #dirty = true;
  #seen = "";
  #revision = 0;
  #nextComparison = 0;
  /** By subnet, of those that count. */
  #preferences = new Map<string, Preference>();
  /** Gateways whose daemons stand still: they are reached, but take nothing. */
  #still: ReadonlySet<string> = new Set();
  /** Those in use that others could take over from. */
  #attended: ReadonlySet<string> = new Set();

  private constructor(terms: SubnettingTerms) {
    const { plane, addon, memory, log } = terms;
    const { prefix, length } = overlayPrefix(terms.roster.meshId);
    this.#terms = terms;
    this.#overlay = parsePrefix(`${prefix}/${length}`) as Prefix;
    this.#wanted = terms.announce.map((text) => parsePrefix(text) as Prefix);
    this.#routes = new SubnetRoutes(plane, addon, log);
    this.#service = new SubnetService({ device: plane.device, addon, masquerade: terms.masquerade, memory, log });
  }

  /** Throws what `SubnetService` does: who announces must be able to serve. */
  static async open(terms: SubnettingTerms): Promise<Subnetting> {
    const subnetting = new Subnetting(terms);
    subnetting.#routes.clean();
    subnetting.#service.clean();
    if (terms.announce.length > 0) await subnetting.#service.check();
    await subnetting.#look();
    return subnetting;
  }

  /** Interfaces or addresses are others now. */
  async changed(): Promise<void> {
    try {
      await this.#look();
    } catch (thrown) {
      this.#terms.log.error("subnets of this machine are not served", { error: messageOf(thrown) });
    }
  }

  async #look(): Promise<void> {
    this.#interfaces = interfaces();
    this.#dirty = true;
    const served = await this.#service.serve(this.#wanted);
    this.#withdrawn = new Map(
      served.flatMap((s) => (s.problem === undefined ? [] : [[formatPrefix(s.prefix), s.problem]])),
    );
    this.#announce(served.filter((s) => s.problem === undefined).map((s) => s.prefix));
    this.update();
  }

  /** Tells all others, when it is something else than before. */
  #announce(own: readonly Prefix[]): void {
    const { log, tell } = this.#terms;
    const [before, now] = [this.#own, own].map((list) => list.map(formatPrefix).join(" "));
    this.#own = own;
    if (this.#withdrawn.size > 0 && (now !== before || this.#seen === ""))
      for (const [subnet, reason] of this.#withdrawn) log.warn("a subnet is not announced", { subnet, reason });
    if (now === before) return;
    log.info("subnets are announced", { subnets: now || "none" });
    tell(own);
  }

  /** Of what the core does: who announces what, who is reached, who is gone. */
  note(action: MeshAction): void {
    if (action.type === "subnets") this.#hear(action.gateway, action.subnets);
    else if (action.type === "removePeer") this.#hear(action.peer, []);
    else if (action.type === "setRoute") this.#dirty ||= this.#announced.has(action.destination);
  }

  #hear(gateway: string, announced: readonly Prefix[]): void {
    if (announced.length === 0 && !this.#announced.has(gateway)) return;
    if (announced.length > 0 && gateway !== this.#terms.self) this.#announced.set(gateway, announced);
    else this.#announced.delete(gateway);
    this.#dirty = true;
  }

  /** A neighbour whose link serves us alone has no cost: there is none nearer. */
  #reach(gateway: string): Reach | undefined {
    const way = this.#still.has(gateway) ? undefined : this.#terms.wayTo(gateway);
    return way && way.primary !== undefined ? { cost: way.cost ?? 1 } : undefined;
  }

  /** The daemon of a neighbour stands still, or goes on: the next `update` looks at it. */
  lookAgain(): void {
    this.#dirty = true;
  }

  /** After whatever may have changed it. */
  update(): void {
    const { roster, self } = this.#terms;
    const seen = `${roster.revision} ${roster.time.now}`;
    const now = systemClock.now();
    const compares = now >= this.#nextComparison && this.#known.some((subnet) => subnet.gateways.length > 1);
    const { standsStill } = this.#terms;
    this.#dirty ||= [...this.#attended].some((gateway) => standsStill(gateway) && !this.#still.has(gateway));
    if (!this.#dirty && seen === this.#seen && !compares) return;
    this.#dirty = false;
    this.#nextComparison = now + COMPARED_EVERY;
    this.#seen = seen;
    const before = this.#judgement;
    const around = { self, overlay: this.#overlay, networks: this.#networks() };
    this.#judgement = judge(this.#announcers(), around);
    this.#sayRefused(before);
    this.#use();
  }

  #announcers(): Announcer[] {
    const { roster, self } = this.#terms;
    const all = [...this.#announced, [self, this.#own] as const];
    return all.flatMap(([address, announced]) => {
      const member = roster.byAddress(address);
      return member && announced.length > 0 ? [announcerOf(member, announced)] : [];
    });
  }

  /** Those that this machine is in. */
  #networks(): { readonly prefix: Prefix; readonly device: string }[] {
    const others = this.#interfaces.filter((i) => i.up && !i.loopback && i.name !== this.#terms.plane.device);
    return others.flatMap(({ name, addresses }) =>
      addresses.flatMap(({ address, prefixLength }) => {
        const prefix = networkOf(address, prefixLength);
        return prefix ? [{ prefix, device: name }] : [];
      }),
    );
  }

  #sayRefused({ refused: before }: Judgement): void {
    const { log } = this.#terms;
    const known = new Set(before.map((r) => `${formatPrefix(r.prefix)} ${r.gateway} ${r.reason}`));
    for (const { prefix, gateway, reason } of this.#judgement.refused)
      if (!known.has(`${formatPrefix(prefix)} ${gateway} ${reason}`))
        log.warn("a subnet is refused", { subnet: formatPrefix(prefix), of: this.#nameOf(gateway), reason });
  }

  #use(): void {
    const { self, log, plane } = this.#terms;
    const before = this.#known;
    const neighbours = plane.links().flatMap((link) => (link.carries && link.still ? [link.peer] : []));
    this.#still = new Set([...neighbours, ...[...this.#attended].filter(this.#terms.standsStill)]);
    const preferences = new Map<string, Preference>();
    this.#known = this.#judgement.subnets.map(({ prefix, gateways }) => {
      const subnet = formatPrefix(prefix);
      const preference = this.#preferences.get(subnet) ?? new Preference();
      preferences.set(subnet, preference);
      const others = gateways.filter((gateway) => gateway !== self);
      const inUse = this.#routes.get(subnet)?.gateways.find((gateway) => gateway !== self);
      const ordered = preference.order(others, (gateway) => this.#reach(gateway), inUse, systemClock.now());
      return {
        prefix,
        own: others.length < gateways.length,
        gateways: [...gateways.filter((g) => g === self), ...ordered],
      };
    });
    this.#preferences = preferences;
    const used = new Map(before.map(({ prefix, gateways }) => [formatPrefix(prefix), gateways[0]]));
    const wanted = this.#known.map(({ prefix, own, gateways }) => {
      const source = own ? undefined : this.#sourceFor(prefix);
      return [formatPrefix(prefix), { own, gateways, source }] as const;
    });
    this.#routes.set(new Map(wanted));
    for (const [subnet, { own, gateways }] of wanted) {
      const through = this.#nameOf(gateways[0] as string);
      if (!own && used.get(subnet) !== gateways[0]) log.info("a subnet is reached", { subnet, through });
    }
    this.#attend();
    if (JSON.stringify(before.map(factsOf)) !== JSON.stringify(this.#known.map(factsOf))) this.#revision++;
  }

  /** Those that stand still are attended on, or nobody would see that they are back. */
  #attend(): void {
    const replaceable = this.#known.filter(({ own, gateways }) => !own && gateways.length > 1);
    const attended = new Set(replaceable.flatMap(({ gateways }) => gateways.slice(0, 1)));
    for (const gateway of this.#attended)
      if (this.#still.has(gateway) && this.#announced.has(gateway)) attended.add(gateway);
    if (attended.symmetricDifference(this.#attended).size === 0) return;
    this.#attended = attended;
    this.#terms.attend(attended);
  }

  /** IPv4 has no overlay address: our own packets carry one that others know to be ours, where there is one. */
  #sourceFor({ address }: Prefix): string | undefined {
    if (address.length === 16) return undefined;
    const addresses = this.#interfaces.filter((i) => i.up).flatMap((i) => i.addresses.map((a) => a.address));
    return addresses.find((text) => {
      const own = parseIp(text);
      return own?.length === 4 && this.#own.some((prefix) => containsAddress(prefix, own));
    });
  }

  #nameOf(address: string): string {
    return this.#terms.roster.byAddress(address)?.name ?? address;
  }

  /** Another number whenever other subnets count, or other gateways for one. */
  get revision(): number {
    return this.#revision;
  }

  get known(): readonly KnownSubnet[] {
    return this.#known;
  }

  /** The subnet that an address lies in: the longest. */
  holding(address: Uint8Array): KnownSubnet | undefined {
    return this.#known
      .filter(({ prefix }) => containsAddress(prefix, address))
      .reduce<KnownSubnet | undefined>((a, b) => (a && contains(b.prefix, a.prefix) ? a : b), undefined);
  }

  methods(): Readonly<Record<string, Handler>> {
    return { subnets: async () => this.#view() };
  }

  #view(): Json {
    return {
      masquerade: this.#service.masquerades,
      withdrawn: [...this.#withdrawn].map(([prefix, reason]) => ({ prefix, reason })),
      subnets: this.#known.map((subnet) => this.#show(subnet)),
      refused: this.#judgement.refused.map(({ prefix, gateway, reason }) => ({
        prefix: formatPrefix(prefix),
        gateway: this.#nameOf(gateway),
        reason,
      })),
    };
  }

  #show({ prefix, own, gateways }: KnownSubnet): JsonObject {
    const { self, plane } = this.#terms;
    const route = this.#routes.get(formatPrefix(prefix));
    return {
      prefix: formatPrefix(prefix),
      own,
      device: own ? null : (plane.device ?? null),
      source: route?.source ?? null,
      problem: route?.problem ?? null,
      gateways: gateways.map((address) => ({
        name: this.#nameOf(address),
        address,
        self: address === self,
        reached: address === self || this.#reach(address) !== undefined,
        cost: address === self ? 0 : (this.#reach(address)?.cost ?? null),
      })),
    };
  }

  /** Takes everything out of the kernel. */
  async close(): Promise<void> {
    this.#routes.clean();
    try {
      await this.#service.close();
    } catch (thrown) {
      this.#terms.log.error("something of the subnets is left in the kernel", { error: messageOf(thrown) });
    }
  }
}

const announcerOf = ({ address, name, certificate }: Member, announced: readonly Prefix[]): Announcer => ({
  address,
  name,
  certified: certificate.subnets.map((text) => parsePrefix(text) as Prefix),
  announced,
});

const factsOf = ({ prefix, own, gateways }: KnownSubnet): readonly unknown[] => [
  formatPrefix(prefix),
  own,
  [...gateways].sort(),
];

/** The network that an interface's address is in; undefined for link-local ones, which are everywhere. */
function networkOf(text: string, length: number): Prefix | undefined {
  const address = parseIp(text);
  if (!address || text.startsWith("fe80:")) return undefined;
  const masked = address.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))) & 0xff);
  return parsePrefix(`${formatIp(masked)}/${length}`);
}
