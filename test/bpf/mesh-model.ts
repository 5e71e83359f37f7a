/**
 * What the programs on the overlay device must do, said again: packets as what they mean instead of bytes, rules one after the
 * other instead of a table, flows in a map. No time passes here.
 */
import type { MeshDirection } from "../../runtime/dataplane/mesh-layout.ts";
import { evaluate } from "../../runtime/policy/evaluate.ts";
import type { Identity, Policy } from "../../runtime/policy/policy.ts";
import { fragment, icmp, TCP, tcp, udp, v6 } from "../help/overlay-packet.ts";
import type { Fate } from "./mesh-lab.ts";

interface Base {
  readonly direction: MeshDirection;
  readonly local: string;
  readonly remote: string;
}

export type Packet = Base &
  (
    | { readonly kind: "tcp"; readonly localPort: number; readonly remotePort: number; readonly flags: number }
    | { readonly kind: "udp"; readonly localPort: number; readonly remotePort: number }
    | { readonly kind: "request" | "reply"; readonly id: number }
    | { readonly kind: "icmp" }
    /** About a TCP packet of the same two ends that went the other way. */
    | { readonly kind: "error"; readonly localPort: number; readonly remotePort: number }
    | { readonly kind: "other"; readonly protocol: number }
    /** Of a UDP datagram. */
    | { readonly kind: "first"; readonly localPort: number; readonly remotePort: number; readonly id: number }
    | { readonly kind: "later"; readonly id: number }
  );

const ICMPV6 = 58;
const opposite = (d: MeshDirection): MeshDirection => (d === "in" ? "out" : "in");

export function bytesOf(p: Packet): Uint8Array {
  const ends = p.direction === "in" ? { from: p.remote, to: p.local } : { from: p.local, to: p.remote };
  const ports = (q: { readonly localPort: number; readonly remotePort: number }): [number, number] =>
    p.direction === "in" ? [q.remotePort, q.localPort] : [q.localPort, q.remotePort];
  switch (p.kind) {
    case "tcp":
      return v6(ends, 6, tcp(...ports(p), p.flags));
    case "udp":
      return v6(ends, 17, udp(...ports(p), 10));
    case "request":
      return v6(ends, ICMPV6, icmp(128, p.id));
    case "reply":
      return v6(ends, ICMPV6, icmp(129, p.id));
    case "icmp":
      return v6(ends, ICMPV6, icmp(136, 0));
    case "error": {
      const [source, port] = ports(p);
      return v6(ends, ICMPV6, icmp(1, 0, v6({ from: ends.to, to: ends.from }, 6, tcp(port, source, TCP.ack))));
    }
    case "other":
      return v6(ends, p.protocol, new Uint8Array(8));
    case "first":
      return v6(ends, 44, fragment(17, udp(...ports(p), 8), p.id, 0, true));
    case "later":
      return v6(ends, 44, fragment(17, new Uint8Array(8), p.id, 2, false));
  }
}

export interface ModelFlow {
  readonly opener: MeshDirection;
  in: number;
  out: number;
  rule: number;
  generation: number;
  answered: boolean;
  closing: boolean;
}

interface Decision {
  readonly fate: Fate;
  readonly rule: number;
}

export class Model {
  readonly flows = new Map<string, ModelFlow>();
  /** Packets by rule, since the policy was replaced. */
  counted = new Map<number, number>();
  readonly #self: string;
  readonly #fragments = new Map<string, { readonly generation: number; readonly rule: number }>();
  #policy: Policy | undefined;
  #members: readonly Identity[] = [];
  #generation = 0;

  constructor(self: string) {
    this.#self = self;
  }

  enforce(policy: Policy | undefined, members: readonly Identity[]): void {
    this.#policy = policy;
    this.#members = members;
    this.#generation++;
    this.counted = new Map();
  }

  send(p: Packet): Fate {
    const { fate, rule } = this.#judge(p);
    if (rule >= 0) this.counted.set(rule, (this.counted.get(rule) ?? 0) + 1);
    return fate;
  }

  /** `rule` -1: no counter grows. */
  #judge(p: Packet): Decision {
    if (p.kind === "later") return this.#judgeLater(p);
    const key = keyOf(p);
    const flow = key === undefined ? undefined : this.flows.get(key);
    if (flow && key !== undefined && isPartOf(p, flow)) return this.#goOn(p, key, flow);
    const decided = this.#decide(p, p.direction);
    if (decided.fate === "pass") this.#open(p, key, decided.rule);
    return decided;
  }

  #judgeLater(p: Extract<Packet, { kind: "later" }>): Decision {
    if (!this.#policy) return { fate: "pass", rule: -1 };
    const first = this.#fragments.get(fragmentKey(p));
    if (first?.generation !== this.#generation) return { fate: "fragment", rule: -1 };
    return { fate: "pass", rule: first.rule };
  }

  #goOn(p: Packet, key: string, flow: ModelFlow): Decision {
    if (flow.generation !== this.#generation) {
      const opening: Packet = p.kind === "error" ? { ...p, kind: "tcp", flags: 0 } : p; // the flow that it is about
      const again = this.#decide(opening, flow.opener);
      if (again.fate !== "pass") {
        this.flows.delete(key);
        return again;
      }
      flow.rule = again.rule;
      flow.generation = this.#generation;
    }
    if (p.kind !== "error") {
      flow[p.direction]++;
      if (p.direction !== flow.opener) flow.answered = true;
      if (p.kind === "tcp" && p.flags & (TCP.fin | TCP.rst)) flow.closing = true;
    }
    this.#noteFirst(p, flow.rule);
    return { fate: "pass", rule: flow.rule };
  }

  #open(p: Packet, key: string | undefined, rule: number): void {
    this.#noteFirst(p, rule);
    if (key === undefined || p.kind === "reply" || p.kind === "error") return;
    const flow = {
      opener: p.direction,
      in: 0,
      out: 0,
      rule,
      generation: this.#generation,
      answered: false,
      closing: false,
    };
    flow[p.direction]++;
    this.flows.set(key, flow);
  }

  #noteFirst(p: Packet, rule: number): void {
    if (p.kind === "first") this.#fragments.set(fragmentKey(p), { generation: this.#generation, rule });
  }

  /** As if the packet, or the one that opened its flow, went in `direction`. */
  #decide(p: Packet, direction: MeshDirection): Decision {
    if (!this.#policy) return { fate: "pass", rule: 0 };
    const [near, far] = [p.local, p.remote].map((a) => this.#members.find((m) => m.address === a));
    if (!near || !far || p.local !== this.#self || p.remote === this.#self) return { fate: "stranger", rule: -1 };
    const [from, to] = direction === "in" ? [far, near] : [near, far];
    const attempt = { from, to, protocol: protocolOf(p), port: portOf(p, direction) };
    const { action, rule } = evaluate(this.#policy, this.#self, attempt);
    if (action === "allow") return { fate: "pass", rule: rule ?? 0 };
    return { fate: rule === undefined ? "default" : "rule", rule: rule ?? 0 };
  }
}

const NUMBERS = {
  tcp: 6,
  udp: 17,
  first: 17,
  later: 17,
  request: ICMPV6,
  reply: ICMPV6,
  icmp: ICMPV6,
  error: ICMPV6,
} as const;
const protocolOf = (p: Packet): number => (p.kind === "other" ? p.protocol : NUMBERS[p.kind]);

/** The destination's, for a packet in `direction`. */
function portOf(p: Packet, direction: MeshDirection): number {
  if (p.kind !== "tcp" && p.kind !== "udp" && p.kind !== "first") return 0;
  return direction === "in" ? p.localPort : p.remotePort;
}

/** Undefined for what is never part of a flow. */
function keyOf(p: Packet): string | undefined {
  const ends = [p.local, p.remote];
  switch (p.kind) {
    case "tcp":
    case "error":
      return [...ends, 6, p.localPort, p.remotePort].join(" ");
    case "udp":
    case "first":
      return [...ends, 17, p.localPort, p.remotePort].join(" ");
    case "request":
      return [...ends, ICMPV6, p.id, p.direction].join(" ");
    case "reply":
      return [...ends, ICMPV6, p.id, opposite(p.direction)].join(" ");
    case "other":
      return [...ends, p.protocol, 0, p.direction].join(" ");
    default:
      return undefined;
  }
}

const fragmentKey = (p: Base & { readonly id: number }): string => [p.direction, p.local, p.remote, p.id].join(" ");

function isPartOf(p: Packet, flow: ModelFlow): boolean {
  if (p.kind !== "tcp" || (p.flags & (TCP.syn | TCP.ack)) !== TCP.syn) return true;
  return p.direction === flow.opener && !flow.closing;
}
