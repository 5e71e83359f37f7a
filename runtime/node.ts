/** Composition root: builds the parts of a running gateway, joins their ports, and feeds the core one event at a time. */
import { join } from "node:path";
import { type ControlServer, type Handler, serveControl } from "./api/server.io.ts";
import { type TransferApi, transferApi } from "./api/transfer.io.ts";
import { feedWatchdog, watchdogPeriod } from "./api/watchdog.io.ts";
import { messageOf, TrellisError } from "./base/errors.ts";
import { EventQueue } from "./base/event-queue.ts";
import type { Log } from "./base/log.ts";
import { Meter } from "./base/meter.ts";
import { seconds } from "./base/time.ts";
import { type CryptoChoice, chooseProvider } from "./crypto/choose.ts";
import {
  type InterfaceWatch,
  ingressObject,
  loadAddon,
  meshObject,
  relayObjects,
  steeringObject,
} from "./dataplane/addon.io.ts";
import { Carried } from "./dataplane/carried.ts";
import { type NativeDataPlane, openNative } from "./dataplane/native.io.ts";
import { PeerTraffic } from "./dataplane/peer-traffic.ts";
import type { DataPlane, DataPlaneHandlers, DataPlaneOptions } from "./dataplane/port.ts";
import { HOOKS, type RelayMode } from "./dataplane/relay-attach.ts";
import { underlayAddresses, watchUnderlay } from "./dataplane/underlay.io.ts";
import { openUserspace } from "./dataplane/userspace.io.ts";
import { OVERLAY_PREFIX_LENGTH, overlayAddress } from "./identity/address.ts";
import { type Loaded, loadMembership } from "./membership.ts";
import { Mesh } from "./mesh/mesh.ts";
import { MESH_SETTINGS } from "./mesh/ports.ts";
import type { AeadRates, MeshAction, MeshEvent, MeshNotice } from "./mesh/types.ts";
import { controlMethods, memberNamed } from "./methods.ts";
import { type NamesMode, Naming } from "./naming.io.ts";
import { Policing, type PolicyMode } from "./policing.io.ts";
import { createAdmission, type Issuer } from "./provisioning/admission.ts";
import type { OwnHome } from "./provisioning/home.io.ts";
import { SUBNETS, Subnetting } from "./subnetting.io.ts";
import { systemClock, systemRandom } from "./system.io.ts";
import { Transfers } from "./transfer/transfers.ts";

/** Who carries data is looked up so often: keys age, and paths are watched, where something flows. */
const CARRIED_AGAIN = seconds(1);
/** Where others were met is on disk after so long at the latest: whoever is started again knows whom to call. */
const ENDPOINTS_KEPT = seconds(10);
/** Until a write that failed is tried again. */
const STORE_AGAIN = seconds(30);

/** The core is asked at least so often: its cookie secrets age also while nothing happens, and the kernel is told. */
const LOOK_AT_LEAST = seconds(30);

const TRANSFER = "transfer";
const PING_PATIENCE = seconds(2);

export interface NodeOptions {
  readonly port: number;
  readonly interface: string | undefined;
  readonly device: string | undefined;
  readonly mtu: number;
  readonly workers: number;
  readonly relay: RelayMode;
  readonly policy: PolicyMode;
  readonly names: NamesMode;
  readonly announce: readonly string[];
  readonly masquerade: boolean;
  readonly log: Log;
}

/** A gateway that runs. */
export class Node {
  readonly #home: OwnHome;
  readonly #choice: CryptoChoice;
  readonly #loaded: Loaded;
  readonly #options: NodeOptions;
  readonly #log: Log;
  readonly #meter = new Meter();
  readonly #traffic = new PeerTraffic();
  readonly #issuer: Issuer;
  readonly #address: string;
  readonly #started = systemClock.now();
  readonly #pings = new Map<number, (n: Extract<MeshNotice, { kind: "pong" }>) => void>();
  #policing: Policing | undefined;
  #naming: Naming | undefined;
  #subnets: Subnetting | undefined;
  #plane: DataPlane | undefined;
  #mesh: Mesh | undefined;
  #control: ControlServer | undefined;
  readonly #queue = new EventQueue(systemClock.now);
  #starve: () => void = () => {};
  #timer: Timer | undefined;
  #again: Timer | undefined;
  #carried: Timer | undefined;
  #watch: InterfaceWatch | undefined;
  #stopping: Promise<void> | undefined;
  #nextPing = 1;
  #expelled: string | undefined;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #transfers = new Transfers(systemRandom, (peer, data) => this.#post(peer, TRANSFER, data));
  readonly #transferApi: TransferApi = transferApi(this.#transfers, systemClock, {
    addressOf: (peer) => memberNamed(this.#loaded.roster, peer).address,
    nameOf: (address) => this.#loaded.roster.byAddress(address)?.name ?? address,
  });

  private constructor(home: OwnHome, choice: CryptoChoice, loaded: Loaded, options: NodeOptions) {
    this.#home = home;
    this.#choice = choice;
    this.#loaded = loaded;
    this.#options = options;
    this.#log = options.log;
    this.#address = overlayAddress(choice.provider, loaded.membership.meshId, loaded.keys.id);
    this.#issuer = {
      crypto: choice.provider,
      member: { keys: loaded.keys, chain: loaded.chain },
      roster: loaded.roster,
      book: loaded.book,
      now: () => Math.max(systemClock.unix(), loaded.roster.time.now),
      persist: async () => {
        await home.saveInvites(loaded.book);
        await home.saveRoster(loaded.roster);
      },
    };
  }

  static async start(home: OwnHome, options: NodeOptions): Promise<Node> {
    const choice = await chooseProvider();
    if (choice.reason) options.log.warn("the fast crypto provider is not used", { reason: choice.reason });
    const node = new Node(home, choice, await loadMembership(home, choice.provider), options);
    await node.#open();
    return node;
  }

  /** Resolves when the node has stopped, by `stop` or over the control socket. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  async #open(): Promise<void> {
    const { keys, membership, roster, book } = this.#loaded;
    const { addon } = loadAddon();
    const { policy, log } = this.#options;
    this.#policing = await Policing.open(this.#home, roster, this.#address, policy, log.part("policy"));
    this.#plane = await this.#openPlane(this.#policing);
    const { provider } = this.#choice;
    const local = { keys, rates: this.#plane.rates, membership };
    this.#mesh = new Mesh(
      {
        crypto: provider,
        random: systemRandom,
        local,
        directory: roster,
        admission: createAdmission(this.#issuer),
        verifyForeign: async () => undefined,
        adopt: async () => undefined,
        settings: MESH_SETTINGS,
        meter: this.#meter,
      },
      systemClock.now(),
    );
    this.#naming = await this.#openNames(this.#plane);
    this.#subnets = await this.#openSubnets(this.#plane);
    this.#policing.behind(this.#subnets);
    const uidOf = (fd: number): number | undefined => addon?.peerCredentials(fd).uid;
    this.#control = serveControl(this.#home.socket, this.#methods(), uidOf, this.#log.part("api"));
    await this.#feed({ type: "tick" });
    this.#watch = watchUnderlay(() => void this.#announce());
    await this.#announce(); // after it listens, so that nothing is missed between
    const carried = new Carried();
    this.#carried = setInterval(() => this.#noteCarried(carried), CARRIED_AGAIN);
    this.#log.info("gateway is up", {
      name: this.#loaded.chain.leaf.name,
      address: this.#address,
      port: this.#plane.port,
      device: this.#plane.device ?? "none",
      invites: book.list().length,
    });
    this.#tell(`READY=1\nSTATUS=${this.#loaded.chain.leaf.name} at ${this.#address}`);
    const period = watchdogPeriod(process.env, process.pid);
    const feed = (): void => this.#tell("WATCHDOG=1");
    if (period !== undefined) this.#starve = feedWatchdog(period, () => this.#queue.busyFor(), feed, this.#log);
  }

  #openNames({ device }: DataPlane): Promise<Naming> {
    const { roster, chain } = this.#loaded;
    const self = { name: chain.leaf.name, address: this.#address };
    const log = this.#log.part("names");
    return Naming.open({ mode: this.#options.names, roster, self, device, meter: this.#meter, log });
  }

  /** Tells the others where we can be reached: addresses come and go. */
  #openSubnets(plane: DataPlane): Promise<Subnetting> {
    const { announce, masquerade, log } = this.#options;
    return Subnetting.open({
      ...{ announce, masquerade, plane, self: this.#address, roster: this.#loaded.roster, addon: loadAddon().addon },
      memory: join(this.#home.path, "forwarding.json"),
      peers: () => this.#mesh?.peers(systemClock.now()) ?? [],
      post: (peer, data) => this.#post(peer, SUBNETS, data),
      log: log.part("subnets"),
    });
  }

  /** Tells the others where we can be reached: interfaces and addresses come and go. */
  #announce(): Promise<void> {
    const plane = this.#plane as DataPlane;
    const { port } = plane;
    plane.interfacesChanged();
    void this.#queue.push(async () => await this.#subnets?.changed());
    const endpoints = underlayAddresses(this.#options.interface)
      .filter((address) => address !== "127.0.0.1")
      .map((address) => ({ address, port }));
    return this.#feed({ type: "command", command: { type: "addresses", endpoints } });
  }

  #noteCarried(carried: Carried): void {
    const sessions = carried.look((this.#plane as DataPlane).stats().sessions);
    if (sessions.length > 0) void this.#feed({ type: "dataPlane", event: { type: "carried", sessions } });
  }

  /** The service manager, where there is one. */
  #tell(state: string): void {
    try {
      loadAddon().addon?.notifySystemd(state);
    } catch (thrown) {
      this.#log.warn("the service manager does not listen", { error: messageOf(thrown) });
    }
  }

  /** A disk that is full or gone costs durability until it is mended, nothing else. */
  async #persist(): Promise<void> {
    clearTimeout(this.#again);
    this.#again = undefined;
    try {
      await this.#home.saveRoster(this.#loaded.roster);
    } catch (thrown) {
      const hint = thrown instanceof TrellisError ? thrown.hint : undefined;
      this.#log.error("members and revocations are not stored; tried again later", { error: messageOf(thrown), hint });
      this.#persistIn(STORE_AGAIN);
    }
  }

  /** Unless it is to happen anyway. */
  #persistIn(ms: number): void {
    this.#again ??= setTimeout(() => void this.#queue.push(() => this.#persist()), ms);
  }

  async #openPlane(policing: Policing): Promise<DataPlane> {
    const options: DataPlaneOptions = {
      port: this.#options.port,
      interface: this.#options.interface,
      device: this.#options.device,
      address: this.#address,
      prefixLength: OVERLAY_PREFIX_LENGTH,
      mtu: this.#options.mtu,
      workers: this.#options.workers,
    };
    const handlers: DataPlaneHandlers = {
      control: (batch) => void this.#feed({ type: "datagrams", batch }),
      event: (event) => {
        if (event.type === "silent" || event.type === "alive")
          this.#log.debug(`a link is ${event.type}`, { peer: event.peer });
        void this.#feed({ type: "dataPlane", event });
      },
    };
    if (options.device === undefined) return await openUserspace(options, handlers);
    const { addon, reason } = loadAddon();
    if (!addon) {
      this.#log.warn("no tunnel: the native addon is not there; control traffic only", { reason });
      return await openUserspace({ ...options, device: undefined }, handlers);
    }
    const relay = { hooks: HOOKS[this.#options.relay], objects: relayObjects() };
    const objects = { ingress: ingressObject(), steering: steeringObject() };
    const rates = wireRates(addon.measureAead());
    const guard = (device: string): void => policing.guard(addon, meshObject(), device);
    const plane = await openNative(addon, options, handlers, rates, objects, relay, guard);
    if (!plane.sparse.steered) this.#log.warn("sparse flows wait behind bulk flows", { reason: plane.sparse.reason });
    this.#sayWhoRelays(plane.kernelRelay);
    return plane;
  }

  #sayWhoRelays({ reason, attached }: NativeDataPlane["kernelRelay"]): void {
    if (reason === "") this.#log.info("the kernel relays frames of others", { on: Object.keys(attached).join(" ") });
    else if (this.#options.relay !== "userspace")
      this.#log.warn("the daemon itself relays frames of others", { reason });
  }

  /** Events run one after the other: the core never sees two interleaved. */
  #feed(event: MeshEvent): Promise<void> {
    return this.#queue.push(async () => {
      try {
        await this.#handle(event);
      } catch (thrown) {
        this.#log.error("the core failed on an event", { event: event.type, error: messageOf(thrown) });
      }
    });
  }

  async #handle(event: MeshEvent): Promise<void> {
    const mesh = this.#mesh;
    if (!mesh) return;
    const actions = await mesh.handle(event, systemClock.now());
    for (const action of actions) this.#subnets?.note(action);
    this.#subnets?.update();
    this.#policing?.update();
    for (const action of actions) await this.#perform(action);
    clearTimeout(this.#timer);
    const due = Math.min(mesh.deadline() ?? Number.POSITIVE_INFINITY, systemClock.now() + LOOK_AT_LEAST);
    this.#timer = setTimeout(() => void this.#feed({ type: "tick" }), Math.max(0, due - systemClock.now()));
  }

  async #perform(action: MeshAction): Promise<void> {
    const plane = this.#plane as DataPlane;
    switch (action.type) {
      case "send":
        return plane.send([action.datagram]);
      case "limitFrames":
        return plane.limitFrames(action.peer, action.bytes);
      case "installSession":
        this.#traffic.installed(action.peer, action.session.localIndex);
        plane.installSession(action.peer, action.session, action.endpoint);
        return plane.allow(action.peer, `${action.peer}/128`);
      case "useSession":
        return plane.useSession(action.peer, action.localIndex);
      case "removeSession":
        this.#traffic.ending(action.localIndex, plane.stats().sessions);
        return plane.removeSession(action.localIndex);
      case "setEndpoint":
        return plane.setEndpoint(action.peer, action.endpoint);
      case "setRoute":
        return plane.setRoute(action.destination, action.primary, action.backup);
      case "admission":
        return plane.admit(action.keys);
      case "removePeer":
        this.#traffic.forget(action.peer);
        return plane.removePeer(action.peer);
      case "persist":
        return await this.#persist();
      case "notice":
        return this.#notice(action.notice);
      case "message":
        if (action.protocol === TRANSFER) this.#transfers.hear(action.peer, action.data, systemClock.now());
        return this.#transferApi.changed();
    }
  }

  #post(peer: string, protocol: string, data: Uint8Array): void {
    void this.#feed({ type: "command", command: { type: "post", peer, protocol, data } });
  }

  #notice(notice: MeshNotice): void {
    if (notice.kind === "pong") {
      this.#pings.get(notice.token)?.(notice);
      return;
    }
    if (notice.kind === "sessionDown" || notice.kind === "streamReset" || notice.kind === "undelivered") {
      this.#transfers.lost(notice.peer);
      this.#transferApi.changed();
    }
    if (notice.kind === "revoked" && notice.peer === this.#address) this.#expelled = "this gateway was revoked";
    if (notice.kind === "refused") this.#expelled = `${notice.name} says: ${notice.message}`;
    if (notice.kind === "sessionUp") {
      this.#expelled = undefined;
      this.#persistIn(ENDPOINTS_KEPT);
    }
    const { kind, ...fields } = notice;
    this.#log.info(kind, Object.fromEntries(Object.entries(fields).filter(([, v]) => typeof v !== "object")));
  }

  #methods(): Readonly<Record<string, Handler>> {
    const plane = this.#plane as DataPlane;
    const policing = this.#policing as Policing;
    const naming = this.#naming as Naming;
    const { roster, book } = this.#loaded;
    const own = controlMethods({
      loaded: this.#loaded,
      issuer: this.#issuer,
      provider: this.#choice.provider,
      address: this.#address,
      plane,
      underlay: () => underlayAddresses(this.#options.interface),
      uptime: () => systemClock.now() - this.#started,
      peers: () => this.#mesh?.peers(systemClock.now()) ?? [],
      traffic: () => this.#traffic.totals(plane.stats().sessions),
      counters: () => this.#meter.snapshot(),
      policing,
      naming,
      supervised: (process.env.NOTIFY_SOCKET ?? "") !== "",
      expelled: () => this.#expelled,
      random: systemRandom,
      command: (command) => this.#feed({ type: "command", command }),
      ping: (peer) => this.#ping(peer),
      saveInvites: () => this.#home.saveInvites(book),
      saveRoster: () => this.#home.saveRoster(roster),
    });
    const down: Handler = async () => {
      setTimeout(() => void this.stop(), 10); // after the answer is out
      return {};
    };
    return {
      ...own,
      ...policing.methods(),
      ...naming.methods(),
      ...this.#subnets?.methods(),
      ...this.#transferApi.methods,
      down,
    };
  }

  /** Milliseconds until the peer's daemon answered; undefined when it does not. */
  async #ping(peer: string): Promise<number | undefined> {
    const token = this.#nextPing++;
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    this.#pings.set(token, (pong) => resolve(pong.roundTrip));
    const timer = setTimeout(() => resolve(undefined), PING_PATIENCE);
    void this.#feed({ type: "command", command: { type: "ping", peer, token } });
    const roundTrip = await promise;
    clearTimeout(timer);
    this.#pings.delete(token);
    return roundTrip;
  }

  /** Says goodbye, closes the data path and everything it put into the kernel. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#tell("STOPPING=1");
    await this.#feed({ type: "command", command: { type: "leave" } });
    clearTimeout(this.#timer);
    clearInterval(this.#carried);
    this.#watch?.close();
    this.#starve();
    this.#control?.close();
    this.#mesh = undefined;
    await this.#naming?.close();
    await this.#subnets?.close();
    await this.#plane?.close();
    this.#policing?.close();
    await this.#persist();
    clearTimeout(this.#again);
    this.#log.info("gateway has stopped");
    this.#stopped.resolve();
  }
}

/** Rates as the handshake carries them: whole MB/s, 16 bits. */
const wireRates = ({ aes256Gcm, chacha20Poly1305 }: AeadRates): AeadRates => ({
  aes256Gcm: Math.min(0xffff, Math.round(aes256Gcm)),
  chacha20Poly1305: Math.min(0xffff, Math.round(chacha20Poly1305)),
});
