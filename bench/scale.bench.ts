/**
 * Routing, and whole gateways, as the mesh grows: `bun bench/scale.bench.ts [--json FILE] [--sizes 10,30,100,300,1000] [--whole 10,30,100]
 * [--sparse 10,30,100,300]`. The shipped code, simulated; a plot goes to build/bench/scale.svg. Whole gateways that start from nothing take hours of
 * CPU by the hundreds: `--whole ""` does without. Those of `--sparse` begin acquainted and reach a few others each.
 */
import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { signHybrid, verifyHybrid } from "../runtime/crypto/hybrid-signature.ts";
import { LABEL } from "../runtime/crypto/labels.ts";
import { native } from "../runtime/crypto/native.ts";
import { STEPS_MAX, walkBack } from "../runtime/mesh/routing/chain.ts";
import { encodeList, SIGNATURE_BYTES } from "../runtime/mesh/routing/link-list.ts";
import { encodeMessage } from "../runtime/mesh/routing/message.ts";
import { plot } from "./plot.ts";
import { median } from "./rounds.ts";
import { type MeshFigures, meshFigures } from "./scale/mesh.ts";
import { type SparseFigures, sparseFigures } from "./scale/sparse.ts";
import { spfTimes } from "./scale/spf.ts";
import { type WholeFigures, wholeFigures } from "./scale/whole.ts";
import type { Row } from "./table.ts";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    sizes: { type: "string", default: "10,30,100,300,1000" },
    whole: { type: "string", default: "10,30,100" },
    sparse: { type: "string", default: "10,30,100,300" },
  },
});
const SPF_SIZES = [10, 100, 1000, 4000];

const FIGURES: readonly (readonly [id: string, of: (m: MeshFigures) => number, unit: string])[] = [
  ["convergence", (m) => m.convergence, "ms"],
  ["convergence-most", (m) => m.convergenceMost, "ms"],
  ["link", (m) => m.linkBytes, "bytes"],
  ["flap", (m) => m.flapBytes, "bytes"],
  ["join", (m) => m.joinBytes, "bytes"],
  ["partition", (m) => m.partitionBytes, "bytes"],
  ["idle", (m) => m.idle, "B/s"],
  ["cold-bytes", (m) => m.coldBytes / 1e6, "MB"],
  ["cold-time", (m) => m.coldTime, "ms"],
  ["memory", (m) => m.memory, "MB"],
  ["cpu", (m) => m.cpu, "ms"],
];

const WHOLE: readonly (readonly [id: keyof WholeFigures, name: string, unit: string])[] = [
  ["coldTime", "cold-time", "ms"],
  ["coldBytes", "cold-bytes", "MB"],
  ["coldCpu", "cold-cpu", "ms"],
  ["idle", "idle", "B/s"],
  ["idleCpu", "idle-cpu", "ms"],
  ["convergence", "convergence", "ms"],
  ["convergenceMost", "convergence-most", "ms"],
  ["flapBytes", "flap", "bytes"],
  ["joinBytes", "join", "bytes"],
  ["partitionBytes", "partition", "MB"],
  ["memory", "memory", "MB"],
];

const SPARSE: readonly (readonly [id: keyof SparseFigures, name: string, unit: string])[] = [
  ["idle", "idle", "B/s"],
  ["idleCpu", "idle-cpu", "ms"],
  ["convergence", "convergence", "ms"],
  ["convergenceMost", "convergence-most", "ms"],
  ["flapBytes", "flap", "bytes"],
  ["memory", "memory", "MB"],
];

const sizesOf = (list: string): number[] => list.split(",").filter(Boolean).map(Number);

const rows: Row[] = [];
const note = (id: string, value: number, unit: string): void => {
  rows.push({ id: `scale/${id}`, value, unit });
  console.log(`${`scale/${id}`.padEnd(34)}${value.toPrecision(4).padStart(12)} ${unit}`);
};

async function formats(): Promise<void> {
  const link = (i: number) => ({ neighbour: `${i}`.padStart(16, "0"), value: 1, anchor: new Uint8Array(32) });
  const links = Array.from({ length: 8 }, (_, i) => link(i + 10));
  const body = encodeList({ origin: "0".repeat(15).concat("1"), page: 0, epoch: 1, number: 1, links, subnets: [] });
  note("list", body.length + SIGNATURE_BYTES, "bytes");
  const reveals = [{ index: 0, step: 1, element: new Uint8Array(32) }];
  note("reveal", encodeMessage({ kind: "states", groups: [{ name: new Uint8Array(33), reveals }] }).length, "bytes");
  const [tag, secret] = [new Uint8Array(16), new Uint8Array(32)];
  const secrets = { ed25519: secret, mlDsa65: secret };
  const keys = { ed25519: native.ed25519.publicKey(secret), mlDsa65: await native.mlDsa65.publicKey(secret) };
  const signature = await signHybrid(native, secrets, body, LABEL.linkList);
  const [chain, verify]: [number[], number[]] = [[], []];
  for (let i = 0; i < 300; i++) {
    let began = performance.now();
    walkBack(native, tag, secret, STEPS_MAX, 0);
    chain.push((performance.now() - began) * 1000);
    began = performance.now();
    if (!(await verifyHybrid(native, keys, body, LABEL.linkList, signature))) throw new Error("a good signature fails");
    verify.push((performance.now() - began) * 1000);
  }
  note("chain", median(chain), "us");
  note("verify", median(verify), "us");
}

await formats();
const spf = SPF_SIZES.map((count) => ({ count, ...spfTimes(count) }));
for (const { count, full, event, eventP99, tree } of spf) {
  note(`spf-full/${count}`, full, "ms");
  note(`spf-event/${count}`, event, "ms");
  note(`spf-event-p99/${count}`, eventP99, "ms");
  note(`spf-tree/${count}`, tree, "us");
}
const meshes: { readonly count: number; readonly figures: MeshFigures }[] = [];
for (const count of sizesOf(values.sizes)) {
  const figures = await meshFigures(count);
  meshes.push({ count, figures });
  for (const [id, of, unit] of FIGURES) note(`${id}/${count}`, of(figures), unit);
}

const wholes: { readonly count: number; readonly figures: WholeFigures }[] = [];
for (const count of sizesOf(values.whole)) {
  const figures = await wholeFigures(count);
  wholes.push({ count, figures });
  for (const [id, name, unit] of WHOLE) note(`whole/${name}/${count}`, figures[id], unit);
}

for (const count of sizesOf(values.sparse)) {
  const figures = await sparseFigures(count);
  for (const [id, name, unit] of SPARSE) note(`sparse/${name}/${count}`, figures[id], unit);
}

const wholeCurve = (name: string, of: (w: WholeFigures) => number) => ({
  name,
  points: wholes.map(({ count, figures }) => [count, of(figures)] as const),
});
const wholePanels = [
  {
    title: "Whole gateways: from a wire's death to the last route",
    unit: "ms",
    curves: [wholeCurve("median", (w) => w.convergence), wholeCurve("slowest", (w) => w.convergenceMost)],
  },
  { title: "Whole gateways: idle", unit: "bytes a gateway and second", curves: [wholeCurve("", (w) => w.idle)] },
  {
    title: "Whole gateways: sent by each",
    unit: "MB",
    curves: [
      wholeCurve("cold start of all", (w) => w.coldBytes),
      wholeCurve("a third parts", (w) => w.partitionBytes),
      wholeCurve("one joins", (w) => w.joinBytes / 1e6),
    ],
  },
  {
    title: "Whole gateways: CPU of each",
    unit: "ms",
    curves: [wholeCurve("cold start of all", (w) => w.coldCpu), wholeCurve("an idle hour", (w) => w.idleCpu)],
  },
];
const curve = (name: string, of: (m: MeshFigures) => number) => ({
  name,
  points: meshes.map(({ count, figures }) => [count, of(figures)] as const),
});
const times = (name: string, of: (t: (typeof spf)[number]) => number) => ({
  name,
  points: spf.map((t) => [t.count, of(t)] as const),
});
const svg = plot([
  {
    title: "From a link's death to the last route",
    unit: "ms",
    curves: [curve("median", (m) => m.convergence), curve("slowest", (m) => m.convergenceMost)],
  },
  {
    title: "Sent by each gateway",
    unit: "bytes",
    curves: [
      curve("a link dies", (m) => m.linkBytes),
      curve("one joins", (m) => m.joinBytes),
      curve("a third parts", (m) => m.partitionBytes),
    ],
  },
  { title: "Idle", unit: "bytes a gateway and second", curves: [curve("", (m) => m.idle)] },
  { title: "Cold start of one", unit: "MB it is sent", curves: [curve("", (m) => m.coldBytes / 1e6)] },
  {
    title: "Shortest paths",
    unit: "ms",
    curves: [
      times("from nothing", (t) => t.full),
      times("one change, all next hops", (t) => t.event),
      times("one change, one tree", (t) => t.tree / 1000),
    ],
  },
  {
    title: "One gateway",
    unit: "MB; ms of CPU for a link's death",
    curves: [curve("memory", (m) => m.memory), curve("CPU", (m) => m.cpu)],
  },
  ...(wholes.length > 0 ? wholePanels : []),
]);
mkdirSync("build/bench", { recursive: true });
await Bun.write("build/bench/scale.svg", svg);
console.log("plot: build/bench/scale.svg");
if (values.json) await Bun.write(values.json, `${JSON.stringify(rows, null, 2)}\n`);
process.exit(0);
