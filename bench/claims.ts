import { PEER_CLAIMS } from "./peers/claims.ts";

/** What README and documents may claim. Each row names the file that measures it; `bun bench/report.ts` checks the figures. */
export interface Claim {
  /** Id of the row that the bench reports. */
  readonly id: string;
  readonly says: string;
  /** The bench that measures it. */
  readonly file: string;
  readonly unit: string;
  /** Limits of the value or, with `ratioTo`, of the value divided by that row's value in the same run. */
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly ratioTo?: string;
}

export const CLAIMS: readonly Claim[] = [
  {
    id: "crypto/ml-kem-768-encapsulate/native",
    says: "ML-KEM-768 encapsulation, native provider",
    file: "bench/crypto.bench.ts",
    unit: "us",
    ratioTo: "crypto/ml-kem-768-encapsulate/noble",
    atMost: 0.5,
  },
  {
    id: "crypto/ml-kem-768-encapsulate/noble",
    says: "ML-KEM-768 encapsulation, portable provider",
    file: "bench/crypto.bench.ts",
    unit: "us",
  },
  {
    id: "crypto/ml-dsa-65-verify/native",
    says: "ML-DSA-65 verification, native provider",
    file: "bench/crypto.bench.ts",
    unit: "us",
    ratioTo: "crypto/ml-dsa-65-verify/noble",
    atMost: 0.5,
  },
  {
    id: "crypto/ml-dsa-65-verify/noble",
    says: "ML-DSA-65 verification, portable provider",
    file: "bench/crypto.bench.ts",
    unit: "us",
  },
  {
    id: "handshake/known-peer/bytes",
    says: "handshake, known peer: on the wire, both ways",
    file: "bench/handshake.bench.ts",
    unit: "bytes",
    atMost: 8_000,
  },
  {
    id: "handshake/known-peer/rate/native",
    says: "handshakes per core (both ends on it), known peer, native provider",
    file: "bench/handshake.bench.ts",
    unit: "1/s",
    ratioTo: "handshake/known-peer/rate/noble",
    atLeast: 4,
  },
  {
    id: "handshake/known-peer/rate/noble",
    says: "the same, portable provider",
    file: "bench/handshake.bench.ts",
    unit: "1/s",
  },
  {
    id: "handshake/known-peer/p50/native",
    says: "time both ends compute, known peer, native provider, median",
    file: "bench/handshake.bench.ts",
    unit: "ms",
  },
  {
    id: "handshake/known-peer/p99/native",
    says: "the same, p99",
    file: "bench/handshake.bench.ts",
    unit: "ms",
  },
  {
    id: "handshake/known-peer/p50/noble",
    says: "the same, portable provider, median",
    file: "bench/handshake.bench.ts",
    unit: "ms",
  },
  {
    id: "handshake/known-peer/p99/noble",
    says: "the same, p99",
    file: "bench/handshake.bench.ts",
    unit: "ms",
  },
  {
    id: "handshake/known-peer/loss-40/p99",
    says: "known peer under 40 % loss, 20 ms round trip, p99 of 1,000 (simulated time)",
    file: "bench/handshake.bench.ts",
    unit: "ms",
    atMost: 3_000,
  },
  {
    id: "handshake/first-contact/bytes",
    says: "handshake, first contact: on the wire, both ways",
    file: "bench/handshake.bench.ts",
    unit: "bytes",
    atMost: 50_000,
  },
  {
    id: "handshake/first-contact/rate/native",
    says: "handshakes per core (both ends on it), first contact, native provider",
    file: "bench/handshake.bench.ts",
    unit: "1/s",
    ratioTo: "handshake/first-contact/rate/noble",
    atLeast: 4,
  },
  {
    id: "handshake/first-contact/rate/noble",
    says: "the same, portable provider",
    file: "bench/handshake.bench.ts",
    unit: "1/s",
  },
  {
    id: "handshake/first-contact/p50/native",
    says: "time both ends compute, first contact, native provider, median",
    file: "bench/handshake.bench.ts",
    unit: "ms",
  },
  {
    id: "handshake/first-contact/p99/native",
    says: "the same, p99",
    file: "bench/handshake.bench.ts",
    unit: "ms",
  },
  {
    id: "handshake/first-contact/p50/noble",
    says: "the same, portable provider, median",
    file: "bench/handshake.bench.ts",
    unit: "ms",
  },
  {
    id: "handshake/first-contact/p99/noble",
    says: "the same, p99",
    file: "bench/handshake.bench.ts",
    unit: "ms",
  },
  {
    id: "handshake/first-contact/loss-40/p99",
    says: "first contact under 40 % loss, 20 ms round trip, p99 of 1,000 (simulated time)",
    file: "bench/handshake.bench.ts",
    unit: "ms",
    atMost: 3_000,
  },
  ...PEER_CLAIMS,
  {
    id: "tunnel/on/tcp-1/trellis",
    says: "tunnel, one TCP stream, underlay offloads on",
    file: "bench/tunnel.bench.ts",
    unit: "Mbit/s",
    ratioTo: "tunnel/on/tcp-1/wireguard-go",
    atLeast: 1.5,
  },
  {
    id: "tunnel/on/tcp-1/wireguard-go",
    says: "the same, Debian 12's wireguard-go",
    file: "bench/tunnel.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "tunnel/on/cpu/trellis",
    says: "CPU of both daemons per GB received, offloads on",
    file: "bench/tunnel.bench.ts",
    unit: "s/GB",
    ratioTo: "tunnel/on/cpu/wireguard-go",
    atMost: 0.7,
  },
  {
    id: "tunnel/on/cpu/wireguard-go",
    says: "the same, wireguard-go",
    file: "bench/tunnel.bench.ts",
    unit: "s/GB",
  },
  {
    id: "tunnel/off/tcp-1/trellis",
    says: "tunnel, one TCP stream, underlay offloads off",
    file: "bench/tunnel.bench.ts",
    unit: "Mbit/s",
    ratioTo: "tunnel/off/tcp-1/wireguard-go",
    atLeast: 1.5,
  },
  {
    id: "tunnel/off/tcp-1/wireguard-go",
    says: "the same, Debian 12's wireguard-go",
    file: "bench/tunnel.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "tunnel/off/cpu/trellis",
    says: "CPU of both daemons per GB received, offloads off",
    file: "bench/tunnel.bench.ts",
    unit: "s/GB",
    ratioTo: "tunnel/off/cpu/wireguard-go",
    atMost: 0.7,
  },
  {
    id: "tunnel/off/cpu/wireguard-go",
    says: "the same, wireguard-go",
    file: "bench/tunnel.bench.ts",
    unit: "s/GB",
  },
  {
    id: "tunnel/on/udp-1200/trellis",
    says: "UDP of 1,200 bytes with less than 1 % lost",
    file: "bench/tunnel.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "tunnel/on/udp-1200/wireguard-go",
    says: "the same, wireguard-go",
    file: "bench/tunnel.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "tunnel/on/udp-64/trellis",
    says: "UDP of 64 bytes with less than 1 % lost",
    file: "bench/tunnel.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "tunnel/on/udp-64/wireguard-go",
    says: "the same, wireguard-go",
    file: "bench/tunnel.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "tunnel/rtt-p50/trellis",
    says: "round trip through an idle tunnel, median",
    file: "bench/tunnel.bench.ts",
    unit: "ms",
  },
  {
    id: "tunnel/rtt-p50/wireguard-go",
    says: "the same, wireguard-go",
    file: "bench/tunnel.bench.ts",
    unit: "ms",
  },
  {
    id: "tunnel/rss/trellis",
    says: "resident memory of the daemon after that load",
    file: "bench/tunnel.bench.ts",
    unit: "MB",
    atMost: 90,
  },
  {
    id: "tunnel/idle-cpu/trellis",
    says: "CPU of the daemon with an idle session",
    file: "bench/tunnel.bench.ts",
    unit: "%",
    atMost: 1,
  },
  {
    id: "relay/on/tcp/relay",
    says: "one TCP stream through a relay in the kernel (tcx), underlay offloads on",
    file: "bench/relay.bench.ts",
    unit: "Mbit/s",
    ratioTo: "relay/on/tcp/forwarding",
    atLeast: 0.7,
  },
  {
    id: "relay/on/tcp/forwarding",
    says: "the same, the middle routes IP instead",
    file: "bench/relay.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "relay/on/tcp/direct",
    says: "the same, the ends on one cable",
    file: "bench/relay.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "relay/on/tcp/relay-userspace",
    says: "the same, relayed by the daemon's workers",
    file: "bench/relay.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "relay/off/tcp/relay",
    says: "the same through the kernel's relay, underlay offloads off",
    file: "bench/relay.bench.ts",
    unit: "Mbit/s",
    ratioTo: "relay/off/tcp/forwarding",
    atLeast: 0.7,
  },
  {
    id: "relay/off/tcp/forwarding",
    says: "the same, the middle routes IP instead, offloads off",
    file: "bench/relay.bench.ts",
    unit: "Mbit/s",
  },
  {
    id: "pps/64/relay-xdp",
    says: "datagrams of 64 bytes of one flow per core that a relay in the kernel (XDP) verifies, tags anew and sends on",
    file: "bench/pps.bench.ts",
    unit: "kpps",
    ratioTo: "pps/64/forwarding",
    atLeast: 3,
  },
  {
    id: "pps/64/relay",
    says: "the same at tcx",
    file: "bench/pps.bench.ts",
    unit: "kpps",
    ratioTo: "pps/64/forwarding",
    atLeast: 0.5,
  },
  {
    id: "pps/64/forwarding",
    says: "the same, the middle routes IP instead",
    file: "bench/pps.bench.ts",
    unit: "kpps",
  },
];
