import type { Claim } from "./claims.ts";

const SCALE = "bench/records-scale.bench.ts";
/**
 * Members and records, of the sizes that are measured there, and the seconds that they may take to agree. Who gets all by one neighbour takes 3,800 a second
 * over 20 ms of round trip, so that the last one lags behind in a long run.
 */
const SIZES = [
  [1_000, 1_000, 2],
  [1_000, 3_000, 2],
  [1_000, 30_000, 2],
  [1_000, 100_000, 5],
  [300, 10_000, 2],
  [100, 30_000, 2],
] as const;

/** How the exchange of records grows. Simulated, with signatures of full size. */
const SCALE_CLAIMS: readonly Claim[] = [
  {
    id: "records-scale/index",
    says: "heap of a record in the index of a gateway that holds 100,000",
    file: SCALE,
    unit: "bytes",
    atMost: 300,
  },
  ...SIZES.flatMap(([members, records, seconds]): Claim[] => {
    const size = `${members}x${records}`;
    const says = `${members.toLocaleString("en")} members, ${records.toLocaleString("en")} records of 100 bytes, 5,000 a second`;
    return [
      {
        id: `records-scale/convergence/${size}`,
        says: `${says}: from the last write until every member holds the very set (simulated time, links of 10 ms)`,
        file: SCALE,
        unit: "s",
        atMost: seconds,
      },
      {
        id: `records-scale/moved/${size}`,
        says: "sent for each record that a member took, digests, offers and all",
        file: SCALE,
        unit: "bytes",
        ratioTo: `records-scale/size/${size}`,
        atMost: 1.1,
      },
      {
        id: `records-scale/size/${size}`,
        says: "such a record as it is stored, with its proof and its share of a signature over ten",
        file: SCALE,
        unit: "bytes",
      },
      {
        id: `records-scale/memory/${size}`,
        says: "heap of a record in each of them, what they share in the simulation in equal parts",
        file: SCALE,
        unit: "bytes",
        atMost: 200,
      },
    ];
  }),
];

/** What may be claimed of records and the local broker: memory under writes, messages per core. */
export const RECORDS_CLAIMS: readonly Claim[] = [
  {
    id: "memory/idle",
    says: "the daemon's memory (RSS, mapped files and all), idle, from source",
    file: "bench/memory.bench.ts",
    unit: "MB",
    atMost: 120,
  },
  {
    id: "memory/peak/100B",
    says: "its highest while four MQTT clients write 3,000 records of 100 bytes as fast as they are acknowledged",
    file: "bench/memory.bench.ts",
    unit: "MB",
    atMost: 120,
  },
  {
    id: "memory/peak/1kB",
    says: "the same, 10,000 records of 1 kB",
    file: "bench/memory.bench.ts",
    unit: "MB",
    atMost: 120,
  },
  {
    id: "memory/peak/1MB",
    says: "the same, 40 records of 1 MB",
    file: "bench/memory.bench.ts",
    unit: "MB",
    atMost: 120,
  },
  {
    id: "memory/peak/neighbour",
    says: "the highest at the neighbour that gets them all",
    file: "bench/memory.bench.ts",
    unit: "MB",
    atMost: 120,
  },
  {
    id: "records/readable/p99",
    says: "a record of 100 bytes, from the call that writes until all of ten gateways over three hops read it, p99; ten daemons on this machine's cores",
    file: "bench/records.bench.ts",
    unit: "ms",
    atMost: 1_000,
  },
  {
    id: "records/readable/p50",
    says: "the same, median",
    file: "bench/records.bench.ts",
    unit: "ms",
  },
  {
    id: "partition/healed",
    says: "two gateways that were apart (600 s unless --partition says otherwise) and wrote 1,000 records of 100 bytes each: from the mended wire until both hold the same",
    file: "bench/partition.bench.ts",
    unit: "ms",
    atMost: 5_000,
  },
  {
    id: "partition/met",
    says: "the same until they have a session and exchange records, which is a part of it",
    file: "bench/partition.bench.ts",
    unit: "ms",
  },
  {
    id: "partition/moved",
    says: "bytes of Ethernet frames on the wire meanwhile, both ways",
    file: "bench/partition.bench.ts",
    unit: "bytes",
    ratioTo: "partition/missing",
    atMost: 2,
  },
  {
    id: "partition/missing",
    says: "bytes that one had and the other lacked: records with their proofs, signatures of their batches",
    file: "bench/partition.bench.ts",
    unit: "bytes",
  },
  ...SCALE_CLAIMS,
  ...[0, 1, 2].flatMap((qos): Claim[] => [
    {
      id: `mqtt/qos${qos}/trellis`,
      says: `MQTT messages of 100 bytes per second of one core, QoS ${qos}, one publisher, one subscriber`,
      file: "bench/mqtt.bench.ts",
      unit: "1/s",
      atLeast: 10_000,
    },
    {
      id: `mqtt/qos${qos}/mosquitto`,
      says: "the same through Debian's Mosquitto, in the same run",
      file: "bench/mqtt.bench.ts",
      unit: "1/s",
    },
  ]),
];
