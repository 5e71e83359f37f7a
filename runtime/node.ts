/** Composition root: builds the parts of a running gateway, joins their ports, and feeds the core one event at a time. */
import type { Json, JsonObject } from "./api/protocol.ts";
import { type ControlServer, type Handler, serveControl } from "./api/server.io.ts";
import { type TransferApi, transferApi } from "./api/transfer.io.ts";
import { fromHex, toHex } from "./base/bytes.ts";
import { type Endpoint, endpointKey, parseEndpoint } from "./base/endpoint.ts";
import { messageOf, TrellisError } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import { Meter } from "./base/meter.ts";
import type { Clock } from "./base/time.ts";
import { type CryptoChoice, chooseProvider } from "./crypto/choose.ts";
import type { CryptoProvider } from "./crypto/provider.ts";
import { ingressObject, loadAddon, relayObjects } from "./dataplane/addon.io.ts";
import { type NativeDataPlane, openNative } from "./dataplane/native.io.ts";
import type { DataPlane, DataPlaneHandlers, DataPlaneOptions } from "./dataplane/port.ts";
import { HOOKS, type RelayMode } from "./dataplane/relay-attach.ts";
import { underlayAddresses } from "./dataplane/underlay.io.ts";
import { openUserspace } from "./dataplane/userspace.io.ts";
import { OVERLAY_PREFIX_LENGTH, overlayAddress, overlayPrefix } from "./identity/address.ts";
import { type VerifiedChain, verifyChain } from "./identity/chain.ts";
import type { NodeKeys } from "./identity/keys.ts";
import { revokeByMember } from "./identity/revocation.ts";
import type { Member, Roster } from "./identity/roster.ts";
import type { Membership } from "./mesh/handshake/ports.ts";
import { Mesh } from "./mesh/mesh.ts";
import { MESH_SETTINGS } from "./mesh/ports.ts";
import type { AeadRates, MeshAction, MeshEvent, MeshNotice, PeerView } from "./mesh/types.ts";
import { createAdmission, type Issuer } from "./provisioning/admission.ts";
import { createInvite } from "./provisioning/create-invite.ts";
import type { Home } from "./provisioning/home.io.ts";
import { type Invite, type InviteBook, stateOf } from "./provisioning/invite-book.ts";
import { Transfers } from "./transfer/transfers.ts";

export const systemClock: Clock = { now: () => performance.now(), unix: () => Math.floor(Date.now() / 1000) };
export const systemRandom = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

/** What a membership is when it is loaded and verified. */
export interface Loaded {
  readonly keys: NodeKeys;
  readonly membership: Membership;
  readonly chain: VerifiedChain;
  readonly roster: Roster;
  readonly book: InviteBook;
}

export async function loadMembership(home: Home, provider: CryptoProvider): Promise<Loaded> {
  const keys = await home.keys();
  const member = await home.member();
  if (!keys || !member) {
    const hint = "found a mesh with `trellis init --name NAME`, or join one with `trellis join TOKEN --name NAME`";
    throw new TrellisError("node/no-mesh", `${home.path} holds no membership of a mesh`, { hint });
  }
  const roster = await home.roster(member.genesis);
  const chain = await verifyChain(provider, roster.mesh, member.chain, roster);
  if ("refused" in chain) {
    throw new TrellisError("node/not-a-member", `this gateway's own certificate does not hold: ${chain.refused}`, {
      hint: chain.refused === "chain/revoked" ? "it was revoked; join again with new keys" : "join again",
    });
  }
  await roster.admit(member.chain);
  const membership = { meshId: roster.meshId, ...member, certificateHash: provider.sha256(chain.leaf.encoded) };
  return { keys, membership, chain, roster, book: await home.invites() };
}

const TRANSFER = "transfer";

export interface NodeOptions {
  readonly port: number;
  readonly interface: string | undefined;
  readonly device: string | undefined;
  readonly mtu: number;
  readonly workers: number;
  readonly relay: RelayMode;
  readonly log: Log;
}

/** A gateway that runs. */
export class Node {
  readonly #home: Home;
  readonly #choice: CryptoChoice;
  readonly #loaded: Loaded;
  readonly #options: NodeOptions;
  readonly #log: Log;
  readonly #meter = new Meter();
  readonly #issuer: Issuer;
  readonly #address: string;
  readonly #started = systemClock.now();
  readonly #pings = new Map<number, (n: Extract<MeshNotice, { kind: "pong" }>) => void>();
  #plane: DataPlane | undefined;
  #mesh: Mesh | undefined;
  #control: ControlServer | undefined;
  #queue: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #nextPing = 1;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #transfers = new Transfers(systemRandom, (peer, data) => this.#post(peer, TRANSFER, data));
  readonly #transferApi: TransferApi = transferApi(this.#transfers, systemClock, {
    addressOf: (peer) => this.#member(peer).address,
    nameOf: (address) => this.#loaded.roster.byAddress(address)?.name ?? address,
  });

  private constructor(home: Home, choice: CryptoChoice, loaded: Loaded, options: NodeOptions) {
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

  static async start(home: Home, options: NodeOptions): Promise<Node> {
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
    this.#plane = await this.#openPlane();
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
    const uidOf = (fd: number): number | undefined => addon?.peerCredentials(fd).uid;
    this.#control = serveControl(this.#home.socket, this.#methods(), uidOf, this.#log.part("api"));
    await this.#feed({ type: "tick" });
    this.#log.info("gateway is up", {
      name: this.#loaded.chain.leaf.name,
      address: this.#address,
      port: this.#plane.port,
      device: this.#plane.device ?? "none",
      invites: book.list().length,
    });
    this.#notifySystemd();
  }

  #notifySystemd(): void {
    const { addon } = loadAddon();
    addon?.notifySystemd("READY=1");
    const watchdog = Number(process.env.WATCHDOG_USEC ?? 0) / 1000;
    if (addon && watchdog > 0) setInterval(() => addon.notifySystemd("WATCHDOG=1"), watchdog / 2).unref();
  }

  async #openPlane(): Promise<DataPlane> {
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
      event: (event) => void this.#feed({ type: "dataPlane", event }),
    };
    if (options.device === undefined) return await openUserspace(options, handlers);
    const { addon, reason } = loadAddon();
    if (!addon) {
      this.#log.warn("no tunnel: the native addon is not there; control traffic only", { reason });
      return await openUserspace({ ...options, device: undefined }, handlers);
    }
    const relay = { hooks: HOOKS[this.#options.relay], objects: relayObjects() };
    const rates = wireRates(addon.measureAead());
    const plane = await openNative(addon, options, handlers, rates, ingressObject(), relay);
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
    this.#queue = this.#queue
      .then(() => this.#handle(event))
      .catch((thrown: unknown) => {
        this.#log.error("the core failed on an event", { event: event.type, error: messageOf(thrown) });
      });
    return this.#queue;
  }

  async #handle(event: MeshEvent): Promise<void> {
    const mesh = this.#mesh;
    if (!mesh) return;
    for (const action of await mesh.handle(event, systemClock.now())) await this.#perform(action);
    clearTimeout(this.#timer);
    const due = mesh.deadline();
    if (due !== undefined)
      this.#timer = setTimeout(() => void this.#feed({ type: "tick" }), Math.max(0, due - systemClock.now()));
  }

  async #perform(action: MeshAction): Promise<void> {
    const plane = this.#plane as DataPlane;
    switch (action.type) {
      case "send":
        return plane.send([action.datagram]);
      case "installSession":
        plane.installSession(action.peer, action.session, action.endpoint);
        return plane.allow(action.peer, `${action.peer}/128`);
      case "useSession":
        return plane.useSession(action.peer, action.localIndex);
      case "removeSession":
        return plane.removeSession(action.localIndex);
      case "setEndpoint":
        return plane.setEndpoint(action.peer, action.endpoint);
      case "removePeer":
        return plane.removePeer(action.peer);
      case "persist":
        return await this.#home.saveRoster(this.#loaded.roster);
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
    const { kind, ...fields } = notice;
    this.#log.info(kind, Object.fromEntries(Object.entries(fields).filter(([, v]) => typeof v !== "object")));
  }

  #methods(): Readonly<Record<string, Handler>> {
    return {
      status: async () => this.#status(),
      peers: async () => ({ peers: this.#peers().map(showPeer) }),
      invite: (p) => this.#invite(p),
      invites: async () => ({ invites: this.#loaded.book.list().map((i) => showInvite(i, this.#issuer.now())) }),
      "revoke-invite": (p) => this.#revokeInvite(p),
      ping: (p) => this.#ping(p),
      rekey: (p) => this.#rekey(p),
      revoke: (p) => this.#revoke(p),
      ...this.#transferApi.methods,
      down: async () => {
        setTimeout(() => void this.stop(), 10); // after the answer is out
        return {};
      },
    };
  }

  #peers(): readonly PeerView[] {
    return this.#mesh?.peers(systemClock.now()) ?? [];
  }

  #status(): Json {
    const { chain, roster, membership, keys } = this.#loaded;
    const plane = this.#plane as DataPlane;
    const { sent, received, drops } = plane.stats();
    const prefix = overlayPrefix(membership.meshId);
    return {
      name: chain.leaf.name,
      nodeId: toHex(keys.id),
      meshName: roster.mesh.genesis.name,
      meshId: toHex(membership.meshId),
      address: this.#address,
      prefix: `${prefix.prefix}/${prefix.length}`,
      port: plane.port,
      device: plane.device ?? null,
      dataPlane: plane.kind,
      provider: this.#choice.provider.name,
      uptimeSeconds: Math.round((systemClock.now() - this.#started) / 1000),
      members: roster.list().length,
      peersUp: this.#peers().filter((p) => p.state === "up").length,
      traffic: { sent, received, drops },
      counters: this.#meter.snapshot(),
      pid: process.pid,
    };
  }

  async #invite(p: JsonObject): Promise<Json> {
    const given = (p.endpoints as readonly string[] | undefined) ?? [];
    const endpoints = given.map(endpointOrThrow);
    const terms = {
      uses: p.uses as number | undefined,
      lifetime: p.lifetime as number | undefined,
      name: p.name as string | undefined,
    };
    const own = endpoints.length > 0 ? endpoints : this.#ownEndpoints();
    const { invite, token } = await createInvite(this.#issuer, systemRandom, own, terms);
    return { ...(showInvite(invite, this.#issuer.now()) as JsonObject), token, endpoints: own.map(endpointKey) };
  }

  #ownEndpoints(): Endpoint[] {
    const plane = this.#plane as DataPlane;
    return underlayAddresses(this.#options.interface, plane.device).map((address) => ({ address, port: plane.port }));
  }

  async #revokeInvite(p: JsonObject): Promise<Json> {
    const id = fromHex(String(p.id));
    if (!id || !this.#loaded.book.revoke(id))
      throw new TrellisError("invite/unknown", `no invite "${String(p.id)}" here`);
    await this.#home.saveInvites(this.#loaded.book);
    return { revoked: toHex(id) };
  }

  async #ping(p: JsonObject): Promise<Json> {
    const member = this.#member(String(p.peer));
    const token = this.#nextPing++;
    const { promise, resolve } = Promise.withResolvers<{ roundTrip: number } | undefined>();
    this.#pings.set(token, resolve);
    const timer = setTimeout(() => resolve(undefined), 2000);
    void this.#feed({ type: "command", command: { type: "ping", peer: member.address, token } });
    const pong = await promise;
    clearTimeout(timer);
    this.#pings.delete(token);
    const view = this.#peers().find((x) => x.address === member.address);
    return {
      name: member.name,
      address: member.address,
      roundTripMs: pong?.roundTrip ?? null,
      path: view?.endpoint ? `direct ${endpointKey(view.endpoint)}` : null,
      handshakeAgeMs: view?.handshakeAge ?? null,
    };
  }

  async #rekey(p: JsonObject): Promise<Json> {
    const { name, address } = this.#member(String(p.peer));
    if (!this.#peers().some((x) => x.address === address && x.sessionId))
      throw new TrellisError("rekey/no-session", `there is no session with ${name}`, { hint: "trellis peers" });
    await this.#feed({ type: "command", command: { type: "rekey", peer: address } });
    return { name };
  }

  async #revoke(p: JsonObject): Promise<Json> {
    const { roster } = this.#loaded;
    const member = this.#member(String(p.peer));
    const reason = typeof p.reason === "string" ? p.reason : "";
    const claim = { target: member.id, scope: "node", lastSerial: undefined, reason } as const;
    const record = await revokeByMember(this.#choice.provider, roster.mesh, this.#issuer.member, claim);
    await this.#feed({ type: "command", command: { type: "revoke", record } });
    if (roster.byId(member.id)) {
      throw new TrellisError("revoke/refused", `this gateway may not revoke "${member.name}"`, {
        hint: "ask a member with the capability `admin`, or the one that admitted it",
      });
    }
    await this.#home.saveRoster(roster);
    return { revoked: member.name, nodeId: toHex(member.id) };
  }

  /** By name, overlay address, or the beginning of the node id. */
  #member(text: string): Member {
    const { roster } = this.#loaded;
    const byId = /^[0-9a-f]{8,64}$/.test(text) ? roster.list().filter((m) => toHex(m.id).startsWith(text)) : [];
    const found = roster.byName(text) ?? roster.byAddress(text) ?? (byId.length === 1 ? byId[0] : undefined);
    if (!found)
      throw new TrellisError("peer/unknown", `nobody here is called "${text}"`, { hint: "trellis peers lists them" });
    return found;
  }

  /** Says goodbye, closes the data path and everything it put into the kernel. */
  async stop(): Promise<void> {
    loadAddon().addon?.notifySystemd("STOPPING=1");
    await this.#feed({ type: "command", command: { type: "leave" } });
    clearTimeout(this.#timer);
    this.#control?.close();
    this.#mesh = undefined;
    await this.#plane?.close();
    await this.#home.saveRoster(this.#loaded.roster);
    this.#log.info("gateway has stopped");
    this.#stopped.resolve();
  }
}

/** Rates as the handshake carries them: whole MB/s, 16 bits. */
const wireRates = ({ aes256Gcm, chacha20Poly1305 }: AeadRates): AeadRates => ({
  aes256Gcm: Math.min(0xffff, Math.round(aes256Gcm)),
  chacha20Poly1305: Math.min(0xffff, Math.round(chacha20Poly1305)),
});

function endpointOrThrow(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint) return endpoint;
  throw new TrellisError("invite/endpoints", `"${text}" is no endpoint`, {
    hint: "write 192.0.2.1:51820 or [2001:db8::1]:51820",
  });
}

const showInvite = (i: Invite, now: number): Json => ({
  inviteId: toHex(i.id),
  expires: i.expires,
  uses: i.uses,
  used: i.admitted.length,
  state: stateOf(i, now),
  admitted: i.admitted.map((a) => a.name),
});

const showPeer = (p: PeerView): Json => ({
  name: p.name,
  nodeId: toHex(p.id),
  address: p.address,
  endpoint: p.endpoint ? endpointKey(p.endpoint) : null,
  state: p.state,
  wireVersion: p.wireVersion,
  suite: p.suite,
  aead: p.aead ?? null,
  pattern: p.pattern ?? null,
  handshakeAgeMs: p.handshakeAge ?? null,
  handshakeTookMs: p.handshakeTook ?? null,
  lastSeenMs: p.lastSeen ?? null,
  roundTripMs: p.roundTrip ?? null,
  rekeys: p.rekeys,
});
