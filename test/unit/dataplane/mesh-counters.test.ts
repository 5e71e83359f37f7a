import { describe, expect, test } from "bun:test";
import { concat } from "../../../runtime/base/bytes.ts";
import { parseIp } from "../../../runtime/base/ip.ts";
import {
  busiestFlows,
  decodeCounts,
  decodeEvents,
  decodeFlows,
  eventsLost,
  meshDrops,
} from "../../../runtime/dataplane/mesh-counters.ts";
import {
  MESH_DROPS,
  MESH_STATE,
  MeshCount,
  MeshEvent,
  MeshFlow,
  MeshFlowKey,
} from "../../../runtime/dataplane/mesh-layout.ts";
import { LEAF, LEAF_ALLOWS } from "../../../runtime/policy/trie.ts";

const local = parseIp("fd00::1") as Uint8Array;
const remote = parseIp("fd00::b") as Uint8Array;
const KEY = { local, remote, localPort: 22, remotePort: 4000, protocol: 6 };
const FLOW = {
  first: 1_000_000_000n,
  last: 1_500_000_000n,
  inPackets: 1n,
  inBytes: 60n,
  outPackets: 2n,
  outBytes: 120n,
  generation: 1,
  leaf: (LEAF | LEAF_ALLOWS | 7) >>> 0,
  opener: 0,
  state: MESH_STATE.answered as number,
  drop: 0,
};
const flowBytes = (key: Partial<typeof KEY> = {}, flow: Partial<typeof FLOW> = {}): Uint8Array =>
  concat(MeshFlowKey.encode({ ...KEY, ...key }), MeshFlow.encode({ ...FLOW, ...flow }));

describe("what the kernel tells", () => {
  test("of flows is decoded, with ages at the moment of the look", () => {
    expect(decodeFlows({ now: 2000, bytes: flowBytes() })).toEqual([
      {
        local: "fd00::1",
        remote: "fd00::b",
        protocol: 6,
        localPort: 22,
        remotePort: 4000,
        echoId: undefined,
        opener: "in",
        rule: 7,
        drop: undefined,
        in: { packets: 1, bytes: 60 },
        out: { packets: 2, bytes: 120 },
        answered: true,
        closing: false,
        age: 1000,
        idle: 500,
      },
    ]);
  });

  test("of echoes has no ports, of IPv4 its own addresses, of a denied attempt the reason and no rule", () => {
    const v4 = parseIp("::ffff:10.0.0.1") as Uint8Array;
    const bytes = concat(
      flowBytes({ protocol: 58 }),
      flowBytes({ local: v4 }, { leaf: LEAF, drop: MESH_DROPS.indexOf("default") + 1, opener: 1 }),
    );
    expect(decodeFlows({ now: 2000, bytes })).toMatchObject([
      { protocol: 58, localPort: undefined, remotePort: undefined, echoId: 22 },
      { local: "10.0.0.1", rule: undefined, drop: "default", opener: "out" },
    ]);
  });

  test("of many flows is the busiest, without those that are over", () => {
    const later = 1000 + 300_000;
    const bytes = concat(
      flowBytes({ localPort: 1 }, { inBytes: 5n }),
      flowBytes({ localPort: 2 }, { inBytes: 50n }),
      flowBytes({ localPort: 3 }, { inBytes: 500n, state: MESH_STATE.closing }), // 240 s after FIN it is over
      flowBytes({ localPort: 4, protocol: 17 }, { inBytes: 500n }), // and UDP after 180 s
      flowBytes({ localPort: 5, protocol: 58 }, { last: BigInt(later) * 1_000_000n, inBytes: 6n }),
    );
    const { total, flows } = busiestFlows({ now: later, bytes }, 2);
    expect(total).toBe(3);
    expect(flows.map((f) => f.in.bytes)).toEqual([50, 6]);
  });

  test("of events is decoded", () => {
    const event = MeshEvent.encode({ ...KEY, opener: 1, drop: 1, leaf: LEAF + 3, time: 5_000_000n });
    expect(decodeEvents(concat(event, event))).toHaveLength(2);
    expect(decodeEvents(event)).toMatchObject([{ opener: "out", drop: "rule", rule: 3, time: 5 }]);
  });

  test("of counters is decoded", () => {
    const bytes = concat(MeshCount.encode({ packets: 1n, bytes: 2n }), MeshCount.encode({ packets: 3n, bytes: 4n }));
    expect(decodeCounts(bytes)).toEqual([
      { packets: 1, bytes: 2 },
      { packets: 3, bytes: 4 },
    ]);
  });

  test("of drops is told by direction and reason", () => {
    const counts = Array.from({ length: 2 * MESH_DROPS.length + 1 }, (_, i) => i);
    expect(meshDrops(counts).in).toMatchObject({ rule: 0, malformed: 6 });
    expect(meshDrops(counts).out).toMatchObject({ rule: 7, malformed: 13 });
    expect(eventsLost(counts)).toBe(14);
  });

  test("is refused when a reserved byte is set", () => {
    const bytes = flowBytes();
    bytes[MeshFlowKey.size - 1] = 1;
    expect(() => decodeFlows({ now: 0, bytes })).toThrow(RangeError);
  });
});
