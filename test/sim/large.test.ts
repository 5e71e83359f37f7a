/**
 * Large meshes of whole gateways (test/sim/large/world.ts, which says what is stood in for): a simulated hour from a cold start, with wires
 * cut, crashes, regions that fail, partitions and merges. What is posted must arrive, and no way may end in a loop or nowhere for good.
 */
import { expect, test } from "bun:test";
import { hours, minutes, seconds } from "../../runtime/base/time.ts";
import { LargeChurn, type Plan } from "./large/churn.ts";
import { judge } from "./large/judge.ts";
import type { Site } from "./large/underlay.ts";
import { LargeMesh, type Node } from "./large/world.ts";
import { planted } from "./routing/planted.ts";
import { scenario } from "./scenario.ts";

async function hour(seed: string, site: Site, count: number): Promise<void> {
  const mesh = await LargeMesh.create({ seed, site, count, loss: 1 });
  const day = await new LargeChurn(mesh).run(hours(1));
  expect(day.violations).toEqual([]);
  expect(Object.keys(day.happenings).length).toBeGreaterThan(2);
  expect(day.posts).toBeGreaterThan(20 * day.told);
  expect(day.posts).toBeGreaterThan(100);
}

scenario("large/open", "40 gateways on the internet live through a bad hour", 1, ({ seed }) => hour(seed, "open", 40));

scenario("large/spokes", "20 gateways, all but two behind boxes on LTE, live through a bad hour", 1, ({ seed }) =>
  hour(seed, "spokes", 20),
);

scenario(
  "large/sparse",
  "where each reaches a few, whoever is reached through the mesh alone is left alone, and nobody is a hole",
  1,
  async ({ seed }) => {
    for (const site of ["geometric", "grid"] as const) {
      const mesh = await LargeMesh.create({ seed, site, count: 36, loss: 1 });
      await mesh.startAcquainted();
      await mesh.world.run(minutes(8));
      const before = mesh.sentBytes;
      await mesh.world.run(minutes(5));
      expect((mesh.sentBytes - before) / 300).toBeLessThan(200);
      const sessions = mesh.nodes.flatMap((n) => n.gateway.peers().filter((p) => p.sessionId !== undefined));
      expect(sessions.filter((p) => p.endpoint === undefined).length).toBeLessThan(mesh.nodes.length / 4);
      expect(judge(mesh, mesh.nodes)).toMatchObject({ loops: 0, holes: 0 });
    }
  },
);

scenario(
  "large/few",
  "16 gateways in a grid keep sessions with all, which costs little, and each knows soon who is gone",
  1,
  async ({ seed }) => {
    const mesh = await LargeMesh.create({ seed, site: "grid", count: 16, loss: 1 });
    await mesh.startAcquainted();
    await mesh.world.run(minutes(8));
    const before = mesh.sentBytes;
    await mesh.world.run(minutes(5));
    expect((mesh.sentBytes - before) / 300).toBeLessThan(200);
    const says = (about: Node): string[] =>
      mesh.running.map(({ gateway }) => gateway.peers().find((p) => p.address === about.address)?.state ?? "unknown");
    for (const about of mesh.nodes) expect(says(about).filter((s) => s === "up")).toHaveLength(15);
    const gone = mesh.pick(mesh.nodes);
    mesh.crash(gone);
    await mesh.world.run(seconds(26)); // a neighbour counts as silent after 25 s
    expect(says(gone)).not.toContain("up");
    for (const about of mesh.running) expect(says(about).filter((s) => s === "up")).toHaveLength(14);
  },
);

const BAD: Plan = { kinds: ["partition", "region"], quietMax: 110, busyMax: 2500 };

scenario(
  "large/acquainted",
  "150 gateways that reach a few each live through a partition, a merge and the loss of a region",
  1,
  async ({ seed }) => {
    const mesh = await LargeMesh.create({ seed, site: "geometric", count: 150, loss: 1 });
    const day = await new LargeChurn(mesh, BAD).run(minutes(16));
    expect(day.violations).toEqual([]);
    expect(day.happenings).toEqual({ partition: 1, region: 1 });
    expect(day.posts).toBeGreaterThan(20 * day.told);
    expect(day.posts).toBeGreaterThan(50);
  },
);

test("a planted bug is found among whole gateways: one end's word makes an edge", async () => {
  const routing = await planted("one end's word makes an edge");
  for (const [make, isFound] of [
    [routing, true],
    [undefined, false],
  ] as const) {
    const mesh = await LargeMesh.create({ seed: "1", site: "geometric", count: 24, loss: 1, routing: make });
    const day = await new LargeChurn(mesh, { ...BAD, kinds: ["region"] }).run(minutes(14));
    expect(day.violations.some((v) => /[1-9]\d* (loops|holes)/.test(v))).toBe(isFound);
  }
});
