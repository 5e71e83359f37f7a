import { expect, test } from "bun:test";
import { createMesh, memberBy, memberByRoot } from "../unit/identity/world.ts";
import { World } from "./world.ts";

test.each(["one", "two", "three"])(
  "ten rekeys under 20 %% loss and load lose no packet that arrived (seed %s)",
  async (seed) => {
    const { mesh, roots } = await createMesh();
    const first = await memberByRoot(mesh, roots);
    const world = new World(seed);
    const a = await world.add(mesh, first);
    const b = await world.add(mesh, await memberBy(mesh, first));
    world.loss = 20;
    world.load = true;
    await world.connect(b, a);
    await world.run(1_300_000);
    expect(a.mesh.peers(world.now)[0]?.rekeys).toBeGreaterThanOrEqual(10);
    expect(b.mesh.peers(world.now)[0]?.rekeys).toBeGreaterThanOrEqual(10);
    expect(world.opened).toBeGreaterThan(18_000);
    expect(world.unopened).toBe(0);
  },
  60_000,
);
