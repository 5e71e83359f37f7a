/** Flows, events and counters of the overlay device as the addon gives them, decoded. */
import { formatIp } from "../base/ip.ts";
import { WITH_PORTS } from "../policy/policy.ts";
import { LEAF_NUMBER } from "../policy/trie.ts";
import {
  MESH_DIRECTIONS,
  MESH_DROPS,
  MESH_STATE,
  MeshCount,
  type MeshDirection,
  type MeshDrop,
  MeshEvent,
  MeshFlow,
  MeshFlowKey,
} from "./mesh-layout.ts";

export interface FlowIds {
  /** Canonical text. */
  readonly local: string;
  readonly remote: string;
  readonly protocol: number;
  /** Undefined where the protocol has no ports. */
  readonly localPort: number | undefined;
  readonly remotePort: number | undefined;
  /** Who opened it: `in` is the remote end. */
  readonly opener: MeshDirection;
  /** Of the rule that decided, from 1; undefined for the default. */
  readonly rule: number | undefined;
  /** Why it was denied. */
  readonly drop: MeshDrop | undefined;
}

export interface Carried {
  readonly packets: number;
  readonly bytes: number;
}

export interface Flow extends FlowIds {
  readonly in: Carried;
  readonly out: Carried;
  readonly answered: boolean;
  readonly closing: boolean;
  /** Milliseconds since the first and the last packet. */
  readonly age: number;
  readonly idle: number;
}

export interface FlowEvent extends FlowIds {
  /** CLOCK_MONOTONIC, ms. */
  readonly time: number;
}

const MAPPED = /^::ffff:(?=\d+\.)/;
const NS = 1e6;

interface Raw {
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
  readonly protocol: number;
  readonly opener: number;
  readonly drop: number;
  readonly leaf: number;
}

function idsOf(raw: Raw): FlowIds {
  const ports = WITH_PORTS.includes(raw.protocol);
  return {
    local: formatIp(raw.local).replace(MAPPED, ""),
    remote: formatIp(raw.remote).replace(MAPPED, ""),
    protocol: raw.protocol,
    localPort: ports ? raw.localPort : undefined,
    remotePort: ports ? raw.remotePort : undefined,
    opener: MESH_DIRECTIONS[raw.opener] ?? "in",
    rule: raw.leaf & LEAF_NUMBER || undefined,
    drop: MESH_DROPS[raw.drop - 1],
  };
}

/** `now` is CLOCK_MONOTONIC in ms, as the addon gives it beside the bytes. */
export function decodeFlows({ now, bytes }: { readonly now: number; readonly bytes: Uint8Array }): Flow[] {
  const size = MeshFlowKey.size + MeshFlow.size;
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => {
    const key = MeshFlowKey.decode(bytes.subarray(i * size));
    const flow = MeshFlow.decode(bytes.subarray(i * size + MeshFlowKey.size));
    if (!key || !flow) throw new RangeError("a flow of the kernel has a reserved byte set");
    return {
      ...idsOf({ ...key, ...flow }),
      in: { packets: Number(flow.inPackets), bytes: Number(flow.inBytes) },
      out: { packets: Number(flow.outPackets), bytes: Number(flow.outBytes) },
      answered: (flow.state & MESH_STATE.answered) !== 0,
      closing: (flow.state & MESH_STATE.closing) !== 0,
      age: Math.max(0, now - Number(flow.first) / NS),
      idle: Math.max(0, now - Number(flow.last) / NS),
    };
  });
}

export function decodeEvents(bytes: Uint8Array): FlowEvent[] {
  return Array.from({ length: Math.floor(bytes.length / MeshEvent.size) }, (_, i) => {
    const event = MeshEvent.decode(bytes.subarray(i * MeshEvent.size));
    if (!event) throw new RangeError("an event of the kernel has a reserved byte set");
    return { ...idsOf(event), time: Number(event.time) / NS };
  });
}

export function decodeCounts(bytes: Uint8Array): Carried[] {
  return Array.from({ length: Math.floor(bytes.length / MeshCount.size) }, (_, i) => {
    const count = MeshCount.decode(bytes.subarray(i * MeshCount.size));
    return { packets: Number(count?.packets), bytes: Number(count?.bytes) };
  });
}

/** Dropped packets by direction and reason, from the addon's list. */
export function meshDrops(counts: readonly number[]): Record<MeshDirection, Record<MeshDrop, number>> {
  const of = (direction: number): Record<MeshDrop, number> =>
    Object.fromEntries(MESH_DROPS.map((name, at) => [name, counts[direction * MESH_DROPS.length + at] ?? 0])) as Record<
      MeshDrop,
      number
    >;
  return { in: of(0), out: of(1) };
}

/** Events for which there was no room. */
export const eventsLost = (counts: readonly number[]): number => counts[2 * MESH_DROPS.length] ?? 0;
