/** Records among many members; that what a large simulation shares changes nothing of what goes on. */
import { expect, test } from "bun:test";
import { scale } from "./records-scale.ts";

test("a hundred members come to hold the very set of 2,000 records, and little more than these goes over their links", async () => {
  const { seconds, bytesPerRecord, recordBytes } = await scale(100, 2_000);
  expect(seconds).toBeLessThan(5);
  expect(bytesPerRecord).toBeLessThan(1.1 * recordBytes);
});

test("members that share what is equal send what those send that do not, and end alike", async () => {
  const [apart, sharing] = [await scale(12, 600, { shares: false }), await scale(12, 600)];
  const { messages, bytes, digest, seconds } = apart;
  expect(sharing).toMatchObject({ messages, bytes, digest, seconds });
});
