import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { answerTo, QUERY_MAX, type Verdict } from "../../../runtime/names/answer.ts";
import { zonesOf } from "../../../runtime/names/zone.ts";
import { A, ask, B, codeOf, datas, PREFIX, query, reply, reverseOf, X, ZONES } from "./world.ts";

/** Big-endian 16 bits written over a message. */
function patched(message: Uint8Array, ...changes: readonly (readonly [at: number, value: number])[]): Uint8Array {
  const out = Uint8Array.from(message);
  for (const [at, value] of changes) new DataView(out.buffer).setUint16(at, value);
  return out;
}
const bytes = (...list: readonly (number | string)[]): Uint8Array =>
  Uint8Array.from(list.flatMap((b) => (typeof b === "string" ? [b.length, ...new TextEncoder().encode(b)] : [b])));
/** A query with this name as it lies on the wire, for AAAA IN. */
const raw = (...name: readonly (number | string)[]): Uint8Array =>
  Buffer.concat([query("x").subarray(0, 12), bytes(...name), bytes(0, 28, 0, 1)]);

describe("a name of the mesh", () => {
  test.each<[string, string, string]>([
    ["a member", "b.mesh.internal", B],
    ["this gateway", "a.mesh.internal", A],
    ["a member with a dot in its name", "x.site1.mesh.internal", X],
    ["any case", "B.MeSh.InTeRnAl", B],
    ["a dot at the end", "b.mesh.internal.", B],
  ])("is found: %s", (_, name, address) => {
    const { verdict, message } = ask(name);
    const packet = reply(message);
    expect(verdict).toBe("answered");
    expect(codeOf(packet)).toBe("NOERROR");
    expect(packet.flag_aa).toBe(true);
    expect(packet.flag_ra).toBe(false);
    expect(packet.flag_rd).toBe(true);
    expect(datas(packet.answers)).toEqual([address]);
    expect(packet.answers?.[0]).toMatchObject({ name: name.replace(/\.$/, ""), ttl: 5 });
  });

  test.each<[string, string, string, string]>([
    ["an A record of a member", "b.mesh.internal", "A", "NOERROR"],
    ["a TXT record of a member", "b.mesh.internal", "TXT", "NOERROR"],
    ["an HTTPS record of a member", "b.mesh.internal", "UNKNOWN_65", "NOERROR"],
    ["a place between names", "site1.mesh.internal", "AAAA", "NOERROR"],
    ["the zone itself", "mesh.internal", "AAAA", "NOERROR"],
    ["nobody", "nobody.mesh.internal", "AAAA", "NXDOMAIN"],
    ["what is below a member", "www.b.mesh.internal", "AAAA", "NXDOMAIN"],
    ["nobody by address", `f.${reverseOf(X).slice(2)}`, "PTR", "NXDOMAIN"],
  ])("has nothing of that kind: %s", (_, name, type, code) => {
    const { verdict, message } = ask(name, { type });
    const packet = reply(message);
    expect(verdict).toBe("nothing");
    expect(codeOf(packet)).toBe(code);
    expect(packet.flag_aa).toBe(true);
    expect(packet.answers).toEqual([]);
    expect(packet.authorities?.[0]).toMatchObject({
      type: "SOA",
      data: { mname: "a.mesh.internal", serial: 7, minimum: 5 },
    });
  });

  test("is found by its address", () => {
    expect(datas(reply(ask(reverseOf(X), { type: "PTR" }).message).answers)).toEqual(["x.site1.mesh.internal"]);
    const above = reverseOf(X).split(".").slice(4).join(".");
    expect(codeOf(reply(ask(above, { type: "PTR" }).message))).toBe("NOERROR");
  });

  test("ANY is answered by what there is, SOA and NS at the zone itself", () => {
    expect(datas(reply(ask("b.mesh.internal", { type: "ANY" }).message).answers)).toEqual([B]);
    expect(datas(reply(ask("mesh.internal", { type: "NS" }).message).answers)).toEqual(["a.mesh.internal"]);
    expect(reply(ask("mesh.internal", { type: "SOA" }).message).answers?.[0]?.type).toBe("SOA");
  });
});

describe("everything else is refused", () => {
  test.each<[string, string, string, string]>([
    ["another name", "example.org", "AAAA", "IN"],
    ["a name that only ends like ours", "bmesh.internal", "AAAA", "IN"],
    ["the domain above", "internal", "NS", "IN"],
    ["the root", ".", "NS", "IN"],
    ["another prefix", "1.0.0.127.in-addr.arpa", "PTR", "IN"],
    ["a transfer", "mesh.internal", "AXFR", "IN"],
    ["a transfer of changes", "mesh.internal", "IXFR", "IN"],
    ["another class", "b.mesh.internal", "TXT", "CH"],
  ])("%s", (_, name, type, cls) => {
    const { verdict, message } = ask(name, { type, class: cls });
    const packet = reply(message);
    expect(verdict).toBe("refused");
    expect(codeOf(packet)).toBe("REFUSED");
    expect(packet.flag_aa).toBe(false);
    expect([packet.answers, packet.authorities]).toEqual([[], []]);
  });
});

describe("EDNS", () => {
  test("is answered with EDNS, and only then", () => {
    expect(reply(ask("b.mesh.internal", { size: 4096 }).message).additionals).toMatchObject([
      { type: "OPT", udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0 },
    ]);
    expect(reply(ask("b.mesh.internal").message).additionals).toEqual([]);
  });

  test("of a later version is told which one we have", () => {
    const { verdict, message } = ask("b.mesh.internal", { size: 1232, version: 1 });
    expect(verdict).toBe("unsupported");
    expect(reply(message).additionals).toMatchObject([{ type: "OPT", extendedRcode: 1, ednsVersion: 0 }]);
  });
});

test("what does not fit a datagram is cut there, and whole over a stream or with more room", () => {
  const long = "l".repeat(63);
  const self = `${"s".repeat(40)}.${long}.${long}.${long}`;
  const zones = zonesOf({ meshName: "mesh", prefix: PREFIX, self, members: [], serial: 1 });
  const name = `${long}.${long}.${long}.mesh.internal`;
  const cutShort = reply(answerTo(query(name), zones).message);
  expect(cutShort.flag_tc).toBe(true);
  expect(codeOf(cutShort)).toBe("NXDOMAIN");
  expect(cutShort.authorities).toEqual([]);
  for (const whole of [answerTo(query(name), zones, true), answerTo(query(name, { size: 1232 }), zones)]) {
    expect(reply(whole.message).flag_tc).toBe(false);
    expect(reply(whole.message).authorities).toHaveLength(1);
  }
});

/** Malformed on purpose; each with what becomes of it. */
const GOOD = query("b.mesh.internal");
const CORPUS: readonly (readonly [string, Uint8Array, Verdict])[] = [
  ["nothing", bytes(), "ignored"],
  ["less than a header", GOOD.subarray(0, 11), "ignored"],
  ["more than a query has", Buffer.concat([GOOD, Buffer.alloc(QUERY_MAX)]), "ignored"],
  ["an answer", patched(GOOD, [2, 0x8180]), "ignored"],
  ["an update", patched(GOOD, [2, 0x2800]), "unsupported"],
  ["a notify", patched(GOOD, [2, 0x2000]), "unsupported"],
  ["no question", patched(GOOD, [4, 0]), "malformed"],
  ["two questions", patched(GOOD, [4, 2]), "malformed"],
  ["65,535 questions", patched(GOOD, [4, 0xffff]), "malformed"],
  ["an answer section", patched(GOOD, [6, 1]), "malformed"],
  ["65,535 answers", patched(GOOD, [6, 0xffff]), "malformed"],
  ["an authority section", patched(GOOD, [8, 1]), "malformed"],
  ["65,535 additional records", patched(GOOD, [10, 0xffff]), "malformed"],
  ["an additional record that is not there", patched(GOOD, [10, 1]), "malformed"],
  ["a header alone", GOOD.subarray(0, 12), "malformed"],
  ["a name that does not end", raw("b", "mesh", "internal").subarray(0, 25), "malformed"],
  ["a label longer than the message", raw(63, 98), "malformed"],
  ["a label of 64 bytes", raw(64, ...new Array<number>(64).fill(98), 0), "malformed"],
  ["a label of the reserved kind", raw(0x80, 1, 0), "malformed"],
  ["a name that points at itself", raw(0xc0, 12), "malformed"],
  ["a name that points ahead", raw(0xc0, 14, 1, 98, 0), "malformed"],
  ["a name that points into the header", raw("b", 0xc0, 4), "malformed"],
  ["a name that points half out", raw(0xc0).subarray(0, 13), "malformed"],
  ["a dot within a label", raw("b.mesh", "internal", 0), "malformed"],
  ["bytes that are no text", raw(2, 0xff, 0xfe, "mesh", "internal", 0), "malformed"],
  ["a name of more than 255 bytes", raw(...new Array<string>(5).fill("l".repeat(63)), 0), "malformed"],
  ["no type after the name", raw("b", "mesh", "internal", 0).subarray(0, -4), "malformed"],
  ["no class after the type", raw("b", "mesh", "internal", 0).subarray(0, -2), "malformed"],
  ["a question for a unicast answer", patched(GOOD, [GOOD.length - 2, 0x8001]), "malformed"],
  ["bytes behind the question", Buffer.concat([GOOD, bytes(0)]), "malformed"],
  ["two EDNS records", twoOptions(), "malformed"],
  ["an EDNS option longer than its record", shortOption(), "malformed"],
];

function twoOptions(): Uint8Array {
  const one = query("b.mesh.internal", { size: 1232 });
  return patched(Buffer.concat([one, one.subarray(GOOD.length)]), [10, 2]);
}

function shortOption(): Uint8Array {
  const one = query("b.mesh.internal", { size: 1232 });
  return patched(Buffer.concat([one, bytes(0, 10, 0, 200, 1)]), [one.length - 2, 5]);
}

describe("what is malformed", () => {
  test.each(CORPUS)("%s is told so or dropped", (_, message, verdict) => {
    const got = answerTo(message, ZONES);
    expect(got.verdict).toBe(verdict);
    expect(got.message === undefined).toBe(verdict === "ignored");
    if (!got.message) return;
    expect(new DataView(got.message.buffer, got.message.byteOffset).getUint16(0)).toBe(4711);
    expect(codeOf(reply(got.message))).toBe(verdict === "malformed" ? "FORMERR" : "NOTIMP");
    expect(got.message.length).toBeLessThanOrEqual(message.length); // nothing to gain by it
  });

  test("never throws and is never given an address, whatever bytes come", () => {
    const seeds = [GOOD, ...CORPUS.map(([, message]) => message).filter((m) => m.length > 0 && m.length < 600)];
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 6 }), fc.nat(600))
      .map(([seed, edits, length]) => {
        const out = Uint8Array.from(seed.subarray(0, Math.max(1, seed.length - (length % 8))));
        for (const [at, value] of edits) out[at % out.length] = value;
        return out;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), mutated), (message) => {
        const { verdict, message: answer } = answerTo(message, ZONES);
        if (!answer) return verdict === "ignored";
        if (answer.length > 1232) return false;
        const packet = reply(answer);
        return packet.flag_qr && (verdict === "answered") === (packet.answers ?? []).length > 0;
      }),
      { numRuns: 5000 },
    );
  });
});
