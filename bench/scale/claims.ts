/** What may be claimed of routing as the mesh grows: rows of `bench/claims.ts`. Simulated, signatures of full size. */
import type { Claim } from "../claims.ts";

const file = "bench/scale.bench.ts";

export const SCALE_CLAIMS: readonly Claim[] = [
  {
    id: "scale/convergence/10",
    says: "routing, 10 gateways: from a link's death, detection included, to the last route anywhere, median (simulated time)",
    file,
    unit: "ms",
  },
  { id: "scale/convergence/1000", says: "the same, 1,000 gateways", file, unit: "ms", atMost: 500 },
  { id: "scale/convergence-most/1000", says: "the same, the slowest of 15", file, unit: "ms", atMost: 1000 },
  {
    id: "scale/link/10",
    says: "routing, 10 gateways: sent by each when a link dies, datagrams and acknowledgements included",
    file,
    unit: "bytes",
  },
  { id: "scale/link/1000", says: "the same, 1,000 gateways", file, unit: "bytes", atMost: 6000 },
  { id: "scale/flap/1000", says: "the same when a link dies and comes back", file, unit: "bytes" },
  { id: "scale/join/1000", says: "the same when a gateway joins with eight neighbours", file, unit: "bytes" },
  { id: "scale/partition/1000", says: "the same when a third of the mesh parts and comes back", file, unit: "bytes" },
  {
    id: "scale/idle/1000",
    says: "routing, 1,000 gateways: sent by each while nothing changes",
    file,
    unit: "B/s",
    atMost: 250,
  },
  {
    id: "scale/cold-bytes/1000",
    says: "routing, 1,000 gateways: what one that knows nothing is sent (certificates come by gossip)",
    file,
    unit: "MB",
    atMost: 6,
  },
  {
    id: "scale/cold-time/1000",
    says: "the same, until it has every route (simulated time, links without limit)",
    file,
    unit: "ms",
  },
  { id: "scale/memory/1000", says: "routing, 1,000 gateways: memory of one", file, unit: "MB", atMost: 20 },
  { id: "scale/cpu/1000", says: "routing, 1,000 gateways: CPU of one for a link's death", file, unit: "ms" },
  {
    id: "scale/spf-full/1000",
    says: "shortest paths to 1,000 gateways of degree 8, from nothing",
    file,
    unit: "ms",
    atMost: 20,
  },
  {
    id: "scale/spf-event/1000",
    says: "after one change: ours, those of our neighbours, all next hops and backups",
    file,
    unit: "ms",
    atMost: 1,
  },
  { id: "scale/spf-tree/1000", says: "the same, our own shortest paths alone", file, unit: "us" },
  { id: "scale/spf-full/4000", says: "shortest paths to 4,000 gateways, from nothing", file, unit: "ms" },
  { id: "scale/spf-event/4000", says: "the same after one change, all next hops and backups", file, unit: "ms" },
  { id: "scale/list", says: "a link list of eight neighbours with its signature", file, unit: "bytes", atMost: 4000 },
  { id: "scale/reveal", says: "a change of a link's state", file, unit: "bytes", atMost: 70 },
  { id: "scale/chain", says: "making a hash chain of 255 steps", file, unit: "us", ratioTo: "scale/verify", atMost: 2 },
  { id: "scale/verify", says: "verifying a list's signature (Ed25519 and ML-DSA-65)", file, unit: "us" },
];
