/** The native addon, typed. What it offers is written once here; `native/binding` converts to exactly these shapes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../base/errors.ts";
import type { AeadName } from "../crypto/provider.ts";
import type { AeadRates } from "../mesh/types.ts";
import { embeddedFiles } from "./embedded.ts";
import type { AeadOffer, HostFacts } from "./host-facts.ts";
import type { DataPlaneOptions, DataPlaneStats } from "./port.ts";

export interface AddonDatagram {
  readonly address: string;
  readonly port: number;
  readonly payload: Uint8Array;
}

/** `DataPlaneEvent` with its endpoint flattened. */
export type AddonEvent =
  | { readonly type: "moved"; readonly localIndex: number; readonly address: string; readonly port: number }
  | { readonly type: "exhausted"; readonly localIndex: number }
  | { readonly type: "wanted"; readonly peer: string };

export interface AddonSession {
  readonly peer: string;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly aead: AeadName;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly address: string;
  readonly port: number;
}

export interface Tunnel {
  readonly port: number;
  readonly device: string | undefined;
  /** Descriptors of the underlay's sockets, one per worker and family. */
  sockets(): number[];
  send(datagrams: readonly AddonDatagram[]): void;
  installSession(session: AddonSession): void;
  useSession(peer: string, localIndex: number): void;
  removeSession(localIndex: number): void;
  setEndpoint(peer: string, address: string, port: number): void;
  removePeer(peer: string): void;
  allow(peer: string, prefix: string): void;
  stats(): DataPlaneStats;
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
  run(payload: Uint8Array, segment: number): boolean;
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
  /** Who connected a Unix socket. Throws `ENOTCONN` when `fd` is no connected Unix socket. */
  peerCredentials(fd: number): PeerCredentials;
  /** sd_notify(3); false when no service manager listens (`NOTIFY_SOCKET` is not set). */
  notifySystemd(message: string): boolean;
  probe(): HostFacts;
  /** Throws with the verifier's log when the kernel refuses. */
  loadIngressFilter(object: Uint8Array): IngressFilter;
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
export function ingressObject(): Uint8Array | undefined {
  try {
    return readFileSync(embeddedFiles()?.ingress ?? join(BUILD, "bpf/ingress.bpf.o"));
  } catch {
    return undefined; // optional: the daemon checks every datagram itself anyway
  }
}

const BUILD = join(import.meta.dir, "../../build");
let outcome: AddonOutcome | undefined;

function tryLoad(): AddonOutcome {
  const inside = embeddedFiles()?.addon;
  try {
    return { addon: inside ? loadExtracted(inside) : open(join(BUILD, "native", process.arch, "trellis.node")) };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

function open(path: string): Addon {
  const holder: { exports: Partial<Addon> } = { exports: {} };
  process.dlopen(holder, path);
  return holder.exports as Addon;
}

/**
 * The loader wants a file: it gets one in a fresh folder that only we can enter, and the folder goes once the file is
 * mapped. (Left alone the runtime would leave it under a name that others can guess.) `/tmp` may be mounted noexec, so
 * `/run` is asked first.
 */
function loadExtracted(inside: string): Addon {
  const bytes = readFileSync(inside);
  let last: unknown;
  for (const parent of ["/run", tmpdir()]) {
    let folder: string | undefined;
    try {
      folder = mkdtempSync(join(parent, "trellis-"));
      const file = join(folder, "trellis.node");
      writeFileSync(file, bytes, { mode: 0o700 });
      return open(file);
    } catch (error) {
      last = error;
    } finally {
      if (folder) rmSync(folder, { recursive: true, force: true });
    }
  }
  throw last;
}
