import { beforeAll, describe, expect, test } from "bun:test";
import { concat, utf8 } from "../../../runtime/base/bytes.ts";
import { native as crypto } from "../../../runtime/crypto/native.ts";
import { openStream, sealStream } from "../../../runtime/provisioning/sealed-stream.ts";
import { seededRandom } from "../../help/seeded.ts";

const FRAME = 64 * 1024;
const HEAD = 8 + 1 + 16;
const COST = 10; // the least: this is no test of scrypt

async function* inParts(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function sealed(...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const out: Uint8Array[] = [];
  for await (const part of sealStream(crypto, seededRandom("seal"), "words", inParts(...parts), COST)) out.push(part);
  return concat(...out);
}

/** It comes in parts that fit nothing. */
async function* cut(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000);
}

const opened = async (bytes: Uint8Array, passphrase = "words"): Promise<Uint8Array> =>
  concat(...(await Array.fromAsync(openStream(crypto, passphrase, cut(bytes)))));

const refusal = (bytes: Uint8Array, passphrase = "words"): Promise<string> =>
  opened(bytes, passphrase).then(
    () => "opened",
    (thrown: unknown) => (thrown as { code: string }).code,
  );

describe("a sealed stream", () => {
  test.each([0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME + 7])("of %d bytes is opened as it was", async (size) => {
    const plain = seededRandom("plain")(size);
    const parts = [plain.subarray(0, size >> 1), plain.subarray(size >> 1)];
    expect((await opened(await sealed(...parts))).toHex()).toBe(plain.toHex());
  });

  let three: Uint8Array;
  const frame = (n: number): Uint8Array => {
    const size = FRAME + 16 + 4;
    return three.subarray(HEAD + n * size, n === 2 ? three.length : HEAD + (n + 1) * size);
  };
  beforeAll(async () => {
    three = await sealed(seededRandom("three")(2 * FRAME + 100));
  });

  test("tells a wrong passphrase from damage", async () => {
    expect(await refusal(three, "other words")).toBe("backup/passphrase");
    expect(await refusal(utf8("no backup at all, but long enough"))).toBe("backup/damaged");
    expect(await refusal(three.subarray(0, HEAD))).toBe("backup/damaged");
  });

  test("is not opened with a frame left out, moved, repeated or cut", async () => {
    const head = three.subarray(0, HEAD);
    for (const wrong of [
      concat(head, frame(0), frame(1)),
      concat(head, frame(0), frame(2)),
      concat(head, frame(0), frame(0), frame(2)),
      concat(three, frame(2)),
      three.subarray(0, three.length - 1),
    ])
      expect(await refusal(wrong)).toBe("backup/damaged");
    for (const wrong of [concat(head, frame(1), frame(0), frame(2)), concat(head, frame(2))])
      expect(await refusal(wrong)).toBe("backup/passphrase"); // nothing tells these apart
  });

  test("is not opened with any bit of it changed", async () => {
    const small = await sealed(utf8("secret"));
    for (let at = 0; at < small.length; at++) {
      const wrong = small.with(at, (small[at] as number) ^ 1);
      expect(await refusal(wrong)).not.toBe("opened");
    }
  });
});
