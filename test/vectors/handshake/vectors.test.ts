import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { decode } from "../handshake-decoder.ts";
import { KINDS, record, type Vector } from "./record.ts";

const load = (kind: string): Vector => JSON.parse(readFileSync(`${import.meta.dir}/${kind}.json`, "utf8")) as Vector;
const read = (v: Vector) => decode({ ...v, inviteSecret: v.inviteSecret ?? undefined });

describe.each([...KINDS])("the frozen handshake %s", (kind) => {
  test("is what the code does today, datagram for datagram", async () => {
    expect(await record(kind)).toEqual(load(kind));
  });

  test("is read by a decoder that shares no code with the runtime, which gets the same keys", () => {
    const vector = load(kind);
    const { keys, says } = read(vector);
    expect(keys).toEqual(vector.keys);
    if (vector.refused === "unknown") expect(says.told).toBe("unknown");
    else if (vector.refused !== null) expect(says.told).toBe(`false ${vector.refused}`);
  });

  test("is refused by the decoder when one bit of any datagram differs", () => {
    const vector = load(kind);
    vector.datagrams.forEach((datagram, i) => {
      for (const share of [(i * 0.37) % 1, 0, 0.999]) {
        const at = 2 * Math.floor((datagram.length / 2) * share);
        const byte = (Number.parseInt(datagram.slice(at, at + 2), 16) ^ 1).toString(16).padStart(2, "0");
        const changed = vector.datagrams.with(i, datagram.slice(0, at) + byte + datagram.slice(at + 2));
        expect(() => read({ ...vector, datagrams: changed })).toThrow();
      }
    });
  });

  test("is refused by the decoder when any datagram is cut short", () => {
    const vector = load(kind);
    vector.datagrams.forEach((datagram, i) => {
      const cut = vector.datagrams.with(i, datagram.slice(0, -2));
      expect(() => read({ ...vector, datagrams: cut })).toThrow();
    });
  });

  test("has a datagram of every type that it can have", () => {
    const vector = load(kind);
    const types = [...new Set(vector.datagrams.map((d) => Number.parseInt(d.slice(0, 2), 16)))].sort();
    expect(types).toEqual(vector.keys ? [1, 2, 3, 4, 5] : [1, 2, 3]);
  });
});

test.each(["known-peer", "first-contact", "join-accepted"])("the sealed frames of %s open both ways", (kind) => {
  const { frames } = read(load(kind));
  expect(frames.filter((f) => f.startsWith("data"))).toEqual([
    `data i>r 0 ${Buffer.from("initiator").toString("hex")}`,
    `data r>i 0 ${Buffer.from("responder").toString("hex")}`,
  ]);
  for (const way of ["i>r", "r>i"]) expect(frames).toContain(`control ${way} 0 `);
});
