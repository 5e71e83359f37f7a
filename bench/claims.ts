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
];
