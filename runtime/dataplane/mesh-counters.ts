/** Flows, events and counters of the overlay device as the addon gives them, decoded. */
import { formatIp } from "../base/ip.ts";
import { PROTOCOL, WITH_PORTS } from "../policy/policy.ts";
import { FLOW_TIMES } from "../policy/table.ts";
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
  /** Of an ICMP echo, which tells its flows apart. */
  readonly echoId: number | undefined;
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
    echoId: raw.protocol === PROTOCOL.icmp || raw.protocol === PROTOCOL.icmpv6 ? raw.localPort : undefined,
    opener: MESH_DIRECTIONS[raw.opener] ?? "in",
    rule: raw.leaf & LEAF_NUMBER || undefined,
    drop: MESH_DROPS[raw.drop - 1],
  };
}

/** As the addon gives them: `now` is CLOCK_MONOTONIC in ms. */
export interface FlowBytes {
  readonly now: number;
  readonly bytes: Uint8Array;
}

const SIZE = MeshFlowKey.size + MeshFlow.size;
const partAt = (bytes: Uint8Array, at: number): Uint8Array => bytes.subarray(at, at + SIZE);

export const decodeFlows = ({ now, bytes }: FlowBytes): Flow[] =>
  Array.from({ length: Math.floor(bytes.length / SIZE) }, (_, i) => decodeFlow(partAt(bytes, i * SIZE), now));

function decodeFlow(part: Uint8Array, now: number): Flow {
  const key = MeshFlowKey.decode(part);
  const flow = MeshFlow.decode(part.subarray(MeshFlowKey.size));
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
}

/** Offsets in a flow with its key, for looking at many of them without decoding each. */
const at = (field: keyof typeof MeshFlow.offsets): number => MeshFlowKey.size + MeshFlow.offsets[field];
const AT = {
  protocol: MeshFlowKey.offsets.protocol,
  last: at("last"),
  in: at("inBytes"),
  out: at("outBytes"),
  state: at("state"),
  drop: at("drop"),
};

/** Those that are not over, how many they are, and of the busiest `most` all that is known. */
export function busiestFlows(
  { now, bytes }: FlowBytes,
  most: number,
): { readonly total: number; readonly flows: Flow[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const alive: { readonly place: number; readonly volume: number }[] = [];
  for (let place = 0; place + SIZE <= bytes.length; place += SIZE) {
    const idle = now - Number(view.getBigUint64(place + AT.last, true)) / NS;
    const state = view.getUint8(place + AT.state);
    if (idle >= patienceOf(view.getUint8(place + AT.protocol), state, view.getUint8(place + AT.drop) !== 0)) continue;
    const volume = Number(view.getBigUint64(place + AT.in, true)) + Number(view.getBigUint64(place + AT.out, true));
    alive.push({ place, volume });
  }
  const busiest = alive.sort((a, b) => b.volume - a.volume).slice(0, most);
  return { total: alive.length, flows: busiest.map(({ place }) => decodeFlow(partAt(bytes, place), now)) };
}

/** Milliseconds for which the kernel remembers a silent flow; a denied attempt stays to be seen for a while. */
function patienceOf(protocol: number, state: number, denied: boolean): number {
  if (denied) return FLOW_TIMES.openingMs;
  if (protocol === PROTOCOL.tcp) return state === MESH_STATE.answered ? FLOW_TIMES.tcpMs : FLOW_TIMES.openingMs;
  return WITH_PORTS.includes(protocol) ? FLOW_TIMES.udpMs : FLOW_TIMES.otherMs;
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
