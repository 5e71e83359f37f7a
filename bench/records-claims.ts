import type { Claim } from "./claims.ts";

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
  },
  {
    id: "memory/peak/1kB",
    says: "the same, 10,000 records of 1 kB",
    file: "bench/memory.bench.ts",
    unit: "MB",
  },
  {
    id: "memory/peak/1MB",
    says: "the same, 40 records of 1 MB",
    file: "bench/memory.bench.ts",
    unit: "MB",
  },
  {
    id: "memory/peak/neighbour",
    says: "the highest at the neighbour that gets them all",
    file: "bench/memory.bench.ts",
    unit: "MB",
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
