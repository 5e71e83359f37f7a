/** A partition of seconds: both sides write, and afterwards hold the same, for little more than what was missing. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Partition } from "../help/partition.ts";
import { able } from "../help/require.ts";

const WRITES = 1_000;

describe.skipIf(!able("test/netns/partition.test.ts", "root", "netns", "command:ip"))("a wire that was cut", () => {
  const partition = new Partition();
  beforeAll(() => partition.start("--no-device"));
  afterAll(() => partition.remove());

  test("leaves two gateways alike that wrote 1,000 records each, moving at most twice what was missing", async () => {
    const { missing, moved, records } = await partition.heal(WRITES, 1);
    expect(missing).toBeGreaterThan(2 * WRITES * 100);
    expect(records).toBe(2 * WRITES + 2); // and what both had before
    expect(moved).toBeLessThanOrEqual(2 * missing);
  });
});
