import { expect, test } from "bun:test";
import { createAdmission, type Issuer } from "../../runtime/provisioning/admission.ts";
import { InviteBook } from "../../runtime/provisioning/invite-book.ts";
import { seededRandom } from "../help/seeded.ts";
import { createMesh, crypto, memberByRoot, newKeys } from "../unit/identity/world.ts";
import { type Gateway, World } from "./world.ts";

async function inviting(loss: number) {
  const { mesh, roots } = await createMesh();
  const first = await memberByRoot(mesh, roots);
  const world = new World("join");
  world.loss = loss;
  const book = new InviteBook();
  const admission = (roster: Issuer["roster"]) =>
    createAdmission({ crypto, member: first, roster, book, now: () => 1_000_000, persist: async () => {} });
  const a = await world.add(mesh, first, { admission });
  const { id: inviteId, secret } = book.create(seededRandom("invite"), 1_000_000);
  const invite = { meshId: mesh.id, issuerId: a.id, inviteId, secret, endpoints: [a.endpoint] };
  const join = async (name: string, changed = {}): Promise<Gateway> => {
    const joiner = world.addJoiner(await newKeys());
    await world.feed(joiner, { type: "command", command: { type: "join", invite: { ...invite, ...changed }, name } });
    await world.run(30_000);
    return joiner;
  };
  return { world, a, book, invite, join };
}

test("a gateway without shared state joins by token under 20 % loss, and has a session at once", async () => {
  const { world, a, join } = await inviting(20);
  const b = await join("b");
  expect(b.notices.some((n) => n.kind === "joined" && n.name === "b")).toBe(true);
  expect(a.notices.filter((n) => n.kind === "admitted" && n.name === "b")).toHaveLength(1);
  expect(a.mesh.peers(world.now).map((p) => p.state)).toEqual(["up"]);
  expect(b.mesh.peers(world.now).map((p) => p.state)).toEqual(["up"]);
});

test("a token that was used is refused, with the reason", async () => {
  const { join } = await inviting(0);
  await join("b");
  const c = await join("c");
  expect(c.notices).toContainEqual(expect.objectContaining({ kind: "joinFailed", code: "invite/used" }));
});

test("a revoked token is refused, with the reason", async () => {
  const { book, invite, join } = await inviting(0);
  book.revoke(invite.inviteId);
  const b = await join("b");
  expect(b.notices).toContainEqual(expect.objectContaining({ kind: "joinFailed", code: "invite/revoked" }));
});

test.each([
  ["a wrong secret", { secret: new Uint8Array(16) }],
  ["an unknown invite", { inviteId: new Uint8Array(8) }],
  ["another mesh", { meshId: new Uint8Array(32) }],
])("%s gets silence, and nobody is admitted", async (_, changed) => {
  const { world, a, join } = await inviting(0);
  const b = await join("b", changed);
  expect(b.notices).toContainEqual(expect.objectContaining({ kind: "joinFailed", code: "handshake/timeout" }));
  expect(a.mesh.peers(world.now)).toEqual([]);
});
