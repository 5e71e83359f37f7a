import { expect } from "bun:test";
import type { JoinInvite } from "../../runtime/mesh/types.ts";
import type { Gateway } from "./gateway.ts";
import { type Sim, scenario } from "./scenario.ts";
import { states } from "./small.ts";

async function inviting(sim: Sim, loss: number) {
  const world = await sim.world({ loss });
  const a = await world.add("a");
  const invite = world.invite(a);
  const join = async (name: string, changed: Partial<JoinInvite> = {}): Promise<Gateway> => {
    const joiner = await world.addJoiner(name);
    await world.command(joiner, { type: "join", invite: { ...invite, ...changed }, name });
    await world.run(30_000);
    return joiner;
  };
  return { world, a, invite, join };
}

const refusal = (g: Gateway): string | undefined =>
  g.notices.flatMap((n) => (n.kind === "joinFailed" ? [n.code] : []))[0];

scenario("join/token", "a gateway joins by token under 20 % loss, and has a session at once", 5, async (sim) => {
  const { a, join } = await inviting(sim, 20);
  const b = await join("b");
  expect(b.notices.some((n) => n.kind === "joined" && n.name === "b")).toBe(true);
  expect(a.notices.filter((n) => n.kind === "admitted" && n.name === "b")).toHaveLength(1);
  expect(states(a)).toEqual(["up"]);
  expect(states(b)).toEqual(["up"]);
});

scenario("join/many-addresses", "of the addresses in an invite one is enough, whichever it is", 2, async (sim) => {
  const { invite, join } = await inviting(sim, 10);
  const nowhere = [1, 2, 3].map((n) => ({ address: `10.99.0.${n}`, port: 51820 }));
  const started = await join("b", { endpoints: [...nowhere, ...invite.endpoints] });
  expect(states(started)).toEqual(["up"]); // in 30 s, which three patiences one after the other would have taken
});

scenario(
  "join/nobody",
  "an invite whose addresses nobody answers at fails once, when the last has been tried",
  1,
  async (sim) => {
    const { join } = await inviting(sim, 0);
    const endpoints = [1, 2, 3].map((n) => ({ address: `10.99.0.${n}`, port: 51820 }));
    const lost = await join("b", { endpoints });
    expect(lost.notices.filter((n) => n.kind === "joinFailed")).toHaveLength(1);
  },
);

scenario("join/used", "a token that was used is refused, with the reason", 2, async (sim) => {
  const { join } = await inviting(sim, 10);
  await join("b");
  expect(refusal(await join("c"))).toBe("invite/used");
});

scenario("join/revoked", "a revoked token is refused, with the reason", 2, async (sim) => {
  const { a, invite, join } = await inviting(sim, 10);
  a.issuer.book.revoke(invite.inviteId);
  expect(refusal(await join("b"))).toBe("invite/revoked");
});

const WRONG: Readonly<Record<string, [string, Partial<JoinInvite>]>> = {
  secret: ["a wrong secret", { secret: new Uint8Array(16) }],
  invite: ["an unknown invite", { inviteId: new Uint8Array(8) }],
  mesh: ["another mesh", { meshId: new Uint8Array(32) }],
};
for (const [id, [what, changed]] of Object.entries(WRONG)) {
  scenario(`join/${id}`, `${what} gets silence, and nobody is admitted`, 1, async (sim) => {
    const { a, join } = await inviting(sim, 0);
    expect(refusal(await join("b", changed))).toBe("handshake/timeout");
    expect(a.peers()).toEqual([]);
  });
}

scenario("join/daemon", "who joined is a member when its daemon starts, and finds the others", 3, async (sim) => {
  const world = await sim.world({ loss: 10 });
  const a = await world.add("a");
  const joined: Gateway[] = [];
  for (const name of ["b", "c"]) {
    const joiner = await world.addJoiner(name);
    await world.join(joiner, world.invite(a), name);
    joined.push(joiner);
    await world.run(1000);
  }
  await world.run(30_000);
  for (const g of [a, ...joined]) expect(states(g)).toEqual(["up", "up"]);
});
