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
    if (kind === "join-refused") {
      expect(vector.keys).toBeNull();
      expect(says.told).toBe(`false ${vector.refused}`);
    } else {
      expect(keys).toEqual(vector.keys as Record<string, string>);
    }
  });

  test("is refused by the decoder when one bit of any datagram differs", () => {
    const vector = load(kind);
    vector.datagrams.forEach((datagram, i) => {
      const at = 2 * Math.floor((datagram.length / 2 - 1) * ((i * 0.37) % 1));
      const byte = (Number.parseInt(datagram.slice(at, at + 2), 16) ^ 1).toString(16).padStart(2, "0");
      const changed = vector.datagrams.with(i, datagram.slice(0, at) + byte + datagram.slice(at + 2));
      expect(() => read({ ...vector, datagrams: changed })).toThrow();
    });
  });
});
