import { describe, expect, test } from "bun:test";
import { toHex } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { generateKeys, keysFromSecrets, type NodeKeys } from "../../../runtime/identity/keys.ts";
import {
  consumeAnswer,
  consumeFirstReply,
  consumeIdentity,
  consumePurpose,
  createAnswer,
  createFirstHello,
  createFirstReply,
  createIdentity,
} from "../../../runtime/mesh/handshake/first-contact.ts";
import { MESH_ID, Net } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";

const random = seededRandom("first contact");
const RATES = { aes256Gcm: 1000, chacha20Poly1305: 500 };
const EXCHANGE = new Uint8Array(8).fill(1);
const SECRET = new Uint8Array(16).fill(2);
const INVITE_ID = seededRandom("invite id")(8);

type Half = "x25519" | "mlKem768" | "ed25519" | "mlDsa65";

/** What an attacker holds who lacks one secret: a stranger's in its place, under the victim's public keys. */
async function lacking(keys: NodeKeys, half: Half): Promise<NodeKeys> {
  const stranger = await generateKeys(native, random);
  const secrets = { ...keys.secrets, [half]: stranger.secrets[half] };
  return { ...(await keysFromSecrets(native, secrets)), public: keys.public, id: keys.id };
}

interface Holders {
  readonly initiator?: NodeKeys;
  readonly responder?: NodeKeys;
  readonly secret?: Uint8Array;
}

/** All four messages between ends that may hold other secrets than the keys of `i` and `r`: how far it gets. */
async function furthest(i: NodeKeys, r: NodeKeys, held: Holders = {}): Promise<string> {
  const callee = { meshId: MESH_ID, id: r.id };
  const self = { ...callee, genesis: Uint8Array.of(1), chain: Uint8Array.of(2) };
  const [initiator, responder] = [held.initiator ?? i, held.responder ?? r];
  const hello = await createFirstHello(native, random, 1, callee, EXCHANGE);
  const reply = await createFirstReply(native, random, self, hello.payload, EXCHANGE);
  const shown = reply && (await consumeFirstReply(native, hello, reply.payload));
  if (!reply || !shown) return "nothing";
  const caller = { purpose: "join", inviteId: INVITE_ID, secret: held.secret ?? SECRET, name: "a" } as const;
  const who = { keys: initiator, rates: RATES };
  const f3 = await createIdentity(native, random, who, caller, r.public, shown.state, hello.ephemeral);
  const opened = f3 && (await consumePurpose(native, responder, reply, f3));
  if (!opened) return "shown";
  const identity = consumeIdentity(native, opened, SECRET);
  if (identity?.purpose !== "join") return "purpose";
  if (!(await identity.verify())) return "secret";
  const verdict = { accepted: true, index: 2, aead: "aes-256-gcm", chain: undefined } as const;
  const f4 = await createAnswer(native, random, responder, i.public, reply.ephemeral, opened.state, verdict);
  const answer =
    f4 && (await consumeAnswer(native, initiator, r.public, shown.responderEphemeral, shown.state, f4.payload));
  if (!answer) return "identified";
  return toHex(answer.secrets.dataInitiator) === toHex(f4.secrets.dataInitiator) ? "agreed" : "differing";
}

describe("a first contact", () => {
  test("comes about between the right keys", async () => {
    const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
    expect(await furthest(i, r)).toBe("agreed");
  });

  test.each([
    ["x25519", "identified"],
    ["mlKem768", "identified"],
    ["ed25519", "secret"],
    ["mlDsa65", "secret"],
  ] as const)("cannot be had by a caller that lacks one half of its static keys: %s", async (half, reached) => {
    const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
    expect(await furthest(i, r, { initiator: await lacking(i, half) })).toBe(reached);
  });

  test.each([
    ["x25519", "shown"],
    ["mlKem768", "shown"],
    ["ed25519", "identified"],
    ["mlDsa65", "identified"],
  ] as const)("cannot be had by a callee that lacks one half of its static keys: %s", async (half, reached) => {
    const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
    expect(await furthest(i, r, { responder: await lacking(r, half) })).toBe(reached);
  });

  test("cannot be had with another invite's secret", async () => {
    const [i, r] = [await generateKeys(native, random), await generateKeys(native, random)];
    expect(await furthest(i, r, { secret: new Uint8Array(16) })).toBe("purpose");
  });
});

describe("an invite", () => {
  test("is not named in clear on the wire", async () => {
    const net = new Net(native, seededRandom("clear"));
    const admit = async () => ({ accepted: false, code: "invite/used", message: "used up" }) as const;
    const b = await net.add("b", { admission: { secretOf: () => SECRET, admit } });
    const a = await net.add("a", { member: false });
    const target = { meshId: MESH_ID, issuerId: b.keys.id, inviteId: INVITE_ID, secret: SECRET };
    net.perform(a, await a.machine.join(target, "a", b.endpoint, net.now));
    await net.run(2000);
    expect(a.failures).toHaveLength(1);
    const wire = net.sent.map((p) => toHex(p.payload)).join("");
    for (const hidden of [INVITE_ID, SECRET, a.keys.id]) expect(wire).not.toContain(toHex(hidden));
  });
});

describe("a caller", () => {
  test("does not take another member for the one it called", async () => {
    const net = new Net(native, seededRandom("impostor"));
    const a = await net.add("a");
    const called = await net.add("called");
    const impostor = await net.add("impostor", { posesAs: called.keys.id });
    net.perform(a, await a.machine.contact(called.keys.id, impostor.endpoint, net.now));
    await net.run(2000);
    expect(a.failures.map((f) => f.code)).toEqual(["handshake/wrong-gateway"]);
    expect([a.sessions, impostor.sessions]).toEqual([[], []]);
  });
});
