/** The programs on the overlay device: loaded, given a policy, attached. One table follows another; no packet passes without one. */
import { concat } from "../base/bytes.ts";
import { messageOf } from "../base/errors.ts";
import { PolicyProgram } from "../policy/compile.ts";
import type { Identity, Policy, PolicySubnet } from "../policy/policy.ts";
import type { Addon, MeshFilter } from "./addon.io.ts";
import {
  busiestFlows,
  type Carried,
  decodeCounts,
  decodeEvents,
  eventsLost,
  type FlowEvent,
  meshDrops,
} from "./mesh-counters.ts";
import { MESH_LIMITS } from "./mesh-layout.ts";

/** Two policies have their rules' counters beside each other, so that one begins at zero while packets still count for the other. */
const HALF = MESH_LIMITS.maxCounters / 2;

interface Programmed {
  /** What the policy takes us for. */
  readonly key: string;
  readonly policy: Policy | undefined;
  readonly program: PolicyProgram;
}

export class MeshGuard {
  readonly #filter: MeshFilter;
  readonly #self: string;
  #generation = 0;
  #policy: Policy | undefined;
  #program: Programmed | undefined;
  #base = 0;
  #hook = "";

  private constructor(filter: MeshFilter, self: string) {
    this.#filter = filter;
    this.#self = self;
  }

  /** For the gateway with this overlay address. The reason is text for people. */
  static load(addon: Addon, object: Uint8Array | undefined, self: string): MeshGuard | { readonly reason: string } {
    if (!object) return { reason: "the programs were not built (clang)" };
    try {
      return new MeshGuard(addon.loadMeshFilter(object), self);
    } catch (error) {
      return { reason: reasonOf(error) };
    }
  }

  /** The reason why not, or undefined. A table has to be in force before. */
  attach(device: string): string | undefined {
    try {
      this.#hook = this.#filter.attach(device, false);
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  }

  get hook(): string {
    return this.#hook;
  }

  /** From the next packet on. Another policy has counters of its own, from zero. Throws `policy/too-large`, or what the kernel says. */
  enforce(policy: Policy | undefined, members: readonly Identity[], subnets: readonly PolicySubnet[] = []): void {
    const other = policy !== this.#policy;
    const counterBase = other ? HALF - this.#base : this.#base;
    const generation = this.#generation + 1;
    const program = this.#programFor(policy, members);
    const table = program.program.table({ members, subnets, generation, counterBase });
    if (other) this.#filter.clearRuleCounters(counterBase, countersOf(policy));
    this.#filter.replace(table);
    this.#program = program;
    this.#generation = generation;
    this.#policy = policy;
    this.#base = counterBase;
  }

  /** The one at hand, while neither the policy nor what it takes us for has changed. */
  #programFor(policy: Policy | undefined, members: readonly Identity[]): Programmed {
    const self = members.find((m) => m.address === this.#self) ?? { name: "", address: this.#self, roles: [] };
    const key = JSON.stringify(self);
    if (this.#program?.key === key && this.#program.policy === policy) return this.#program;
    return { key, policy, program: new PolicyProgram(policy, self) };
  }

  /** What was counted for the default, then for each rule of the policy in force. */
  counters(): Carried[] {
    return decodeCounts(this.#filter.ruleCounters(this.#base, countersOf(this.#policy)));
  }

  drops(): ReturnType<typeof meshDrops> {
    return meshDrops(this.#filter.dropCounters());
  }

  /** Those that are not over and attempts that were denied; the busiest `most`, and how many there are. */
  flows(most: number): ReturnType<typeof busiestFlows> {
    const { now, bytes } = this.#filter.flows(false);
    return busiestFlows({ now, bytes: concat(bytes, this.#filter.flows(true).bytes) }, most);
  }

  events(most: number): FlowEvent[] {
    return decodeEvents(this.#filter.events(most));
  }

  eventsLost(): number {
    return eventsLost(this.#filter.dropCounters());
  }

  close(): void {
    this.#filter.close();
  }
}

const countersOf = (policy: Policy | undefined): number => 1 + (policy?.rules.length ?? 0);

/** The first line: the rest is the verifier's. */
function reasonOf(error: unknown): string {
  const { code = "" } = error as { code?: string };
  if (code === "EPERM") return "no privilege to load BPF (CAP_BPF, CAP_NET_ADMIN)";
  if (code === "EACCES")
    return "the kernel's verifier refuses the programs: does it take CAP_PERFMON, which is not there?";
  return messageOf(error).split("\n")[0] ?? "refused";
}
