/** What members and neighbours may try, and that it hurts nobody but who tries. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { native } from "../../../runtime/crypto/native.ts";
import {
  asSigned,
  encodeList,
  joined,
  type LinkList,
  type SignedList,
  signedMessage,
} from "../../../runtime/mesh/routing/link-list.ts";
import { decodeMessage, encodeMessage, type RoutingMessage } from "../../../runtime/mesh/routing/message.ts";
import type { Label } from "../../../runtime/mesh/routing/types.ts";
import { seededRandom } from "../../help/seeded.ts";
import { message } from "./arbitrary.ts";
import { Lab, labelOf, MESH, signature } from "./pair.ts";

const [A, B, C, D, M] = ["a", "b", "c", "d", "m"].map(labelOf) as [Label, Label, Label, Label, Label];

/** a - b - c, and m (the attacker, who has the keys of m alone) beside b. */
async function scene(): Promise<Lab> {
  const lab = new Lab("a", "b", "c", "d", "m");
  await lab.begin();
  await lab.connect("a", "b");
  await lab.connect("b", "c");
  await lab.connect("c", "d");
  await lab.connect("b", "m");
  await lab.pass(3000);
  lab.deaf.add(M); // from here on only the test speaks for it
  return lab;
}

function signedBy(signer: Label, list: LinkList): { body: Uint8Array; signature: Uint8Array; name: Uint8Array } {
  const body = encodeList(list);
  const by = joined(signature(signer, signedMessage(MESH, body)));
  const { name } = asSigned(native, MESH, body, by) as SignedList;
  return { body, signature: by, name };
}

const listOf = (origin: Label, epoch: number, ...neighbours: readonly Label[]): LinkList => ({
  origin,
  page: 0,
  epoch,
  number: 1,
  links: neighbours.toSorted().map((neighbour) => ({ neighbour, value: 1, anchor: new Uint8Array(32) })),
  subnets: [],
});

/** Offers a list, and gives it when asked. */
async function push(lab: Lab, from: string, to: string, list: ReturnType<typeof signedBy>): Promise<void> {
  const { name, body } = list;
  await lab.inject(
    from,
    to,
    encodeMessage({ kind: "summary", whole: 0, entries: [{ name, steps: new Uint8Array(0) }] }),
  );
  await lab.pass(10);
  await lab.inject(from, to, encodeMessage({ kind: "list", body, signature: list.signature, reveals: [] }));
  await lab.pass(200);
}

const told = (lab: Lab, from: Label, to: Label): RoutingMessage[] =>
  lab.sent.filter((s) => s.from === from && s.to === to).flatMap((s) => decodeMessage(s.data) ?? []);

describe("a member that lies", () => {
  test("about links it has not got gets no edge by it", async () => {
    const lab = await scene();
    await push(lab, "m", "b", signedBy(M, listOf(M, 9, A, B, C, D)));
    expect(
      lab
        .of("a")
        .edges()
        .filter((e) => e.ends.includes(M)),
    ).toHaveLength(4);
    expect(lab.of("a").routeTo(D).hops).toEqual([B, C, D]);
    expect(lab.of("d").routeTo(A).hops).toEqual([C, B, A]);
    expect(lab.of("a").routeTo(M).hops).toEqual([B, M]);
  });

  test("that signs two lists with one number is heard the same way by all", async () => {
    const lab = await scene();
    const [one, other] = [signedBy(M, listOf(M, 9, A, B)), signedBy(M, listOf(M, 9, B, C))];
    expect(one.name.subarray(0, 17)).toEqual(other.name.subarray(0, 17));
    await push(lab, "m", "b", one);
    await push(lab, "b", "a", other); // as if it had come another way
    await lab.feed("b", { type: "digest", neighbour: A, digest: lab.of("a").digest });
    await lab.pass(3000);
    expect(lab.of("a").digest).toEqual(lab.of("b").digest);
    expect(lab.of("d").digest).toEqual(lab.of("b").digest);
  });

  test("in the name of another is not believed, and not listened to after a while", async () => {
    const lab = await scene();
    const before = lab.of("b").digest;
    for (let i = 0; i < 20; i++) await push(lab, "m", "b", signedBy(M, listOf(C, 100 + i, B)));
    expect(lab.meterOf("b").get("routing.drop.forged")).toBe(16);
    expect(lab.meterOf("b").get("routing.drop.muted")).toBeGreaterThan(4);
    expect(lab.of("b").digest).toEqual(before);
    expect(lab.of("a").routeTo(D).hops).toEqual([B, C, D]);
    await lab.pass(61_000);
    await push(lab, "m", "b", signedBy(M, listOf(M, 9, B)));
    expect(lab.of("b").digest).not.toEqual(before); // the pause is over
  });

  test("in the name of somebody to himself, with a higher epoch, makes him sign nothing", async () => {
    const lab = await scene();
    const epoch = lab.persisted.get(B);
    await push(lab, "m", "b", signedBy(M, listOf(B, 0xffff_fff0, A)));
    await lab.pass(5000);
    expect(lab.persisted.get(B)).toBe(epoch as number);
    expect(lab.meterOf("b").get("routing.overtaken")).toBe(0);
    expect(lab.meterOf("b").get("routing.drop.forged")).toBe(1);
  });

  test("about subnets of another changes nothing", async () => {
    const lab = await scene();
    const list = { ...listOf(C, 50, B), subnets: [{ address: Uint8Array.of(0, 0, 0, 0), length: 0 }] };
    await push(lab, "m", "b", signedBy(M, list));
    expect(lab.of("a").subnetsOf(C)).toEqual([]);
  });
});

describe("a neighbour that plays old messages again", () => {
  test("takes back neither a list nor a state", async () => {
    const lab = await scene();
    const recorded = lab.sent.filter((s) => s.from === C && s.to === B).map((s) => s.data);
    await lab.feed("c", { type: "link", neighbour: D, value: 0 });
    await lab.pass(100);
    expect(lab.of("a").route(D)).toBeUndefined();
    const [before, states] = [lab.of("b").digest, lab.sent.filter((s) => s.from === C).at(-1)?.data as Uint8Array];
    for (const data of [...recorded, states, states]) await lab.inject("m", "b", data);
    await lab.pass(3000);
    expect(lab.of("b").digest).toEqual(before);
    expect(lab.of("a").route(D)).toBeUndefined();
  });

  test("cannot take a link up again by the element that it knows, nor by one that it makes up", async () => {
    const lab = await scene();
    await lab.feed("c", { type: "link", neighbour: D, value: 0 });
    await lab.pass(100);
    const down = told(lab, C, B).findLast((m) => m.kind === "states");
    const group = down?.kind === "states" ? down.groups[0] : undefined;
    const reveal = group?.reveals[0];
    if (!group || !reveal) throw new Error("no reveal was seen");
    const before = lab.of("b").digest;
    for (const step of [reveal.step + 1, reveal.step + 8, 255]) {
      const forged = { kind: "states", groups: [{ ...group, reveals: [{ ...reveal, step }] }] } as const;
      await lab.inject("m", "b", encodeMessage(forged));
    }
    const beyond = { ...reveal, index: 31, step: 3 };
    await lab.inject("m", "b", encodeMessage({ kind: "states", groups: [{ ...group, reveals: [beyond] }] }));
    expect(lab.meterOf("b").get("routing.drop.forged")).toBe(4);
    expect(lab.of("b").digest).toEqual(before);
  });
});

describe("a neighbour that floods", () => {
  test("with noise is not listened to, and nothing grows", async () => {
    const lab = await scene();
    const random = seededRandom("noise");
    const before = lab.of("b").load;
    for (let i = 0; i < 500; i++) await lab.inject("m", "b", random(1 + (i % 300)));
    expect(lab.meterOf("b").get("routing.drop.malformed")).toBe(16);
    expect(lab.of("b").load).toEqual(before);
    await lab.connect("a", "c"); // others are heard all the same
    await lab.pass(3000);
    expect(
      lab
        .of("b")
        .edges()
        .find((e) => e.ends.includes(A) && e.ends.includes(C))?.cost,
    ).toBe(1);
  });

  test("with thousands of forged reveals in one message is cut short", async () => {
    const lab = await scene();
    const group = told(lab, B, M).flatMap((m) => (m.kind === "states" ? m.groups : []));
    await lab.feed("c", { type: "link", neighbour: D, value: 0 });
    await lab.pass(100);
    const states = told(lab, C, B).findLast((m) => m.kind === "states");
    const name = states?.kind === "states" ? (states.groups[0]?.name as Uint8Array) : new Uint8Array(33);
    const reveals = [{ index: 0, step: 255, element: new Uint8Array(32) }];
    const groups = [...group, ...Array.from({ length: 2000 }, () => ({ name, reveals }))];
    await lab.inject("m", "b", encodeMessage({ kind: "states", groups }));
    expect(lab.meterOf("b").get("routing.drop.forged")).toBe(16);
  });

  test("with lists that nobody asked for is not even verified", async () => {
    const lab = await scene();
    for (let i = 0; i < 100; i++) {
      const { body, signature: by } = signedBy(M, listOf(M, 100 + i, B));
      await lab.inject("m", "b", encodeMessage({ kind: "list", body, signature: by, reveals: [] }));
    }
    expect(lab.meterOf("b").get("routing.drop.unasked")).toBe(100);
  });

  test("with lists of strangers makes nothing grow", async () => {
    const lab = await scene();
    const entries = Array.from({ length: 1000 }, (_, i) => ({
      name: Uint8Array.fromHex(`${labelOf(`stranger ${i}`)}00${"ff".repeat(24)}`),
      steps: new Uint8Array(0),
    }));
    await lab.inject("m", "b", encodeMessage({ kind: "summary", whole: 0, entries }));
    expect(lab.of("b").load.wanted).toBe(0);
    expect(lab.meterOf("b").get("routing.drop.stranger")).toBe(1000);
  });

  test("by signing its own list over and over is handed on at a bounded rate", async () => {
    const lab = await scene();
    for (let i = 0; i < 100; i++) await push(lab, "m", "b", signedBy(M, listOf(M, 100 + i, B)));
    const lists = told(lab, B, A).filter((m) => m.kind === "list" && m.body.subarray(2, 10).toHex() === M);
    expect(lab.now).toBeLessThan(30_000);
    expect(lists.length).toBeLessThan(1 + 40 + 30 / 4);
  });

  test("by promising lists that it never delivers delays others' by its second and no more", async () => {
    const lab = await scene();
    const name = Uint8Array.fromHex(`${C}00${"ff".repeat(24)}`);
    await lab.inject(
      "m",
      "b",
      encodeMessage({ kind: "summary", whole: 0, entries: [{ name, steps: new Uint8Array(0) }] }),
    );
    await lab.connect("c", "a");
    await lab.pass(50 + 1000 + 100);
    expect(
      lab
        .of("b")
        .edges()
        .find((e) => e.ends.includes(A) && e.ends.includes(C))?.cost,
    ).toBe(1);
    expect(lab.of("b").load.wanted).toBe(0);
  });
});

describe("a neighbour that withholds", () => {
  test("what it should hand on is found out by digests", async () => {
    const lab = await scene();
    await lab.connect("a", "d"); // another way round, so that b is no bottleneck
    await lab.pass(3000);
    await lab.feed("c", { type: "link", neighbour: D, value: 4 });
    await lab.pass(3000);
    expect(lab.of("m").digest).not.toEqual(lab.of("b").digest);
    lab.deaf.delete(M);
    await lab.feed("m", { type: "digest", neighbour: B, digest: lab.of("b").digest });
    await lab.pass(3000);
    expect(lab.of("m").digest).toEqual(lab.of("b").digest);
    expect(lab.of("m").routeTo(D).cost).toBe(3);
  });
});

test("nothing that a neighbour can send makes routing throw, or grow beyond the roster", async () => {
  const lab = await scene();
  const recorded = lab.sent.map((s) => s.data);
  const random = seededRandom("fuzz");
  const below = (n: number): number => new DataView(random(4).buffer).getUint32(0) % n;
  const names = [A, B, C, D, M].map((label) => Uint8Array.fromHex(label));
  /** Says it of one of us, so that it is looked at. */
  const aimed = (m: RoutingMessage): RoutingMessage => {
    const aim = (name: Uint8Array): Uint8Array =>
      Uint8Array.from([...(names[below(5)] as Uint8Array), ...name.subarray(8)]);
    if (m.kind === "summary") return { ...m, entries: m.entries.map((e) => ({ ...e, name: aim(e.name) })) };
    if (m.kind === "states") return { ...m, groups: m.groups.map((g) => ({ ...g, name: aim(g.name) })) };
    if (m.kind === "want") return { ...m, keys: m.keys.map((k) => aim(Uint8Array.fromHex(k)).toHex()) };
    return m;
  };
  for (const m of fc.sample(message, { numRuns: 300, seed: 1 })) {
    await lab.inject("m", "b", encodeMessage(aimed(m)));
    const again = (recorded[below(recorded.length)] as Uint8Array).slice();
    again[below(again.length)] = below(256);
    await lab.inject("m", "b", again);
    if (below(10) === 0) await lab.pass(60_000); // not muted for ever
  }
  await lab.pass(60_000);
  const { lists, wanted, held, neighbours } = lab.of("b").load;
  expect({ lists, held, neighbours }).toEqual({ lists: 5, held: 0, neighbours: 3 });
  expect(wanted).toBe(0);
  expect(lab.of("a").routeTo(D).hops).toEqual([B, C, D]);
});

test("what comes from one who is no neighbour is dropped", async () => {
  const lab = await scene();
  const before = lab.meterOf("b").get("routing.drop.no-session");
  await lab.inject("d", "b", Uint8Array.of(1, 2, 3));
  expect(lab.meterOf("b").get("routing.drop.no-session")).toBe(before + 1);
  await lab.feed("b", { type: "session", neighbour: labelOf("stranger"), up: true });
  expect(lab.of("b").load.neighbours).toBe(3);
});
