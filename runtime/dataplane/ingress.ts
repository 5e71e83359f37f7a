/**
 * What the kernel does with a datagram to our port before the daemon is woken: kept, answered or dropped, and why. The rules are
 * `bpf/admission.h`, for the programs at XDP, at tc and on the sockets alike; these are their numbers and tables.
 */
import { struct } from "../base/struct.ts";

/** In the order of the counters. `bpf/layout.gen.h` gets them as `INGRESS_PASS`, `INGRESS_SHORT` and so on. */
export const INGRESS_VERDICTS = [
  "pass", //           counted by the sockets alone: every other datagram counts once, where it ends
  "short",
  "type",
  "version",
  "reserved",
  "fragment",
  "oversize",
  "unknownSession", // sealed to a session index that is none of ours
  "badCookie", //      a cookie that we have not given to this source, or not lately
  "badTag", //         the first message of a handshake, not made with the key of who knows whom it is calling
  "overRate", //       of an unproven source, or more of a proven one than is answered
  "answered", //       a handshake of an unproven source: got its cookie from the kernel
] as const;

export type IngressVerdict = (typeof INGRESS_VERDICTS)[number];

/** Datagrams by verdict. */
export type IngressCounters = Readonly<Record<IngressVerdict, number>>;

/** Verdicts after which the datagram is gone without an answer. */
export const INGRESS_DROPS = INGRESS_VERDICTS.filter((verdict) => verdict !== "pass" && verdict !== "answered");

/** Length of the AEAD tag that ends every sealed frame. */
export const SEALED_TAG_SIZE = 16;

/** Fragments of one handshake message: the acknowledgement's bitmap has 32 bits. */
export const MAX_FRAGMENTS = 32;

/** Bounds of the tables. `strangers` is a power of two. */
export const ADMISSION_LIMITS = {
  maxSessions: 65536,
  maxPeers: 16384,
  maxProven: 16384,
  strangers: 32768,
} as const;

/**
 * What is let through, per second; a bucket holds `burst` seconds of it. Each hook has buckets of its own.
 *
 * A daemon answers some hundred first messages a second and core, a cookie costs it 20 us. The kernel looks at `tagBytes` of the
 * fragments of strangers, which takes 6 % of a core, and gives `cookies` cookies: by one of them a newcomer gets past a flood.
 */
export const ADMISSION_RATES = {
  peer: { rate: 50, burst: 4 }, //        datagrams of handshakes from the address of a peer; what is over counts as a stranger's
  peers: { rate: 2000, burst: 1 }, //     of all peers
  source: { rate: 200, burst: 2 }, //     of a source that has shown a cookie or that we have called
  proven: { rate: 4000, burst: 1 }, //    of all of these
  stranger: { rate: 20, burst: 2 }, //    of a source that has not
  unproven: { rate: 1000, burst: 1 }, //  of all of these, to the daemon
  cookies: { rate: 30_000, burst: 0.1 }, // to all of these, from the kernel
  tagBytes: { rate: 16_000_000, burst: 0.1 },
} as const;

/** Buckets that are shared by all sources; their place in the map. */
export const ADMISSION_LANES = ["peers", "proven", "unproven", "cookies", "tagBytes"] as const;

/** A fragment costs at least so many bytes of `tagBytes`: what is done beside the hashing. */
export const TAG_BYTES_LEAST = 256;

/** Keys, replaced as a whole. Without them nothing is dropped but what is malformed. */
export const AdmissionKeys = struct("admission_keys", {
  macLow: "u64le", //        0  SipHash key of first messages to this node
  macHigh: "u64le", //       8
  cookieLow: "u64le", //    16  the cookie secret in use
  cookieHigh: "u64le", //   24
  previousLow: "u64le", //  32  the one before, or the same
  previousHigh: "u64le", // 40
}); //                      48 bytes

/** When a bucket will be full again, CLOCK_MONOTONIC ns; one for each hook. */
export const AdmissionBucket = struct("admission_bucket", {
  xdp: "u64le",
  tc: "u64le",
  socket: "u64le",
});
