/** The native addon, typed. What it offers is written once here; `native/binding` converts to exactly these shapes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../base/errors.ts";
import type { Ms } from "../base/time.ts";
import type { AeadName } from "../crypto/provider.ts";
import type { AeadRates } from "../mesh/types.ts";
import { loadExtracted, openAddon } from "../store/private-addon.io.ts";
import { embeddedFiles } from "./embedded.ts";
import type { AeadOffer, HostFacts } from "./host-facts.ts";
import type { NetworkInterface } from "./interfaces.ts";
import type { DataPlaneOptions, DataPlaneStats, InterfaceTerms, LinkView } from "./port.ts";

/** Port 0 goes with an overlay address: "through the mesh". */
export interface AddonDatagram {
  readonly address: string;
  readonly port: number;
  readonly payload: Uint8Array;
}

/** `DataPlaneEvent` with its endpoint flattened. */
export type AddonEvent =
  | { readonly type: "moved"; readonly localIndex: number; readonly address: string; readonly port: number }
  | {
      readonly type: "place" | "linkSilent" | "linkAlive" | "carries";
      readonly peer: string;
      readonly address: string;
      readonly port: number;
    }
  | { readonly type: "exhausted"; readonly localIndex: number }
  | { readonly type: "wanted" | "silent" | "alive" | "standsStill" | "goesOn"; readonly peer: string };

export interface AddonSession {
  readonly peer: string;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly aead: AeadName;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly hopSendKey: Uint8Array;
  readonly hopReceiveKey: Uint8Array;
  readonly address: string;
  readonly port: number;
}

export interface AddonStats extends DataPlaneStats {
  /** Packets among all these that the worker for sparse flows carried. */
  readonly sparse: { readonly sent: number; readonly received: number };
  /** Frames of others by verdict of the userspace forwarder, in the order of `RELAY_VERDICTS`. */
  readonly relay: readonly number[];
  readonly links: readonly AddonLink[];
}

/** `LinkView` with its endpoint flattened. */
export type AddonLink = Omit<LinkView, "endpoint"> & { readonly address: string; readonly port: number };

export interface Tunnel {
  readonly port: number;
  readonly device: string | undefined;
  /** Descriptors of the underlay's sockets, one per worker and family. */
  sockets(): number[];
  send(datagrams: readonly AddonDatagram[]): void;
  /** 0, or 256 to 65535. */
  limitFrames(peer: string, bytes: number): void;
  installSession(session: AddonSession): void;
  useSession(peer: string, localIndex: number): void;
  removeSession(localIndex: number): void;
  setEndpoint(peer: string, address: string, port: number): void;
  /** Places on an interface that is not there are left out. */
  setPlaces(peer: string, places: readonly { readonly address: string; readonly port: number }[]): void;
  setTerms(terms: readonly InterfaceTerms[]): void;
  removePeer(peer: string): void;
  allow(peer: string, prefix: string): void;
  setSubnet(prefix: string, gateways: readonly string[]): void;
  /** Throws `EADDRNOTAVAIL` when `destination` is no overlay address of our mesh, `ENOSPC` when there are too many. */
  setRoute(destination: string, primary: string | undefined, backup: string | undefined): void;
  /** For so long neighbours are answered in our name, also while this process stands still. Before the first lease they are not. */
  renewLease(ms: number): void;
  /**
   * Gives sparse flows a worker of their own by the object of `bpf/steering.bpf.c`. Before the first session, and before filters are
   * attached to `sockets()`. Throws with the verifier's log when the kernel refuses, `ENODEV` without a device.
   */
  steer(object: Uint8Array): void;
  /** From now on the kernel has this tunnel's relay tables too, until the tunnel closes. */
  mirror(relay: KernelRelay): void;
  /** Binds the sockets again to the interface that they were opened for: it may have gone and come back. Throws `ENODEV` while it is gone. */
  rebind(): void;
  stats(): AddonStats;
  close(): Promise<void>;
}

export interface LinkSettings {
  readonly name: string;
  /** Bytes, 68 to 65535. */
  readonly mtu: number;
  /** IPv4 or IPv6. */
  readonly address: string;
  readonly prefixLength: number;
  /** Written to the link (`ip link show` prints it), so that the next start knows whose it is; at most 255 bytes. */
  readonly alias?: string;
}

export interface InterfaceWatch {
  close(): void;
}

export interface FoundRoute {
  readonly device: string;
  readonly prefixLength: number;
  readonly dead: boolean;
}

export interface MulticastGroups {
  readonly v4: string;
  /** Of link-local scope. */
  readonly v6: string;
  readonly port: number;
}

/** Datagrams of at most 512 bytes to and from groups, on the interfaces that are joined; none leaves its link. Interfaces go by index. */
export interface Multicast {
  /** Joins again when it was joined before. Throws when neither family can, such as `ENODEV`. */
  join(index: number): void;
  leave(index: number): void;
  /** From an address of that interface, which says to which group. Throws what the kernel says. */
  send(index: number, source: string, data: Uint8Array): void;
  close(): void;
}

export interface OwnedLink {
  readonly name: string;
  readonly alias: string;
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The program of `bpf/ingress.bpf.c`, loaded. Sockets it is attached to keep it after `close()`. */
export interface IngressFilter {
  attach(fd: number): void;
  /** Datagrams by verdict, in the order of `INGRESS_VERDICTS`. */
  counters(): number[];
  /** Runs it once on a UDP payload; `segment` is one datagram's size when the payload stands for several, else 0. */
  run(payload: Uint8Array, segment: number, address: string, port: number): boolean;
  /** `AdmissionKeys` as bytes: from now on the rules hold, here and where the tables are shared. Undefined ends that. */
  keys(keys: Uint8Array | undefined): void;
  session(index: number, isOurs: boolean): void;
  peer(address: string, isThere: boolean): void;
  called(address: string): void;
  close(): void;
}

export type RelayHook = "tcx" | "clsact" | "xdp";

/** The programs of `bpf/relay_tc.bpf.c` and `bpf/relay_xdp.bpf.c`, loaded. What is attached goes with `close()` or the process. */
/** Programs of the relay as the kernel numbers them (`xdp` 0: none), and the mark that its successor's put on packets, 16 hex digits. */
export interface RelayPrograms {
  readonly tc: number;
  readonly xdp: number;
  readonly mark: string;
}

/** A program of the relay on a device of this network namespace, whoever attached it. */
export interface FoundRelay {
  readonly device: string;
  readonly hook: RelayHook;
  readonly id: number;
  /** UDP port that it looks at. */
  readonly port: number;
  /** Ms for which it still answers in its daemon's name; 0: no more. */
  readonly leased: number;
}

/** Programs of the relay, loaded. What is attached stays when the process is killed. */
export interface KernelRelay {
  /** Attaches to a device; XDP and tc may both be. `tcx` fails with `EINVAL` before Linux 6.6. */
  attach(device: string, hook: RelayHook): void;
  /** Frames by verdict, in the order of `RELAY_VERDICTS`. */
  counters(): number[];
  /** Name of the error for which the kernel did not take a table's entry: then nothing is attached any more. Else "". */
  failure(): string;
  /**
   * Runs a program once on an Ethernet frame (BPF_PROG_TEST_RUN). For tc `segment` is the payload of each datagram of a superpacket,
   * else 0, and with `checksumKnown` the kernel checks that the sum of the whole packet is kept right (`EBADMSG` when not). `mark`, 12 bytes: what
   * a program before this one left on the packet, and what it leaves itself.
   */
  run(
    frame: Uint8Array,
    options: {
      readonly xdp: boolean;
      readonly segment: number;
      readonly checksumKnown: boolean;
      readonly mark?: Uint8Array;
    },
  ): { readonly code: number; readonly frame: Uint8Array; readonly mark: Uint8Array };
  programs(): RelayPrograms;
  /** Before anything is attached: those of a process that is gone relay on, behind these. False when they are attached to nothing. */
  succeed(before: RelayPrograms): boolean;
  /** Takes away what came behind these. */
  retire(): void;
  /** As `close`, but the programs relay on. */
  leave(): void;
  close(): void;
}

/** The programs of `bpf/mesh.bpf.c`, loaded. What is attached goes with `close()`, the device or the process. */
export interface MeshFilter {
  /** Both directions of a device, after the first `replace`. With `clsact` the older hook is not only taken where tcx is not known. */
  attach(device: string, clsact: boolean): "tcx" | "clsact";
  /** Puts a table of `compilePolicy` into force, by one update. */
  replace(table: Uint8Array): void;
  /** Bytes of `count` MeshCounts. */
  ruleCounters(first: number, count: number): Uint8Array;
  clearRuleCounters(first: number, count: number): void;
  /** Packets by direction and reason (`MESH_DIRECTIONS`, `MESH_DROPS`), then how many events were lost. */
  dropCounters(): number[];
  /** Bytes of MeshFlowKey and MeshFlow for each flow, or attempt that was denied; `now` is CLOCK_MONOTONIC, ms. */
  flows(denied: boolean): { readonly now: number; readonly bytes: Uint8Array };
  /** Bytes of at most `most` MeshEvents, oldest first. */
  events(most: number): Uint8Array;
  /** Runs a program on an IP packet (BPF_PROG_TEST_RUN), under a table whose `link` is 14; `segment` is the payload of each packet of a superpacket, else 0. */
  run(
    packet: Uint8Array,
    options: { readonly out: boolean; readonly segment: number; readonly repeat: number },
  ): { readonly code: number; readonly nanoseconds: number };
  close(): void;
}

/** Failed system calls throw an Error with `code` (such as `ENODEV`), `errno` and `syscall`. */
export interface Addon {
  openTunnel(
    options: DataPlaneOptions,
    onControl: (batch: readonly AddonDatagram[]) => void,
    onEvent: (event: AddonEvent) => void,
  ): Tunnel;
  /** What sessions will get. Measured once, in some milliseconds. */
  measureAead(): AeadRates;
  /** That have gone over an interface both ways since it is there; undefined when it is not. */
  interfaceBytes(name: string): number | undefined;
  /** What each library on this machine does with each AEAD; sessions use the first of theirs, the fastest. */
  aeadOffers(): AeadOffer[];
  /** `library` is one that offers the AEAD; without it the fastest does the work. */
  sealOnce(
    aead: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    data: Uint8Array,
    library?: string,
  ): Uint8Array;
  /** Undefined when the tag does not fit. */
  openOnce(
    aead: AeadName,
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    data: Uint8Array,
    library?: string,
  ): Uint8Array | undefined;
  /** Sets MTU, alias and queue length, brings the link up with this address, without duplicate address detection. Idempotent. */
  configureLink(settings: LinkSettings): void;
  linkExists(name: string): boolean;
  /** Whether there was such a link. */
  deleteLink(name: string): boolean;
  /** Links of this network namespace whose alias starts so. */
  findLinks(aliasPrefix: string): OwnedLink[];
  /** All of this network namespace. */
  interfaces(): NetworkInterface[];
  /** Calls when interfaces or addresses came, went or changed (route netlink), once for a burst of changes. Keeps no process alive. */
  watchInterfaces(onChange: () => void): InterfaceWatch;
  /**
   * A route into `device`, for all but what leaves from this UDP port, with this source for our own packets. `EEXIST` when the machine has
   * another of its own to the prefix or a part of it.
   */
  addRoute(device: string, port: number, prefix: string, source?: string): void;
  /** Nothing happens where there is none of ours. */
  removeRoute(device: string, prefix: string): void;
  /** Nobody asks for routes into this device any more, nor into one that is gone. */
  endRoutes(device: string): void;
  /** Which route packets from here take to an address, and whether its device has lost its carrier; undefined where there is none. */
  findRoute(address: string): FoundRoute | undefined;
  /** Of a flood some hundred datagrams a second are heard. Throws `EADDRINUSE` when a program has the port for itself. Keeps no process alive. */
  openMulticast(groups: MulticastGroups, onHeard: (batch: readonly AddonDatagram[]) => void): Multicast;
  /** Who connected a Unix socket. Throws `ENOTCONN` when `fd` is no connected Unix socket. */
  peerCredentials(fd: number): PeerCredentials;
  /** sd_notify(3); false when no service manager listens (`NOTIFY_SOCKET` is not set). */
  notifySystemd(message: string): boolean;
  /** Lets the kernel take back pages of the program and its libraries that it can read again; bytes that were resident. */
  releaseCode(): number;
  /** For so long (1 to 60,000 ms) a thread gives back the pages of the store's tables, which LevelDB maps, as they become many. */
  releaseTablesFor(span: Ms): void;
  probe(): HostFacts;
  /** Throws with the verifier's log when the kernel refuses. */
  loadIngressFilter(object: Uint8Array): IngressFilter;
  /** Throws with the verifier's log when the kernel does not take what `Tunnel.steer` would load. */
  checkSteering(object: Uint8Array): void;
  /** For the tunnel on this port; without `xdp` that hook is not offered, with `filter` its rules hold here too. Throws with the verifier's log when the kernel refuses. */
  loadRelay(port: number, tc: Uint8Array, xdp: Uint8Array | undefined, filter?: IngressFilter): KernelRelay;
  /** Takes these programs from all devices of this network namespace. */
  removeRelay(programs: RelayPrograms): void;
  /** All that may be looked at: by tcx and in XDP that takes CAP_SYS_ADMIN. */
  findRelays(): FoundRelay[];
  /** Takes a program from one device; nothing happens when it is not there. */
  detachRelay(device: string, hook: RelayHook, id: number): void;
  /** Throws with the verifier's log when the kernel refuses. */
  loadMeshFilter(object: Uint8Array): MeshFilter;
  /** Ethernet devices of this network namespace that are up. One that goes and comes back gets a new index. */
  etherDevices(): { readonly name: string; readonly index: number }[];
}

export type AddonOutcome =
  | { readonly addon: Addon; readonly reason?: undefined }
  | { readonly addon?: undefined; readonly reason: string };

/** Loads the addon once; later calls give the same answer. Without it the reason is text for `doctor`. */
export function loadAddon(): AddonOutcome {
  outcome ??= tryLoad();
  return outcome;
}

/** The ingress filter's object, or undefined when it was not built (clang missing). */
export const ingressObject = (): Uint8Array | undefined => bpfObject(embeddedFiles()?.ingress, "ingress");

/** The object of the programs on the overlay device, or undefined when it was not built. */
export const meshObject = (): Uint8Array | undefined => bpfObject(embeddedFiles()?.mesh, "mesh");
/** The object that finds sparse flows, or undefined when it was not built. */
export const steeringObject = (): Uint8Array | undefined => bpfObject(embeddedFiles()?.steering, "steering");

export interface RelayObjects {
  readonly tc: Uint8Array;
  readonly xdp: Uint8Array;
}

/** The relay's objects, or undefined when they were not built. */
export function relayObjects(): RelayObjects | undefined {
  const tc = bpfObject(embeddedFiles()?.relayTc, "relay_tc");
  const xdp = bpfObject(embeddedFiles()?.relayXdp, "relay_xdp");
  return tc && xdp ? { tc, xdp } : undefined;
}

function bpfObject(embedded: string | undefined, name: string): Uint8Array | undefined {
  try {
    return readFileSync(embedded ?? join(BUILD, `bpf/${name}.bpf.o`));
  } catch {
    return undefined; // optional: the daemon does in userspace what it cannot have done in the kernel
  }
}

const BUILD = join(import.meta.dir, "../../build");
let outcome: AddonOutcome | undefined;

function tryLoad(): AddonOutcome {
  const inside = embeddedFiles()?.addon;
  try {
    const path = join(BUILD, "native", process.arch, "trellis.node");
    return { addon: (inside ? loadExtracted(inside) : openAddon(path)) as Addon };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}
