/** What the control socket answers: the methods that the command line calls, over the parts that the node has built. */
import { showMembers } from "./api/members.ts";
import { showNetcheck } from "./api/netcheck.ts";
import type { Json, JsonObject } from "./api/protocol.ts";
import { type RoutesPort, showGraph, showRoutes } from "./api/routes.ts";
import type { Handler } from "./api/server.io.ts";
import { showInvite, showMember, showPeer } from "./api/views.ts";
import { fromHex, toHex } from "./base/bytes.ts";
import { type Endpoint, endpointKey, parseEndpoint } from "./base/endpoint.ts";
import { TrellisError } from "./base/errors.ts";
import type { RandomBytes } from "./base/random.ts";
import type { CryptoProvider } from "./crypto/provider.ts";
import { neighboursOf } from "./dataplane/neighbours.ts";
import { NO_TRAFFIC, type Traffic } from "./dataplane/peer-traffic.ts";
import type { DataPlane } from "./dataplane/port.ts";
import { overlayPrefix } from "./identity/address.ts";
import { revokeByMember } from "./identity/revocation.ts";
import type { Member, Roster } from "./identity/roster.ts";
import type { Loaded } from "./membership.ts";
import type { Edge, MeshCommand, PeerView, Reachability, Way } from "./mesh/types.ts";
import type { Issuer } from "./provisioning/admission.ts";
import { createInvite } from "./provisioning/create-invite.ts";

export interface ControlPort {
  readonly loaded: Loaded;
  readonly issuer: Issuer;
  readonly provider: CryptoProvider;
  /** Our overlay address. */
  readonly address: string;
  readonly plane: DataPlane;
  /** Addresses under which others may reach us. */
  underlay(): readonly string[];
  /** Milliseconds. */
  uptime(): number;
  peers(): readonly PeerView[];
  /** By overlay address. */
  traffic(): ReadonlyMap<string, Traffic>;
  counters(): Readonly<Record<string, number>>;
  /** What the policy is, and how many packets it dropped by reason. */
  readonly policing: { view(): JsonObject; drops(): Readonly<Record<string, number>> };
  /** Where members are looked for by beacons. */
  discovery(): { readonly on: readonly string[]; readonly reason: string };
  /** Who answers for the names of members. */
  readonly naming: { view(): JsonObject };
  /** Records. */
  readonly syncing: { view(): JsonObject };
  /** Whether a service manager watches over us. */
  readonly supervised: boolean;
  /** Why this gateway is no member any more, as far as it was told. */
  expelled(): string | undefined;
  readonly random: RandomBytes;
  wayTo(address: string): Way | undefined;
  links(): readonly Edge[];
  reachability(): Reachability | undefined;
  /** What happened since the event of that number. */
  events(after: number | undefined): Json;
  command(command: MeshCommand): Promise<void>;
  ping(peer: string): Promise<number | undefined>;
  saveInvites(): Promise<void>;
  saveRoster(): Promise<void>;
}

export const controlMethods = (port: ControlPort): Readonly<Record<string, Handler>> => ({
  status: async () => status(port),
  peers: async () => {
    const totals = port.traffic();
    const via = (p: PeerView): string | null => (p.via === undefined ? null : nameAt(port.loaded.roster, p.via));
    const links = new Map(neighboursOf(port.plane.links()).map((link) => [link.peer, link]));
    const show = (p: PeerView): JsonObject => showPeer(p, totals.get(p.address) ?? NO_TRAFFIC, links.get(p.address));
    return { peers: port.peers().map((p) => ({ ...show(p), via: via(p) })) };
  },
  members: async () => showMembers(port.loaded.roster, port.address, port.peers()),
  invite: (p) => invite(port, p),
  invites: async () => ({ invites: port.loaded.book.list().map((i) => showInvite(i, port.issuer.now())) }),
  "revoke-invite": (p) => revokeInvite(port, p),
  routes: async () => showRoutes(routesPort(port)),
  events: async ({ after }) => port.events(typeof after === "number" ? after : undefined),
  graph: async () => showGraph(routesPort(port)),
  netcheck: async () => netcheck(port),
  ping: (p) => ping(port, p),
  rekey: (p) => rekey(port, p),
  member: async (p) => showMember(memberNamed(port.loaded.roster, String(p.peer))),
  revoke: (p) => revoke(port, p),
});

function routesPort({ loaded, address, peers, wayTo, links }: ControlPort): RoutesPort {
  const self = { name: loaded.chain.leaf.name, address };
  return { self, peers, wayTo, links, nameAt: (at) => (at === address ? self.name : nameAt(loaded.roster, at)) };
}

function netcheck({ plane, peers, discovery, reachability }: ControlPort): Json {
  const reached = reachability() ?? { own: [], nat: [], observed: [] };
  return showNetcheck({ port: plane.port, peers: peers(), discovery: discovery(), reachability: reached });
}

function status(port: ControlPort): Json {
  const { loaded, plane, provider, address, uptime, peers, counters, policing, naming, syncing, expelled, supervised } =
    port;
  const { chain, roster, membership, keys } = loaded;
  const { sent, received, drops } = plane.stats();
  const prefix = overlayPrefix(membership.meshId);
  return {
    name: chain.leaf.name,
    nodeId: toHex(keys.id),
    meshName: roster.mesh.genesis.name,
    meshId: toHex(membership.meshId),
    address,
    prefix: `${prefix.prefix}/${prefix.length}`,
    port: plane.port,
    device: plane.device ?? null,
    dataPlane: plane.kind,
    provider: provider.name,
    expelled: expelled() ?? null,
    uptimeSeconds: Math.round(uptime() / 1000),
    members: roster.list().length,
    peersUp: peers().filter((p) => p.state === "up").length,
    traffic: { sent, received, drops: { ...drops, ...policing.drops() } },
    policy: policing.view(),
    names: naming.view(),
    sync: syncing.view(),
    admission: { ...plane.admission },
    discovery: { ...port.discovery() },
    counters: counters(),
    supervised: supervised,
    pid: process.pid,
  };
}

async function invite(port: ControlPort, p: JsonObject): Promise<Json> {
  const given = (p.endpoints as readonly string[] | undefined) ?? [];
  const endpoints = given.map(endpointOrThrow);
  const terms = {
    uses: p.uses as number | undefined,
    lifetime: p.lifetime as number | undefined,
    name: p.name as string | undefined,
    subnets: p.subnets as readonly string[] | undefined,
  };
  const own = port.underlay().map((address) => ({ address, port: port.plane.port }));
  const named = endpoints.length > 0 ? endpoints : own;
  const made = await createInvite(port.issuer, port.random, named, terms);
  return { ...showInvite(made.invite, port.issuer.now()), token: made.token, endpoints: named.map(endpointKey) };
}

async function revokeInvite({ loaded, saveInvites }: ControlPort, p: JsonObject): Promise<Json> {
  const id = fromHex(String(p.id));
  if (!id || !loaded.book.revoke(id)) throw new TrellisError("invite/unknown", `no invite "${String(p.id)}" here`);
  await saveInvites();
  return { revoked: toHex(id) };
}

async function ping(port: ControlPort, p: JsonObject): Promise<Json> {
  const member = memberNamed(port.loaded.roster, String(p.peer));
  const roundTrip = await port.ping(member.address);
  const view = port.peers().find((x) => x.address === member.address);
  return {
    name: member.name,
    address: member.address,
    roundTripMs: roundTrip ?? null,
    path: view ? pathOf(port.loaded.roster, view) : null,
    handshakeAgeMs: view?.handshakeAge ?? null,
  };
}

function pathOf(roster: Roster, view: PeerView): string | null {
  if (view.endpoint) return `direct ${endpointKey(view.endpoint)}`;
  return view.via === undefined ? null : `through ${nameAt(roster, view.via)}`;
}

const nameAt = (roster: Roster, address: string): string => roster.byAddress(address)?.name ?? address;

async function rekey({ loaded, peers, command }: ControlPort, p: JsonObject): Promise<Json> {
  const { name, address } = memberNamed(loaded.roster, String(p.peer));
  if (!peers().some((x) => x.address === address && x.sessionId))
    throw new TrellisError("rekey/no-session", `there is no session with ${name}`, { hint: "trellis peers" });
  await command({ type: "rekey", peer: address });
  return { name };
}

async function revoke(port: ControlPort, p: JsonObject): Promise<Json> {
  const { roster } = port.loaded;
  const member = memberNamed(roster, String(p.peer));
  const reason = typeof p.reason === "string" ? p.reason : "";
  const claim = { target: member.id, scope: "node", lastSerial: undefined, reason } as const;
  const byRoot = typeof p.record === "string" ? fromHex(p.record) : undefined; // signed by who holds the root
  const record = byRoot ?? (await revokeByMember(port.provider, roster.mesh, port.issuer.member, claim));
  await port.command({ type: "revoke", record });
  if (roster.byId(member.id)) {
    throw new TrellisError("revoke/refused", `this gateway may not revoke "${member.name}"`, {
      hint: "ask a member with the capability `admin`, the one that admitted it, or who holds the root (--root FILE)",
    });
  }
  await port.saveRoster();
  return { revoked: member.name, nodeId: toHex(member.id) };
}

/** By name, overlay address, or the beginning of the node id. Throws `peer/unknown`. */
export function memberNamed(roster: Roster, text: string): Member {
  const byId = /^[0-9a-f]{8,64}$/.test(text) ? roster.list().filter((m) => toHex(m.id).startsWith(text)) : [];
  const found = roster.byName(text) ?? roster.byAddress(text) ?? (byId.length === 1 ? byId[0] : undefined);
  if (!found)
    throw new TrellisError("peer/unknown", `nobody here is called "${text}"`, { hint: "trellis peers lists them" });
  return found;
}

function endpointOrThrow(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint) return endpoint;
  throw new TrellisError("invite/endpoints", `"${text}" is no endpoint`, {
    hint: "write 192.0.2.1:51820 or [2001:db8::1]:51820",
  });
}
