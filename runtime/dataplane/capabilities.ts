/**
 * What Trellis wants of a machine, as a table: what was found, what follows when it is missing, how to get it. `trellis
 * doctor` prints the rows; the daemon logs those that were not found. "Required" means required to carry the IP traffic of
 * unmodified programs: without it a gateway still joins its mesh and says that it is degraded.
 */
import type { AeadOffer, HostFacts } from "./host-facts.ts";

export interface Facts {
  /** Empty when the addon is loaded. */
  readonly addonReason: string;
  /** What the addon's probe saw; undefined without it. */
  readonly host: HostFacts | undefined;
  /** `/dev/net/tun` is there, whoever may open it. */
  readonly tunDevice: boolean;
  /** What the cipher libraries do, the fastest of each AEAD first; empty without the addon. */
  readonly offers: readonly AeadOffer[];
  /** Whether the ingress filter was compiled, and empty or why the kernel did not take it. */
  readonly ingress: { readonly built: boolean; readonly refusal: string };
  /** The same of the program that finds sparse flows. */
  readonly steering: { readonly built: boolean; readonly refusal: string };
  /** The same of the relay's programs. */
  readonly relay: { readonly built: boolean; readonly refusal: string };
  /** And of those on the overlay device. */
  readonly mesh: { readonly built: boolean; readonly refusal: string };
  /** Programs of the relay that daemons have left which do not come back for them: on which port and device. */
  readonly left: readonly { readonly port: number; readonly device: string }[];
  readonly provider: { readonly name: string; readonly fast: boolean };
  readonly serviceManager: boolean;
  readonly resolver: ResolverFacts;
  readonly rootKey: RootKeyPlace;
  readonly clock: ClockFacts;
}

/** The system's resolver of names. */
export interface ResolverFacts {
  /** systemd-resolved runs here and can be told whom to ask. */
  readonly resolved: boolean;
  /** Programs that ask the system ask it. */
  readonly asked: boolean;
}

/** Where the mesh's root key is: on this machine in the clear, sealed by a passphrase, or not here (which is best). */
export type RootKeyPlace = "absent" | "sealed" | "plain";

export interface ClockFacts {
  /** Seconds, as the system has it. */
  readonly unix: number;
  /** The latest moment we know has passed, for instance the build's. */
  readonly floor: number;
}

export interface Capability {
  readonly id: string;
  readonly need: "required" | "optional";
  readonly found: boolean;
  readonly detail: string;
  /** What happens without it. */
  readonly consequence: string;
  readonly fix: string;
}

interface Finding {
  readonly found: boolean;
  readonly detail: string;
}

interface Row {
  readonly id: string;
  readonly need: "required" | "optional";
  readonly look: (facts: Facts) => Finding;
  readonly consequence: string;
  readonly fix: string;
}

const UNKNOWN: Finding = { found: false, detail: "not known without the addon" };

/** A row about the addon's probe. */
const probed =
  (look: (host: HostFacts) => Finding) =>
  ({ host }: Facts): Finding =>
    host ? look(host) : UNKNOWN;

/** A probe's answer: "" is granted, else the errno of the refusal. */
const granted = (refusal: string): Finding => ({ found: refusal === "", detail: refusal === "" ? "yes" : refusal });

/** A BPF object: built or not, taken by the kernel or not. */
const loadable = ({ built, refusal }: { readonly built: boolean; readonly refusal: string }): Finding => ({
  found: built && refusal === "",
  detail: built ? refusal || "the kernel takes it" : "not built",
});

/** What programs that can be loaded keep from the daemon. */
const enforcing = ({ found, detail }: Finding, what: string): Finding => ({
  found,
  detail: found ? `${detail}; drops: ${what}` : detail,
});

const ROWS: readonly Row[] = [
  {
    id: "addon",
    need: "required",
    look: ({ addonReason }) => ({ found: addonReason === "", detail: addonReason || "loaded" }),
    consequence: "no IP traffic: the gateway joins, answers and is seen, and drops sealed packets",
    fix: "install g++, libssl-dev and libbpf-dev, then `just native`",
  },
  {
    id: "libcrypto",
    need: "required",
    look: probed((host) => ({ found: true, detail: host.libcrypto })),
    consequence: "the addon cannot be loaded",
    fix: "apt-get install libssl3",
  },
  {
    id: "tun",
    need: "required",
    look: ({ host, tunDevice }) =>
      host ? granted(host.tunOpen) : { found: tunDevice, detail: tunDevice ? "/dev/net/tun" : "no /dev/net/tun" },
    consequence: "no IP traffic; sealed sessions between daemons still work",
    fix: "`modprobe tun`, or start the container with --device /dev/net/tun",
  },
  {
    id: "cap-net-admin",
    need: "required",
    look: probed((host) => ({
      found: host.capNetAdmin && host.tunCreate === "",
      detail: host.capNetAdmin ? granted(host.tunCreate).detail : "not in the effective set",
    })),
    consequence: "no TUN device can be made",
    fix: "run as root, or by the systemd unit, or start the container with --cap-add NET_ADMIN",
  },
  {
    id: "udp-segment",
    need: "optional",
    look: probed((host) => granted(host.udpSegment)),
    consequence: "one system call per datagram sent: slower",
    fix: "Linux 4.18 or later",
  },
  {
    id: "udp-gro",
    need: "optional",
    look: probed((host) => granted(host.udpGro)),
    consequence: "datagrams arrive one by one: slower",
    fix: "Linux 5.0 or later",
  },
  {
    id: "tun-offload",
    need: "optional",
    look: probed((host) => granted(host.tunOffload)),
    consequence: "the kernel cuts TCP into packets before the tunnel sees it: slower",
    fix: "Linux 2.6.27 or later, and the right to make a TUN device",
  },
  {
    id: "tun-uso",
    need: "optional",
    look: probed((host) => granted(host.tunUso)),
    consequence: "UDP that programs send in bursts (QUIC) is cut by the kernel: slower, and right",
    fix: "Linux 6.2 or later",
  },
  {
    id: "bpf",
    need: "optional",
    look: probed((host) => granted(host.bpf)),
    consequence: "malformed datagrams reach the daemon, which drops them itself",
    fix: "run as root, or give the service CAP_BPF",
  },
  {
    id: "libbpf",
    need: "optional",
    look: probed((host) => ({ found: host.libbpf !== "", detail: host.libbpf || "libbpf.so.1 is not installed" })),
    consequence: "no BPF program can be loaded",
    fix: "apt-get install libbpf1",
  },
  {
    id: "ingress-filter",
    need: "optional",
    look: ({ ingress }) => enforcing(loadable(ingress), "malformed, unknown session, bad cookie, bad tag, over rate"),
    consequence: "whatever anybody sends to our port wakes the daemon before it drops it",
    fix: "install clang and libbpf-dev, then `just native`; loading takes CAP_BPF or root",
  },
  {
    id: "sparse-flows",
    need: "optional",
    look: ({ steering }) => loadable(steering),
    consequence: "calls and key strokes wait behind large transfers: some milliseconds while one fills the tunnel",
    fix: "install clang and libbpf-dev, then `just native`; loading takes CAP_BPF or root",
  },
  {
    id: "kernel-relay",
    need: "optional",
    look: ({ relay }) => enforcing(loadable(relay), "the same before the stack, and bad relay tags; gives cookies"),
    consequence:
      "frames of others are relayed by the daemon: slower, and not while it is stopped; under a flood newcomers wait for a place among 1,000 strangers a second",
    fix: "install clang and libbpf-dev, then `just native`; loading takes CAP_BPF and CAP_NET_ADMIN, or root",
  },
  {
    id: "left-behind",
    need: "optional",
    look: ({ left, host }) => ({ found: left.length === 0, detail: leftText(left, host) }),
    consequence:
      "the kernel answers and relays for a gateway that is gone up to two minutes, and its XDP program keeps others from the device",
    fix: "trellis down (with --port for another one than that of the settings); a gateway that starts on that port does the same",
  },
  {
    id: "mesh-filter",
    need: "optional",
    look: ({ mesh }) => loadable(mesh),
    consequence: "no policy can be enforced (with one the daemon does not start), and flows are not seen",
    fix: "install clang and libbpf-dev, then `just native`; loading takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or root",
  },
  {
    id: "aead",
    need: "required",
    look: ({ offers, host }) => aead(offers, host),
    consequence: "no session can carry data",
    fix: "needs the addon and its libcrypto",
  },
  {
    id: "libipsec-mb",
    need: "optional",
    look: probed((host) => ({
      found: host.ipsecMbLacks === "",
      detail: host.ipsecMbLacks || "measured beside libcrypto",
    })),
    consequence: "libcrypto seals packets: slower on x86-64, most of all small ones",
    fix: "apt-get install libipsec-mb1; the addon is compiled with libipsec-mb-dev",
  },
  {
    id: "crypto-provider",
    need: "optional",
    look: ({ provider }) => ({ found: provider.fast, detail: provider.name }),
    consequence: "handshakes take much longer; nothing is weaker",
    fix: "use the runtime pinned in package.json, which has ML-KEM and ML-DSA",
  },
  {
    id: "peer-credentials",
    need: "optional",
    look: ({ addonReason }) => ({
      found: addonReason === "",
      detail: addonReason === "" ? "SO_PEERCRED" : "by file mode",
    }),
    consequence: "the control socket trusts its file permissions alone and cannot log who asked",
    fix: "needs the addon",
  },
  {
    id: "systemd-notify",
    need: "optional",
    look: ({ serviceManager }) => ({
      found: serviceManager,
      detail: serviceManager ? "watches the daemon" : "no daemon runs under systemd",
    }),
    consequence: "nobody restarts the daemon when it hangs",
    fix: "trellis service install",
  },
  {
    id: "name-resolution",
    need: "optional",
    look: ({ resolver }) => ({ found: resolver.resolved && resolver.asked, detail: resolverText(resolver) }),
    consequence:
      "programs do not find NAME.MESH.internal by themselves, though the gateway answers at its overlay address",
    fix: "apt-get install systemd-resolved; or add what `trellis names --setup` prints to the resolver or the hosts file that is there",
  },
  {
    id: "root-key",
    need: "optional",
    look: ({ rootKey }) => ({ found: rootKey !== "plain", detail: ROOT_KEY[rootKey] }),
    consequence: "who steals this gateway owns the mesh",
    fix: "trellis root move FILE, with FILE on a medium that you then put away",
  },
  {
    id: "clock",
    need: "optional",
    look: ({ clock }) => ({
      found: clock.unix >= clock.floor,
      detail: clock.unix >= clock.floor ? "later than the build" : "before this program was built",
    }),
    consequence: "log times are wrong; no protocol needs the clock",
    fix: "none needed; a time service or a battery-backed clock mends the logs",
  },
];

function leftText(left: Facts["left"], host: HostFacts | undefined): string {
  const places = [...new Set(left.map(({ port, device }) => `UDP port ${port} on ${device}`))];
  if (places.length > 0) return `relays in the kernel without a daemon: ${places.join(", ")}`;
  return host?.capSysAdmin === true
    ? "nothing of gateways that are gone"
    : "nothing of gateways that are gone, as far as this user may look";
}

function resolverText({ resolved, asked }: ResolverFacts): string {
  if (!resolved) return "no systemd-resolved in this network namespace";
  return asked ? "systemd-resolved" : "systemd-resolved runs, and /etc/resolv.conf and nsswitch.conf lead elsewhere";
}

const ROOT_KEY: Record<RootKeyPlace, string> = {
  absent: "not on this machine",
  sealed: "here, sealed by a passphrase",
  plain: "here, in the clear",
};

const AEADS = [
  ["aes-256-gcm", "AES-256-GCM"],
  ["chacha20-poly1305", "ChaCha20-Poly1305"],
] as const;

/** `AES-256-GCM 3000 MB/s by libipsec-mb 1.3.0 (libcrypto 3.0.19: 1900)`, and so for each; then what the processor has. */
function aead(offers: readonly AeadOffer[], host: HostFacts | undefined): Finding {
  const shown = ({ library, rate }: AeadOffer): string => `${library}: ${Math.round(rate)}`;
  const lines = AEADS.flatMap(([aead, name]) => {
    const [best, ...others] = offers.filter((offer) => offer.aead === aead);
    if (!best) return [];
    const slower = others.length > 0 ? ` (${others.map(shown).join(", ")})` : "";
    return [`${name} ${Math.round(best.rate)} MB/s by ${best.library}${slower}`];
  });
  const cpu = host && host.cpu.length > 0 ? ` [${host.cpu.join(" ")}]` : "";
  return lines.length > 0 ? { found: true, detail: lines.join(", ") + cpu } : { found: false, detail: "not measured" };
}

/** The whole table for a machine, in the order in which it is printed. */
export const capabilities = (facts: Facts): Capability[] =>
  ROWS.map(({ id, need, look, consequence, fix }) => ({ id, need, ...look(facts), consequence, fix }));

/** Rows that keep this machine from carrying IP traffic. */
export const missingRequired = (table: readonly Capability[]): Capability[] =>
  table.filter((row) => row.need === "required" && !row.found);
