/** The programs on the overlay device, run on packets by BPF_PROG_TEST_RUN, and what they counted. */
import { concat } from "../../runtime/base/bytes.ts";
import { loadAddon, type MeshFilter, meshObject } from "../../runtime/dataplane/addon.io.ts";
import {
  type Carried,
  decodeCounts,
  decodeEvents,
  decodeFlows,
  eventsLost,
  type Flow,
  type FlowEvent,
} from "../../runtime/dataplane/mesh-counters.ts";
import {
  MESH_DROPS,
  type MeshDirection,
  type MeshDrop,
  MeshFlow,
  MeshFlowKey,
} from "../../runtime/dataplane/mesh-layout.ts";

import type { Identity, Policy, PolicySubnet } from "../../runtime/policy/policy.ts";
import type { FlowTimes } from "../../runtime/policy/table.ts";
import { able } from "../help/require.ts";
import { compilePolicy } from "../unit/policy/world.ts";

export function canRun(file: string): boolean {
  if (!able(file, "addon", "root")) return false;
  const { bpf, libbpf } = loadAddon().addon?.probe() ?? { bpf: "no addon", libbpf: "" };
  const lack = bpf !== "" ? `BPF is refused (${bpf})` : libbpf === "" ? "libbpf.so.1 is not installed" : undefined;
  const reason = lack ?? (meshObject() ? undefined : "the BPF objects are not built (clang)");
  if (reason) console.log(`SKIP ${file}: ${reason}`);
  return reason === undefined;
}

/** What became of a packet: it passed, or why not; packets counted with the reason. */
export type Fate = "pass" | MeshDrop;

export class MeshLab {
  readonly filter: MeshFilter;
  /** Our overlay address, from the next table on. */
  self: string;
  #generation = 0;

  constructor(self: string) {
    const { addon } = loadAddon();
    const object = meshObject();
    if (!addon || !object) throw new Error("neither addon nor object");
    this.filter = addon.loadMeshFilter(object);
    this.self = self;
  }

  /** A new table, with fresh counters. */
  enforce(
    policy: Policy | undefined,
    members: readonly Identity[],
    times?: FlowTimes,
    subnets: readonly PolicySubnet[] = [],
  ): void {
    this.#generation++;
    this.filter.clearRuleCounters(0, 32);
    const terms = { policy, members, subnets, self: this.self, generation: this.#generation, counterBase: 0, link: 14 };
    this.filter.replace(compilePolicy(times ? { ...terms, times } : terms));
  }

  send(direction: MeshDirection, packet: Uint8Array, segment = 0): { readonly fate: Fate; readonly count: number } {
    const before = this.filter.dropCounters();
    const { code } = this.filter.run(packet, { out: direction === "out", segment, repeat: 1 });
    const grown = this.filter.dropCounters().map((n, at) => n - (before[at] ?? 0));
    const counted = grown.slice(0, 2 * MESH_DROPS.length).flatMap((n, at) => (n > 0 ? [{ n, at }] : []));
    const [one, ...more] = counted;
    if (more.length > 0 || (code === 2) !== (one !== undefined) || (code !== 2 && code !== -1))
      throw new Error(`code ${code}, counted ${JSON.stringify(counted)}`);
    if (!one) return { fate: "pass", count: 0 };
    if (Math.floor(one.at / MESH_DROPS.length) !== (direction === "out" ? 1 : 0))
      throw new Error("the wrong direction");
    return { fate: MESH_DROPS[one.at % MESH_DROPS.length] as MeshDrop, count: one.n };
  }

  /** Those that the table in force has judged. */
  flows(): Flow[] {
    const { now, bytes } = this.filter.flows(false);
    const size = MeshFlowKey.size + MeshFlow.size;
    const parts = Array.from({ length: bytes.length / size }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
    const current = parts.filter((p) => MeshFlow.decode(p.subarray(MeshFlowKey.size))?.generation === this.#generation);
    return decodeFlows({ now, bytes: concat(...current) });
  }

  /** Of any table. */
  allFlows(): Flow[] {
    return decodeFlows(this.filter.flows(false));
  }

  denied(): Flow[] {
    return decodeFlows(this.filter.flows(true));
  }

  events(most = 1 << 16): FlowEvent[] {
    return decodeEvents(this.filter.events(most));
  }

  lost(): number {
    return eventsLost(this.filter.dropCounters());
  }

  /** Of the default, then of each rule. */
  rules(count: number): Carried[] {
    return decodeCounts(this.filter.ruleCounters(0, count + 1));
  }

  close(): void {
    this.filter.close();
  }
}
