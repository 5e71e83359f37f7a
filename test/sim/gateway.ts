/** A simulated gateway: the shipped core and the shipped state files, over memory instead of a disk, a socket and a clock. */
import { equal } from "../../runtime/base/bytes.ts";
import type { Endpoint } from "../../runtime/base/endpoint.ts";
import { Meter } from "../../runtime/base/meter.ts";
import type { RandomBytes } from "../../runtime/base/random.ts";
import type { Ms } from "../../runtime/base/time.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import { overlayAddress } from "../../runtime/identity/address.ts";
import { Roster } from "../../runtime/identity/roster.ts";
import { loadMembership } from "../../runtime/membership.ts";
import { Mesh } from "../../runtime/mesh/mesh.ts";
import {
  type Adopted,
  MESH_SETTINGS,
  type MeshDeps,
  type MeshDirectory,
  type MeshSettings,
} from "../../runtime/mesh/ports.ts";
import type { MeshAction, MeshEvent, MeshNotice, PeerView } from "../../runtime/mesh/types.ts";
import { createAdmission, type Issuer } from "../../runtime/provisioning/admission.ts";
import type { OwnHome } from "../../runtime/provisioning/home.io.ts";
import type { DriftingClock } from "./clock.ts";
import { DataModel } from "./data-model.ts";
import type { Site } from "./network/network.ts";

const RATES = { aes256Gcm: 1000, chacha20Poly1305: 500 };
/** The wall clock at the beginning of the world. */
const EPOCH = 1_700_000_000;

/** What runs while the daemon runs, and is gone when it crashes. */
export interface Daemon {
  readonly mesh: Mesh;
  readonly roster: Roster | undefined;
  readonly issuer: Issuer | undefined;
  readonly data: DataModel;
  readonly clock: DriftingClock;
}

export interface GatewayOptions {
  readonly label: string;
  readonly crypto: CryptoProvider;
  readonly home: OwnHome;
  readonly id: Uint8Array;
  readonly settings: Partial<MeshSettings>;
  readonly worldTime: () => Ms;
  /** Whether its data path asks others whether they live. */
  readonly asks: boolean;
  /** What stands in for its roster, which it is made of at each start. */
  readonly directory: ((own: Roster) => MeshDirectory) | undefined;
  /** As `MeshDeps.routing`. */
  readonly routing: MeshDeps["routing"];
}

export class Gateway {
  readonly label: string;
  readonly id: Uint8Array;
  readonly home: OwnHome;
  readonly #crypto: CryptoProvider;
  readonly #settings: MeshSettings;
  readonly #worldTime: () => Ms;
  /** Overlay address; empty until it is a member. */
  address = "";
  /** Of all its lives. */
  readonly meter = new Meter();
  readonly notices: MeshNotice[] = [];
  readonly actions: MeshAction[] = [];
  /** Where it sits; the first is where it sends from, unless another is in the net of whom it sends to. */
  sites: Site<Gateway>[] = [];
  readonly #asks: boolean;
  readonly #directory: GatewayOptions["directory"];
  readonly #routing: MeshDeps["routing"];
  #daemon: Daemon | undefined;

  constructor(options: GatewayOptions) {
    this.label = options.label;
    this.id = options.id;
    this.home = options.home;
    this.#crypto = options.crypto;
    this.#settings = { ...MESH_SETTINGS, ...options.settings };
    this.#worldTime = options.worldTime;
    this.#asks = options.asks;
    this.#directory = options.directory;
    this.#routing = options.routing;
  }

  get running(): boolean {
    return this.#daemon !== undefined;
  }

  get #alive(): Daemon {
    if (!this.#daemon) throw new Error(`${this.label} does not run`);
    return this.#daemon;
  }

  get mesh(): Mesh {
    return this.#alive.mesh;
  }

  get data(): DataModel {
    return this.#alive.data;
  }

  get clock(): DriftingClock {
    return this.#alive.clock;
  }

  get roster(): Roster {
    const { roster } = this.#alive;
    if (!roster) throw new Error(`${this.label} is no member`);
    return roster;
  }

  /** What it admits others by. */
  get issuer(): Issuer {
    const { issuer } = this.#alive;
    if (!issuer) throw new Error(`${this.label} is no member`);
    return issuer;
  }

  /** Its certificate chain. */
  get chain(): Uint8Array {
    const own = this.roster.byId(this.id);
    if (!own) throw new Error(`${this.label} is no member any more`);
    return own.chain;
  }

  /** Where it sits, as it sees itself. */
  get endpoint(): Endpoint {
    const [site] = this.sites;
    if (!site) throw new Error(`${this.label} is not connected`);
    return site.endpoint;
  }

  /** From where it sends to an address. */
  siteFor(address: string): Site<Gateway> | undefined {
    const net = (a: string): string => a.slice(0, a.lastIndexOf("."));
    return this.sites.find(({ endpoint }) => net(endpoint.address) === net(address)) ?? this.sites[0];
  }

  get now(): Ms {
    return this.clock.local(this.#worldTime());
  }

  peers(): readonly PeerView[] {
    return this.mesh.peers(this.now);
  }

  /** Its view of another; undefined while it does not know it. */
  peer(other: Gateway): PeerView | undefined {
    return this.peers().find((p) => equal(p.id, other.id));
  }

  handle(event: MeshEvent): Promise<MeshAction[]> {
    return this.mesh.handle(event, this.now);
  }

  /** As `runtime/node.ts` starts a member's daemon: from what its home holds and nothing else. */
  async start(clock: DriftingClock, random: RandomBytes): Promise<void> {
    const loaded = await loadMembership(this.home, this.#crypto);
    const { keys, membership, chain, roster, book } = loaded;
    const unix = (): number => EPOCH + Math.floor(this.#worldTime() / 1000);
    const issuer: Issuer = {
      crypto: this.#crypto,
      member: { keys, chain },
      roster,
      book,
      now: () => Math.max(unix(), roster.time.now),
      persist: async () => {
        await this.home.saveInvites(book);
        await this.home.saveRoster(roster);
      },
    };
    const deps = {
      ...this.#deps(random),
      local: { keys, rates: RATES, membership },
      epoch: loaded.epoch,
      directory: this.#directory?.(roster) ?? roster,
      admission: createAdmission(issuer),
      verifyForeign: async (): Promise<undefined> => undefined,
      adopt: async (): Promise<undefined> => undefined,
    };
    this.address = overlayAddress(this.#crypto, membership.meshId, keys.id);
    this.#run(new Mesh(deps, clock.local(this.#worldTime())), clock, roster, issuer);
  }

  /** As `runtime/joining.io.ts` does it: keys and nothing else. What it learns of its issuer is written as there. */
  async startJoiner(clock: DriftingClock, random: RandomBytes): Promise<void> {
    const keys = await this.home.keysOrNew(random);
    let issuerChain: Uint8Array | undefined;
    const deps = {
      ...this.#deps(random),
      local: { keys, rates: RATES, membership: undefined },
      directory: undefined,
      epoch: 0,
      admission: undefined,
      verifyForeign: async (meshId: Uint8Array, genesis: Uint8Array, chain: Uint8Array) => {
        const shown = Roster.of(this.#crypto, genesis);
        const issuer = equal(shown.meshId, meshId) ? await shown.admit(chain) : undefined;
        issuerChain = issuer?.chain;
        return issuer;
      },
      adopt: async (joined: { readonly chain: Uint8Array; readonly genesis: Uint8Array }): Promise<Adopted> => {
        await this.home.saveMember(joined);
        const { roster, membership } = await loadMembership(this.home, this.#crypto);
        if (issuerChain) await roster.admit(issuerChain);
        this.address = overlayAddress(this.#crypto, membership.meshId, keys.id);
        this.#run(mesh, clock, roster, undefined);
        return { local: { keys, rates: RATES, membership }, directory: roster, admission: undefined };
      },
    };
    const mesh = new Mesh(deps, clock.local(this.#worldTime()));
    this.#run(mesh, clock, undefined, undefined);
  }

  /** What the daemon does when the core asks for it. */
  async persist(): Promise<void> {
    if (this.#daemon?.roster) await this.home.saveRoster(this.#daemon.roster);
  }

  /** Power cut: what was not written is gone. */
  crash(): void {
    this.#daemon = undefined;
  }

  #run(mesh: Mesh, clock: DriftingClock, roster: Roster | undefined, issuer: Issuer | undefined): void {
    const data =
      this.#daemon?.mesh === mesh ? this.#daemon.data : new DataModel(this.#crypto, this.address || "::", this.#asks);
    this.#daemon = { mesh, clock, roster, issuer, data };
  }

  #deps(random: RandomBytes): Pick<MeshDeps, "crypto" | "random" | "settings" | "meter" | "routing"> {
    return { crypto: this.#crypto, random, settings: this.#settings, meter: this.meter, routing: this.#routing };
  }
}
