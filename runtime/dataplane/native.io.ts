/** The data path over the addon: TUN and workers are native; JavaScript sees control frames and rare events only. */
import { existsSync } from "node:fs";
import { TrellisError } from "../base/errors.ts";
import type { AeadRates, DataPlaneEvent } from "../mesh/types.ts";
import type { Addon, AddonEvent, AddonStats, IngressFilter, RelayHook, Tunnel } from "./addon.io.ts";
import { Admission } from "./admission.io.ts";
import { INGRESS_DROPS, INGRESS_VERDICTS, type IngressCounters } from "./ingress.ts";
import { abandoned, aliasOf, aliasPrefixOf } from "./links.ts";
import { openError } from "./open-error.ts";
import type { AdmissionView, DataPlane, DataPlaneHandlers, DataPlaneOptions, DataPlaneStats } from "./port.ts";
import { relayCounters, relayDrops } from "./relay-counters.ts";
import { RelayInKernel, type RelaySetup } from "./relay-kernel.io.ts";
import type { RelayCounters } from "./relay-layout.ts";

export interface NativeDataPlane extends DataPlane {
  /** Whether malformed datagrams are dropped in the kernel; why not, otherwise. */
  readonly ingress: { readonly attached: boolean; readonly reason: string };
  /** Frames of others by what became of them here. */
  relayed(): RelayCounters;
  /** The same of the kernel; its hooks by device, or why it relays nothing. */
  readonly kernelRelay: {
    readonly attached: Readonly<Record<string, readonly RelayHook[]>>;
    readonly reason: string;
    readonly relayed: RelayCounters | undefined;
  };
  /** What went on to each neighbour, here and in the kernel. */
  relayedTo(): AddonStats["relayedTo"];
  /** Silent for longer than `deadMs`, a neighbour is passed over by routes that have a backup; 0, as at first: never. */
  watch(peer: string, deadMs: number): void;
  /** A fresh authenticated control frame of this neighbour has come. The data path itself sees data frames only. */
  heard(peer: string): void;
}

/**
 * Opens the tunnel, configures its device and attaches the ingress filter where the kernel lets us.
 *
 * Links that a killed daemon of this node left behind are removed first. Throws as `openError` says when the socket or the
 * device cannot be had; nothing of ours stays in the kernel then.
 *
 * @param rates what `addon.measureAead()` gave on this machine
 * @param ingressObject the filter's object; undefined means "do not load one"
 * @param relay how frames of others are relayed
 */
export async function openNative(
  addon: Addon,
  options: DataPlaneOptions,
  handlers: DataPlaneHandlers,
  rates: AeadRates,
  ingressObject: Uint8Array | undefined,
  relay: RelaySetup = { hooks: [], objects: undefined },
): Promise<NativeDataPlane> {
  removeAbandoned(addon, options.address);
  const tunnel = openTunnel(addon, options, handlers);
  try {
    if (tunnel.device !== undefined) configure(addon, tunnel.device, options);
  } catch (error) {
    await tunnel.close();
    throw opening(error, `the device ${tunnel.device} cannot be configured`);
  }
  OPEN.add(tunnel);
  const { filter, reason } = attachIngress(addon, tunnel, ingressObject);
  const started = RelayInKernel.start(addon, tunnel, relay, options.interface, filter);
  const kernel = started instanceof RelayInKernel ? started : undefined;
  const admission = filter && new Admission(filter);
  return {
    kind: "native",
    port: tunnel.port,
    device: tunnel.device,
    rates,
    ingress: { attached: filter !== undefined, reason },
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
    removePeer(peer) {
      tunnel.removePeer(peer);
      admission?.forget(peer);
    },
    allow: (peer, prefix) => tunnel.allow(peer, prefix),
    setRoute: (destination, primary, backup) => tunnel.setRoute(destination, primary, backup),
    watch: (peer, deadMs) => tunnel.watch(peer, deadMs),
    heard: (peer) => tunnel.heard(peer),
    relayed: () => relayCounters(tunnel.stats().relay),
    relayedTo: () => tunnel.stats().relayedTo,
    get kernelRelay() {
      return { attached: kernel?.attached ?? {}, reason: started.reason, relayed: kernel?.counters() };
    },
    stats: () => statsOf(tunnel, filter, kernel),
    async close() {
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
  if (event.type !== "moved") return event;
  const { type, localIndex, address, port } = event;
  return { type, localIndex, endpoint: { address, port } };
}

function configure(addon: Addon, name: string, { mtu, address, prefixLength }: DataPlaneOptions): void {
  addon.configureLink({ name, mtu, address, prefixLength, alias: aliasOf(address, process.pid) });
}

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
    const code = (error as { code?: string }).code ?? "";
    return { reason: code === "EPERM" ? "no privilege to load BPF (CAP_BPF)" : String(error) };
  }
}

/** Drops in the kernel are drops: they appear beside the workers' as `ingress.<reason>` and `relay.<reason>`. */
function statsOf(tunnel: Tunnel, filter: IngressFilter | undefined, kernel: RelayInKernel | undefined): DataPlaneStats {
  const { relay, relayedTo: _, ...stats } = tunnel.stats();
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
