import type { Claim } from "./claims.ts";

/** What may be claimed of several gateways together: how they come up, and what they do when a way ends. */
export const MESH_CLAIMS: readonly Claim[] = [
  {
    id: "switch/alive",
    says: "longest gap in a flow of 1,000 packets a second when the wire behind its relay falls silent, median",
    file: "bench/switch.bench.ts",
    unit: "ms",
    atMost: 50,
  },
  {
    id: "switch/frozen",
    says: "the same while the relay's daemon stands still",
    file: "bench/switch.bench.ts",
    unit: "ms",
    atMost: 50,
  },
  {
    id: "switch/replay",
    says: "the same, and recorded frames of the silent wire are played to the relay, 1,000 a second",
    file: "bench/switch.bench.ts",
    unit: "ms",
    atMost: 50,
  },
  {
    id: "switch/long",
    says: "the same after the relay's daemon has stood still for 100 s",
    file: "bench/switch.bench.ts",
    unit: "ms",
    atMost: 50,
  },
  {
    id: "subnet/kill",
    says: "longest time without an answer from a subnet, pinged 100 times a second, when its gateway is killed and another announces it too, median",
    file: "bench/subnet.bench.ts",
    unit: "ms",
    atMost: 1000,
  },
  {
    id: "subnet/freeze",
    says: "the same when the gateway's daemon is stopped",
    file: "bench/subnet.bench.ts",
    unit: "ms",
    atMost: 1000,
  },
  {
    id: "subnet/cut",
    says: "the same when the gateway's wire to the underlay falls silent",
    file: "bench/subnet.bench.ts",
    unit: "ms",
    atMost: 1000,
  },
  {
    id: "mesh-start/pair/known",
    says: "second gateway up to first overlay answer, it knows the first and where it was, median",
    file: "bench/mesh-start.bench.ts",
    unit: "ms",
    atMost: 150,
  },
  {
    id: "mesh-start/pair/beacon",
    says: "the same, neither knows where the other is",
    file: "bench/mesh-start.bench.ts",
    unit: "ms",
    atMost: 150,
  },
  {
    id: "mesh-start/ten/all",
    says: "ten gateways on one link, started at once on this one machine, until all have reached all, median",
    file: "bench/mesh-start.bench.ts",
    unit: "ms",
    atMost: 3000,
  },
  {
    id: "mesh-start/ten/cpu",
    says: "CPU time that the ten daemons have used by then, together",
    file: "bench/mesh-start.bench.ts",
    unit: "s",
  },
];
