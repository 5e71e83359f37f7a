/** The data path over the addon: TUN and workers are native; JavaScript sees control frames and rare events only. */
import { existsSync } from "node:fs";
import { TrellisError } from "../base/errors.ts";
import { seconds } from "../base/time.ts";
import type { AeadRates, DataPlaneEvent } from "../mesh/types.ts";
import type { Addon, AddonEvent, IngressFilter, RelayHook, Tunnel } from "./addon.io.ts";
import { Admission } from "./admission.io.ts";
import { INGRESS_DROPS, INGRESS_VERDICTS, type IngressCounters } from "./ingress.ts";
import { abandoned, aliasOf, aliasPrefixOf } from "./links.ts";
import { type Neighbour, neighboursOf } from "./neighbours.ts";
import { openError } from "./open-error.ts";
import type {
  AdmissionView,
  DataPlane,
  DataPlaneHandlers,
  DataPlaneOptions,
  DataPlaneStats,
  LinkView,
} from "./port.ts";
import { relayCounters, relayDrops } from "./relay-counters.ts";
import { RelayInKernel, type RelaySetup } from "./relay-kernel.io.ts";
import type { RelayCounters } from "./relay-layout.ts";

export interface NativeDataPlane extends DataPlane {
  /** Whether malformed datagrams are dropped in the kernel; why not, otherwise. */
  readonly ingress: { readonly attached: boolean; readonly reason: string };
  /** Whether sparse flows have a worker of their own; why not, otherwise. */
  readonly sparse: { readonly steered: boolean; readonly reason: string };
  /** Frames of others by what became of them here. */
  relayed(): RelayCounters;
  /** The same of the kernel; its hooks by device, or why it relays nothing. */
  readonly kernelRelay: {
    readonly attached: Readonly<Record<string, readonly RelayHook[]>>;
    readonly reason: string;
    /** Programs of lost gateways that were on our port. */
    readonly replaced: number;
    readonly relayed: RelayCounters | undefined;
  };
  /** How each neighbour is, and what went on to it, here and in the kernel. */
  neighbours(): readonly Neighbour[];
}

/** Neighbours are answered in our name for so long after this process was last seen to run: by the kernel, when it stands still. */
const LEASE = seconds(120);
const LEASE_RENEWAL = seconds(20);
export interface TunnelObjects {
  readonly ingress?: Uint8Array | undefined;
  readonly steering?: Uint8Array | undefined;
}

/**
 * Opens the tunnel, configures its device, gives sparse flows their worker and attaches the ingress filter where the kernel lets us.
 *
 * Links that a killed daemon of this node left behind are removed first. Throws as `openError` says when the socket or the
 * device cannot be had; nothing of ours stays in the kernel then.
 *
 * @param rates what `addon.measureAead()` gave on this machine
 * @param objects BPF objects that work for the tunnel; one that is not there is not loaded
 * @param relay how frames of others are relayed
 * @param guard called with the device's name before the device is up, so that no packet passes unguarded
 */
export async function openNative(
  addon: Addon,
  options: DataPlaneOptions,
  handlers: DataPlaneHandlers,
  rates: AeadRates,
  objects: TunnelObjects = {},
  relay: RelaySetup = { hooks: [], objects: undefined, memory: "" },
  guard: (device: string) => void = () => {},
): Promise<NativeDataPlane> {
  removeAbandoned(addon, options.address);
  const tunnel = openTunnel(addon, options, handlers);
  try {
    if (tunnel.device !== undefined) {
      guard(tunnel.device);
      configure(addon, tunnel.device, options);
    }
  } catch (error) {
    await tunnel.close();
    if (error instanceof TrellisError) throw error;
    throw opening(error, `the device ${tunnel.device} cannot be configured`);
  }
  OPEN.add(tunnel);
  const sparse = steer(tunnel, objects.steering);
  tunnel.renewLease(LEASE);
  const renewal = setInterval(() => tunnel.renewLease(LEASE), LEASE_RENEWAL);
  const { filter, reason } = attachIngress(addon, tunnel, objects.ingress);
  const started = RelayInKernel.start(addon, tunnel, relay, options.interface, filter);
  const kernel = started instanceof RelayInKernel ? started : undefined;
  const admission = filter && new Admission(filter);
  return {
    kind: "native",
    port: tunnel.port,
    device: tunnel.device,
    rates,
    ingress: { attached: filter !== undefined, reason },
    sparse: { steered: sparse === "", reason: sparse },
    get admission() {
      return admissionOf(admission, filter, kernel, reason);
    },
    admit: (keys) => admission?.keys(keys),
    send(datagrams) {
      admission?.sending(datagrams);
      tunnel.send(
        datagrams.map(({ endpoint, payload }) => ({ address: endpoint.address, port: endpoint.port, payload })),
      );
    },
    installSession(peer, session, { address, port }) {
      admission?.install(peer, session.localIndex, { address, port });
      tunnel.installSession({ peer, ...session, address, port });
      kernel?.attach(); // a new neighbour may be behind a new device
    },
    limitFrames: (peer, bytes) => tunnel.limitFrames(peer, bytes),
    useSession: (peer, localIndex) => tunnel.useSession(peer, localIndex),
    removeSession(localIndex) {
      tunnel.removeSession(localIndex);
      admission?.remove(localIndex);
    },
    setEndpoint(peer, { address, port }) {
      admission?.place(peer, { address, port });
      tunnel.setEndpoint(peer, address, port);
    },
    setPlaces: (peer, places) => tunnel.setPlaces(peer, places),
    setTerms: (terms) => tunnel.setTerms(terms),
    removePeer(peer) {
      tunnel.removePeer(peer);
      kernel?.retire();
      admission?.forget(peer);
    },
    allow: (peer, prefix) => tunnel.allow(peer, prefix),
    setSubnet: (prefix, gateways) => tunnel.setSubnet(prefix, gateways),
    setRoute: (destination, primary, backup) => tunnel.setRoute(destination, primary, backup),
    interfacesChanged() {
      kernel?.attach();
      if (options.interface !== undefined) rebind(tunnel);
    },
    relayed: () => relayCounters(tunnel.stats().relay),
    links: () => linksOf(tunnel),
    neighbours: () => neighboursOf(linksOf(tunnel)),
    get kernelRelay() {
      const { attached = {}, replaced = 0 } = kernel ?? {};
      return { attached, reason: started.reason, replaced, relayed: kernel?.counters() };
    },
    stats: () => statsOf(tunnel, filter, kernel),
    async close(relaysOn = false) {
      clearInterval(renewal);
      if (relaysOn) kernel?.leave();
      await tunnel.close();
      kernel?.close();
      OPEN.delete(tunnel);
      filter?.close();
    },
  };
}

/** Tunnels that are open. The addon closes a tunnel that nothing refers to; one that was opened stays until `close()`. */
const OPEN = new Set<Tunnel>();

/** Removes what daemons of this node left when they were killed. Returns the names of the links. */
export function removeAbandoned(addon: Addon, address: string): string[] {
  const ours = addon.findLinks(aliasPrefixOf(address));
  const left = abandoned(ours, (pid) => existsSync(`/proc/${pid}`));
  return left.filter((link) => addon.deleteLink(link.name)).map((link) => link.name);
}

const opening = (cause: unknown, message: string): TrellisError =>
  new TrellisError("dataplane/open", message, { cause, hint: "`trellis doctor` says what this machine lacks" });

function openTunnel(addon: Addon, options: DataPlaneOptions, handlers: DataPlaneHandlers): Tunnel {
  try {
    return addon.openTunnel(
      options,
      (batch) =>
        handlers.control(batch.map(({ address, port, payload }) => ({ endpoint: { address, port }, payload }))),
      (event) => handlers.event(eventOf(event)),
    );
  } catch (error) {
    throw openError(options, error);
  }
}

function eventOf(event: AddonEvent): DataPlaneEvent {
  if (!("address" in event)) return event;
  const { address, port, ...rest } = event;
  return { ...rest, endpoint: { address, port } };
}

const linksOf = (tunnel: Tunnel): LinkView[] =>
  tunnel.stats().links.map(({ address, port, ...rest }) => ({ ...rest, endpoint: { address, port } }));

function configure(addon: Addon, name: string, { mtu, address, prefixLength }: DataPlaneOptions): void {
  addon.configureLink({ name, mtu, address, prefixLength, alias: aliasOf(address, process.pid) });
}

/** Sockets are bound to the interface itself, not to its name. While it is gone nothing can be sent. */
function rebind(tunnel: Tunnel): void {
  try {
    tunnel.rebind();
  } catch (error) {
    if ((error as { code?: string }).code !== "ENODEV") throw error;
  }
}

/** Empty, or why sparse flows have no worker of their own. */
function steer(tunnel: Tunnel, object: Uint8Array | undefined): string {
  if (tunnel.device === undefined) return "no device";
  if (!object) return "the program was not built (clang)";
  try {
    tunnel.steer(object);
    return "";
  } catch (error) {
    return refusalOf(error);
  }
}

const refusalOf = (error: unknown): string =>
  (error as { code?: string }).code === "EPERM" ? "no privilege to load BPF (CAP_BPF)" : String(error);

interface Ingress {
  readonly filter?: IngressFilter;
  readonly reason: string;
}

function attachIngress(addon: Addon, tunnel: Tunnel, object: Uint8Array | undefined): Ingress {
  if (!object) return { reason: "the filter was not built (clang)" };
  let filter: IngressFilter | undefined;
  try {
    filter = addon.loadIngressFilter(object);
    for (const fd of tunnel.sockets()) filter.attach(fd);
    return { filter, reason: "" };
  } catch (error) {
    filter?.close();
    return { reason: refusalOf(error) };
  }
}

/** Drops in the kernel are drops: they appear beside the workers' as `ingress.<reason>` and `relay.<reason>`. */
function statsOf(tunnel: Tunnel, filter: IngressFilter | undefined, kernel: RelayInKernel | undefined): DataPlaneStats {
  const { relay, links: _, sparse: __, ...stats } = tunnel.stats();
  const relayed = kernel ? [relayCounters(relay), kernel.counters()] : [relayCounters(relay)];
  return { ...stats, drops: { ...stats.drops, ...relayDrops(...relayed), ...ingressDrops(filter) } };
}

function ingressDrops(filter: IngressFilter | undefined): Record<string, number> {
  if (!filter) return {};
  const counts = countersOf(filter);
  return Object.fromEntries(INGRESS_DROPS.map((verdict) => [`ingress.${verdict}`, counts[verdict]]));
}

function admissionOf(
  admission: Admission | undefined,
  filter: IngressFilter | undefined,
  kernel: RelayInKernel | undefined,
  refusal: string,
): AdmissionView {
  if (!admission || !filter) return { enforced: [], reason: refusal, answered: 0 };
  const devices = Object.entries(kernel?.attached ?? {}).map(([device, hooks]) => `${device} (${hooks.join(", ")})`);
  const { reason } = admission;
  return { enforced: reason === "" ? ["sockets", ...devices] : [], reason, answered: countersOf(filter).answered };
}

/** The filter's counters by name. */
export function countersOf(filter: IngressFilter): IngressCounters {
  const counts = filter.counters();
  return Object.fromEntries(INGRESS_VERDICTS.map((verdict, at) => [verdict, counts[at] ?? 0])) as IngressCounters;
}

/** Rates as the handshake carries them: whole MB/s, 16 bits. */
export const wireRates = ({ aes256Gcm, chacha20Poly1305 }: AeadRates): AeadRates => ({
  aes256Gcm: Math.min(0xffff, Math.round(aes256Gcm)),
  chacha20Poly1305: Math.min(0xffff, Math.round(chacha20Poly1305)),
});
