/** Composition root: builds the parts of a running gateway, joins their ports, and feeds the core one event at a time. */
import { join } from "node:path";
import { backupMethods } from "./api/backups.io.ts";
import { EventLog } from "./api/event-log.ts";
import { Pings } from "./api/pings.io.ts";
import { type ControlServer, type Handler, serveControl } from "./api/server.io.ts";
import { type TransferApi, transferApi } from "./api/transfer.io.ts";
import { feedWatchdog, watchdogPeriod } from "./api/watchdog.io.ts";
import { messageOf } from "./base/errors.ts";
import { EventQueue } from "./base/event-queue.ts";
import type { Log } from "./base/log.ts";
import { Meter } from "./base/meter.ts";
import { seconds } from "./base/time.ts";
import { type CryptoChoice, chooseProvider } from "./crypto/choose.ts";
import { openDataPlane } from "./data-path.io.ts";
import { type InterfaceWatch, loadAddon } from "./dataplane/addon.io.ts";
import { PeerTraffic } from "./dataplane/peer-traffic.ts";
import type { DataPlane, DataPlaneHandlers, DataPlaneOptions } from "./dataplane/port.ts";
import { RELAY_MEMORY } from "./dataplane/relay-memory.io.ts";
import { interfaces, underlayAddresses, watchUnderlay } from "./dataplane/underlay.io.ts";
import { Discovering } from "./discovering.io.ts";
import { OVERLAY_PREFIX_LENGTH, overlayAddress } from "./identity/address.ts";
import { Linking } from "./linking.io.ts";
import { issuerOf, type Loaded, loadMembership } from "./membership.ts";
import { Mesh } from "./mesh/mesh.ts";
import { MESH_SETTINGS } from "./mesh/ports.ts";
import type { MeshAction, MeshCommand, MeshEvent, MeshNotice } from "./mesh/types.ts";
import { controlMethods, memberNamed } from "./methods.ts";
import { Naming } from "./naming.io.ts";
import type { NodeOptions } from "./node-options.ts";
import { Policing } from "./policing.io.ts";
import { createAdmission, type Issuer } from "./provisioning/admission.ts";
import { contentsOf } from "./provisioning/backup.io.ts";
import type { OwnHome } from "./provisioning/home.io.ts";
import { Storing } from "./storing.io.ts";
import { Subnetting } from "./subnetting.io.ts";
import { RECORDS } from "./sync/driver.ts";
import { Syncing } from "./syncing.io.ts";
import { systemClock, systemRandom } from "./system.io.ts";
import { Transfers } from "./transfer/transfers.ts";

/** Who carries data is looked up so often: keys age, and paths are watched, where something flows. */
const CARRIED_AGAIN = seconds(1);

/** The core is asked at least so often: its cookie secrets age also while nothing happens, and the kernel is told. */
const LOOK_AT_LEAST = seconds(30);

const TRANSFER = "transfer";

/** A gateway that runs. */
export class Node {
  readonly #home: OwnHome;
  readonly #choice: CryptoChoice;
  readonly #loaded: Loaded;
  readonly #options: NodeOptions;
  readonly #log: Log;
  readonly #meter = new Meter();
  readonly #events = new EventLog(Date.now);
  readonly #traffic = new PeerTraffic();
  readonly #issuer: Issuer;
  readonly #address: string;
  readonly #started = systemClock.now();
  readonly #pings = new Pings((peer, token) => this.#command({ type: "ping", peer, token }));
  #policing: Policing | undefined;
  #naming: Naming | undefined;
  #linking: Linking | undefined;
  #subnets: Subnetting | undefined;
  #plane: DataPlane | undefined;
  #mesh: Mesh | undefined;
  #control: ControlServer | undefined;
  readonly #queue = new EventQueue(systemClock.now);
  #starve: () => void = () => {};
  #timer: Timer | undefined;
  readonly #storing: Storing;
  readonly #syncing: Syncing;
  #carried: Timer | undefined;
  #watch: InterfaceWatch | undefined;
  #discovering: Discovering | undefined;
  #stopping: Promise<void> | undefined;
  #expelled: string | undefined;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #transfers = new Transfers(systemRandom, (peer, data) => this.#post(peer, TRANSFER, data));
  readonly #transferApi: TransferApi = transferApi(this.#transfers, systemClock, {
    addressOf: (peer) => memberNamed(this.#loaded.roster, peer).address,
    nameOf: (address) => this.#nameAt(address),
  });

  private constructor(home: OwnHome, choice: CryptoChoice, loaded: Loaded, options: NodeOptions) {
    this.#home = home;
    this.#choice = choice;
    this.#loaded = loaded;
    this.#options = options;
    this.#log = options.log;
    this.#storing = new Storing(home, loaded.roster, options.log, (write) => this.#queue.push(write));
    this.#syncing = new Syncing({
      path: home.store,
      loaded,
      address: overlayAddress(choice.provider, loaded.membership.meshId, loaded.keys.id),
      mqtt: options.mqtt,
      room: options.room,
      brokers: options.brokers,
      crypto: choice.provider,
      meter: this.#meter,
      log: options.log.part("sync"),
      peers: () => this.#mesh?.peers(systemClock.now()) ?? [],
      post: (peer, data) => this.#post(peer, RECORDS, data),
      revoked: (record) => this.#command({ type: "revoke", record }),
      admitted: (chain) => this.#command({ type: "admit", chain }),
    });
    this.#address = overlayAddress(choice.provider, loaded.membership.meshId, loaded.keys.id);
    this.#issuer = issuerOf(home, choice.provider, loaded, systemClock.unix);
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
    const { policy, log, links } = this.#options;
    this.#queue.hold(); // no event is handled before all that must hear of it are there
    this.#policing = await Policing.open(this.#home, roster, this.#address, policy, log.part("policy"));
    this.#plane = await this.#openPlane(this.#policing);
    this.#linking = await Linking.open(this.#home, this.#plane, links, addon, log.part("links"));
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
        epoch: this.#loaded.epoch,
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
    this.#queue.release();
    await this.#feed({ type: "tick" });
    this.#syncing.start(this.#plane.device !== undefined);
    this.#discovering = this.#discover(this.#plane.port);
    this.#watch = watchUnderlay(() => void this.#announce());
    await this.#announce(); // after it listens, so that nothing is missed between
    this.#carried = setInterval(() => this.#noteCarried(), CARRIED_AGAIN);
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

  #openSubnets(plane: DataPlane): Promise<Subnetting> {
    const { announce, masquerade, log } = this.#options;
    return Subnetting.open({
      ...{ announce, masquerade, plane, self: this.#address, roster: this.#loaded.roster, addon: loadAddon().addon },
      memory: join(this.#home.path, "forwarding.json"),
      wayTo: (gateway) => this.#mesh?.wayTo(gateway),
      standsStill: (gateway) => this.#mesh?.standsStill(gateway) ?? false,
      attend: (peers) => this.#command({ type: "attend", peers }),
      tell: (subnets) => this.#command({ type: "announce", subnets }),
      log: log.part("subnets"),
    });
  }

  /** Tells the others where we can be reached: interfaces and addresses come and go. */
  #announce(): Promise<void> {
    const plane = this.#plane as DataPlane;
    plane.interfacesChanged();
    void this.#queue.push(async () => await this.#subnets?.changed());
    const all = interfaces();
    this.#discovering?.changed(all);
    const endpoints = underlayAddresses(this.#options.interface, all)
      .filter((address) => address !== "127.0.0.1")
      .map((address) => ({ address, port: plane.port }));
    return this.#feed({ type: "command", command: { type: "addresses", endpoints } });
  }

  #discover(port: number): Discovering {
    const { keys, membership, roster } = this.#loaded;
    const deps = {
      crypto: this.#choice.provider,
      random: systemRandom,
      meter: this.#meter,
      genesis: membership.genesis,
      id: keys.id,
      port,
      members: () => roster.list().length,
    };
    return new Discovering(this.#options.discovery, deps, this.#log.part("discovery"), (sighting) => {
      void this.#feed({ type: "command", command: { type: "sighted", ...sighting } });
    });
  }

  #noteCarried(): void {
    for (const event of this.#linking?.look() ?? []) void this.#feed({ type: "dataPlane", event });
  }

  /** The service manager, where there is one. */
  #tell(state: string): void {
    try {
      loadAddon().addon?.notifySystemd(state);
    } catch (thrown) {
      this.#log.warn("the service manager does not listen", { error: messageOf(thrown) });
    }
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
      control: (batch) => {
        if (this.#queue.isHeld)
          this.#meter.count("control.drop.early"); // a flood must not wait in memory; others call again
        else void this.#feed({ type: "datagrams", batch });
      },
      event: (event) => {
        if (event.type === "silent" || event.type === "alive") {
          this.#log.debug(`a link is ${event.type}`, { peer: event.peer });
          this.#events.add(event.type, { name: this.#nameAt(event.peer) });
        }
        if (event.type === "standsStill" || event.type === "goesOn") this.#subnets?.lookAgain();
        void this.#feed({ type: "dataPlane", event });
      },
    };
    const memory = join(this.#home.path, RELAY_MEMORY);
    return await openDataPlane(options, handlers, this.#options.relay, memory, policing, this.#log);
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
      case "setPlaces":
        return plane.setPlaces(action.peer, action.places);
      case "setRoute":
        this.#noteRoute(action);
        return plane.setRoute(action.destination, action.primary, action.backup);
      case "admission":
        return plane.admit(action.keys);
      case "removePeer":
        this.#traffic.forget(action.peer);
        return plane.removePeer(action.peer);
      case "persist":
        return await this.#storing.save();
      case "epoch":
        return await this.#storing.saveEpoch(action.epoch);
      case "notice":
        return this.#notice(action.notice);
      case "message":
        if (action.protocol === RECORDS) return this.#syncing.hear(action.peer, action.data);
        if (action.protocol === TRANSFER) this.#transfers.hear(action.peer, action.data, systemClock.now());
        return this.#transferApi.changed();
    }
  }

  #nameAt(address: string): string {
    return this.#loaded.roster.byAddress(address)?.name ?? address;
  }

  #noteRoute({ destination, primary, backup }: Extract<MeshAction, { type: "setRoute" }>): void {
    const [to, first, second] = [destination, primary, backup].map((a) => (a === undefined ? null : this.#nameAt(a)));
    this.#events.add("route", { name: to ?? null, primary: first ?? null, backup: second ?? null });
  }

  #post(peer: string, protocol: string, data: Uint8Array): void {
    this.#command({ type: "post", peer, protocol, data });
  }

  #command(command: MeshCommand): void {
    void this.#feed({ type: "command", command });
  }

  #notice(notice: MeshNotice): void {
    if (notice.kind === "pong") {
      this.#pings.answered(notice);
      return;
    }
    this.#syncing.notice(notice);
    this.#discovering?.notice(notice);
    if (notice.kind === "sessionDown" || notice.kind === "streamReset" || notice.kind === "undelivered") {
      this.#transfers.lost(notice.peer);
      this.#transferApi.changed();
    }
    if (notice.kind === "revoked" && notice.peer === this.#address) this.#expelled = "this gateway was revoked";
    if (notice.kind === "refused") this.#expelled = `${notice.name} says: ${notice.message}`;
    if (notice.kind === "sessionUp") {
      this.#expelled = undefined;
      this.#storing.saveSoon();
    }
    const { kind, ...all } = notice;
    const fields = Object.fromEntries(Object.entries(all).filter(([, v]) => typeof v !== "object"));
    this.#log.info(kind, fields);
    this.#events.add(kind, fields);
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
      wayTo: (address) => this.#mesh?.wayTo(address),
      links: () => this.#mesh?.links() ?? [],
      reachability: () => this.#mesh?.reachability(systemClock.now()),
      events: (after) => this.#events.after(after),
      traffic: () => this.#traffic.totals(plane.stats().sessions),
      counters: () => this.#meter.snapshot(),
      policing,
      discovery: () => this.#discovering?.view ?? { on: [], reason: "not started" },
      naming,
      syncing: this.#syncing,
      supervised: (process.env.NOTIFY_SOCKET ?? "") !== "",
      expelled: () => this.#expelled,
      random: systemRandom,
      command: (command) => this.#feed({ type: "command", command }),
      ping: (peer) => this.#pings.ping(peer),
      saveInvites: () => this.#home.saveInvites(book),
      saveRoster: () => this.#home.saveRoster(roster),
    });
    const down: Handler = async () => {
      setTimeout(() => void this.stop(), 10); // after the answer is out
      return {};
    };
    const others = {
      ...naming.methods(),
      ...this.#subnets?.methods(),
      ...this.#linking?.methods((a) => this.#nameAt(a)),
      ...this.#transferApi.methods,
      ...backupMethods(async () => contentsOf(this.#home, await this.#syncing.store())),
    };
    return { ...own, ...policing.methods(), ...others, ...this.#syncing.methods(), down };
  }

  /**
   * Says goodbye, closes the data path and everything it put into the kernel. With `comesBack` nobody is told, and what the kernel relays it
   * goes on to relay until the next start.
   */
  stop(comesBack = false): Promise<void> {
    this.#stopping ??= this.#stop(comesBack);
    return this.#stopping;
  }

  async #stop(comesBack: boolean): Promise<void> {
    this.#tell("STOPPING=1");
    if (!comesBack) await this.#feed({ type: "command", command: { type: "leave" } });
    clearTimeout(this.#timer);
    clearInterval(this.#carried);
    this.#watch?.close();
    this.#discovering?.close();
    this.#starve();
    this.#control?.close();
    this.#mesh = undefined;
    await this.#syncing.close();
    await this.#naming?.close();
    await this.#linking?.close();
    await this.#subnets?.close();
    await this.#plane?.close(comesBack);
    this.#policing?.close();
    await this.#storing.save();
    this.#storing.close();
    this.#log.info("gateway has stopped");
    this.#stopped.resolve();
  }
}
