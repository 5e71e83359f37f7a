/**
 * What the policy costs per packet: `bun bench/policy.bench.ts [--rounds N] [--json FILE]`, as root.
 *
 * Method. The program on the overlay device, run by the kernel on the same packet over and over (BPF_PROG_TEST_RUN, 20,000 times), on 32
 * packets of random members; nanoseconds per run as the kernel measures them. A thousand members; rules by name, by role and about any, each
 * about ports of its own. Policies of 10 and of 10,000 rules alternate; of each packet the least of all rounds counts, since others use the
 * machine too, and a figure is the median over the packets.
 *
 *   known     TCP of a flow that is known
 *   judged    a packet that opens no flow (ICMPv6), allowed by the last rule: the rules are asked for every one
 *   denied    TCP that no rule matches: the rules are asked, and the attempt is counted
 *
 * `set` is the time from the policy's text to its being in force, with a thousand members, ms.
 */
import { parseArgs } from "node:util";
import { loadAddon, meshObject } from "../runtime/dataplane/addon.io.ts";
import { MeshGuard } from "../runtime/dataplane/mesh-guard.io.ts";
import { readPolicy } from "../runtime/policing.io.ts";
import { PolicyProgram } from "../runtime/policy/compile.ts";
import type { Identity } from "../runtime/policy/policy.ts";
import { icmp, TCP, tcp, v6 } from "../test/help/overlay-packet.ts";
import { seededNumber } from "../test/help/seeded.ts";
import type { Row } from "./table.ts";

const SIZES = [10, 10_000] as const;
const REPEAT = 20_000;
const PACKETS = 32;
const SELF = "fd00::1";
const OWN: Identity = { name: "self", address: SELF, roles: [] };
const MEMBERS: readonly Identity[] = [
  OWN,
  ...Array.from({ length: 1000 }, (_, i) => ({
    name: `gw-${i}`,
    address: `fd00::1:${(i + 1).toString(16)}`,
    roles: [`r-${i % 20}`],
  })),
];

/** The last two rules are what the packets meet: TCP to port 22, and ICMP. */
function policyOf(size: number): string {
  const rules = Array.from({ length: size - 2 }, (_, i) => {
    const who = [`gw-${i % 1000}`, `role:r-${i % 20}`, "any"][i % 3];
    return `"${i % 2 === 0 ? "allow" : "deny"} from ${who} to self tcp ${1024 + ((37 * i) % 60_000)}"`;
  });
  return `default = "deny"\nrules = [${[...rules, '"allow from any to self tcp 22"', '"allow from any to self icmp"'].join(",\n")}]`;
}

function cost(packet: Uint8Array): number {
  filter.run(packet, { out: false, segment: 0, repeat: 1 }); // the first packet of a flow is another matter
  return filter.run(packet, { out: false, segment: 0, repeat: REPEAT }).nanoseconds;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" }, json: { type: "string" } } });
const { addon, reason } = loadAddon();
const object = meshObject();
if (!addon || !object) throw new Error(reason ?? "the BPF objects are not built");

const random = seededNumber("policy");
const members = Array.from({ length: PACKETS }, () => MEMBERS[1 + Math.floor(1000 * random())] as Identity);
const KINDS = {
  known: (from: string) => v6({ from, to: SELF }, 6, tcp(4000, 22, TCP.ack, 1000)),
  judged: (from: string) => v6({ from, to: SELF }, 58, icmp(136, 0)),
  denied: (from: string) => v6({ from, to: SELF }, 6, tcp(4000, 23, TCP.ack, 1000)),
};
const filter = addon.loadMeshFilter(object);
const least = new Map<string, number[]>(); // by packet
let generation = 0;
for (let round = 0; round < Number(values.rounds); round++) {
  for (const size of SIZES) {
    const { policy } = readPolicy(policyOf(size));
    filter.replace(
      new PolicyProgram(policy, OWN).table({ members: MEMBERS, generation: ++generation, counterBase: 0, link: 14 }),
    );
    for (const [kind, packetFrom] of Object.entries(KINDS)) {
      const id = `policy/${kind}/${size}`;
      const known = least.get(id) ?? [];
      least.set(
        id,
        members.map(({ address }, at) => Math.min(known[at] ?? Number.POSITIVE_INFINITY, cost(packetFrom(address)))),
      );
    }
  }
}
filter.close();

const guard = MeshGuard.load(addon, object, SELF);
if ("reason" in guard) throw new Error(guard.reason);
const times: number[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const text = policyOf(10_000);
  const started = performance.now();
  guard.enforce(readPolicy(text).policy, MEMBERS);
  times.push(performance.now() - started);
}
guard.close();

const rows: Row[] = [
  ...[...least].map(([id, all]) => ({ id, value: median(all), unit: "ns" })),
  { id: "policy/set/10000", value: median(times), unit: "ms" },
];
for (const { id, value, unit } of rows) console.log(`${id.padEnd(24)}${value.toFixed(0).padStart(8)} ${unit}`);
if (values.json) await Bun.write(values.json, `${JSON.stringify(rows, null, 2)}\n`);
