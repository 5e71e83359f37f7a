import { expect } from "bun:test";
import { disagreements, installed } from "./agreement.ts";
import { scenario } from "./scenario.ts";
import { pair } from "./small.ts";

scenario(
  "agreement/honest",
  "two gateways that met agree, and a session made up or made twice is seen",
  1,
  async (sim) => {
    const { world, a, b } = await pair(sim);
    await world.run(5000);
    expect(disagreements(world)).toEqual([]);
    expect(installed(world)).toBe(2);

    const real = a.actions.find((x) => x.type === "installSession");
    if (real?.type !== "installSession") throw new Error("no session");
    a.actions.push(real);
    expect(disagreements(world)).toEqual([`${a.address} installed one session 2 times`]);
    a.actions.pop();

    const session = { ...real.session, localIndex: 77, sendKey: new Uint8Array(32) };
    a.actions.push({ ...real, session }, { type: "useSession", peer: b.address, localIndex: 77 });
    expect(disagreements(world)).toEqual(["a uses a session that its peer does not have"]);
    a.actions.push({ type: "useSession", peer: b.address, localIndex: 78 });
    expect(disagreements(world)).toContain("a uses 78, which it never installed");
  },
);
