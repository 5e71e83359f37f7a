import { expect, test } from "bun:test";
import { fromUtf8 } from "../../../runtime/base/bytes.ts";
import { LABEL, STEP } from "../../../runtime/crypto/labels.ts";

const texts = Object.values(LABEL).map((label) => fromUtf8(label) as string);

test("every label is printable ASCII of at most 255 bytes and starts with the wire version", () => {
  for (const text of texts) {
    expect(text).toMatch(/^trellis\/1 [\x21-\x7e][\x20-\x7e]*$/);
    expect(text.length).toBeLessThanOrEqual(255);
  }
});

test("no label is the beginning of another, so that label followed by data has one reading", () => {
  const clashes = texts.filter((a, i) => texts.some((b, j) => i !== j && b.startsWith(a)));
  expect(clashes).toEqual([]);
});

test("no two steps of the key schedule share a name, and none is a label of another use", () => {
  const steps = Object.values(STEP).map((step) => fromUtf8(step) as string);
  expect(new Set([...steps, ...texts]).size).toBe(steps.length + texts.length);
});
