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
    id: "relay/pps-64/relay",
    says: "datagrams of 64 bytes through a relay in the kernel (tcx)",
    file: "bench/relay.bench.ts",
    unit: "kpps",
    ratioTo: "relay/pps-64/forwarding",
    atLeast: 0.75,
  },
  {
    id: "relay/pps-64/relay-xdp",
    says: "the same in XDP",
    file: "bench/relay.bench.ts",
    unit: "kpps",
    ratioTo: "relay/pps-64/forwarding",
    atLeast: 0.7,
  },
  {
    id: "relay/pps-64/forwarding",
    says: "the same, the middle routes IP instead",
    file: "bench/relay.bench.ts",
    unit: "kpps",
  },
];
