/** A writer's system calls are recorded once; then the power goes at hundreds of moments between them (file-layer.ts). */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { able } from "../../help/require.ts";
import { seededNumber } from "../../help/seeded.ts";
import { FileLayer, parseTrace } from "./file-layer.ts";
import { acks, expectAll } from "./written.ts";

const CUTS = Number(process.env.STORE_CUTS ?? 80);
/** Enough for a new log in each round. */
const WRITES = 900;
const REOPENS = 1;

const can = able("test/unit/store/level-power-cut.test.ts", "command:strace");
// The copies need no medium: what they hold is what survived.
const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "trellis-power-"));
afterAll(() => rmSync(folder, { recursive: true }));

const CALLS = "trace=open,openat,write,fdatasync,fsync,rename,renameat,renameat2,unlink,unlinkat";

function record(directory: string): ReturnType<typeof parseTrace> {
  const file = join(folder, "trace");
  const writer = [process.execPath, join(import.meta.dir, "write-store.ts"), directory, "0", `${WRITES}`, `${REOPENS}`];
  const command = ["strace", "-f", "-y", "-xx", "-s", "9000000", "-e", CALLS, "-o", file, ...writer];
  const child = Bun.spawnSync(command, { env: { ...process.env, BUN_BE_BUN: "1" }, stdout: "pipe", stderr: "pipe" });
  expect(child.stderr.toString()).toBe("");
  expect(acks(child.stdout.toString())).toHaveLength(WRITES);
  return parseTrace(readFileSync(file, "latin1"));
}

describe.skipIf(!can)("a power cut that drops what was not synced", () => {
  test("loses nothing that was acknowledged, and leaves a store that opens", async () => {
    const directory = join(folder, "store");
    await expectAll(directory, []); // a store is made under another name: what is recorded is its work
    const layer = new FileLayer(directory);
    const trace = record(directory);
    const random = seededNumber("level power cut");
    const acknowledged: number[] = [];
    const isAck = (args: string): boolean => args.startsWith("1<") && args.includes("\\x61\\x63\\x6b\\x20");
    let [cuts, dropped] = [0, 0];
    const changes = trace.filter((t) => !t.args.includes(Buffer.from("reserve").toString("hex"))).length;
    for (const recorded of trace) {
      const tells = recorded.call === "write" && isAck(recorded.args);
      if (tells) {
        const text = Buffer.from((/"([^"]*)"/.exec(recorded.args)?.[1] ?? "").replaceAll("\\x", ""), "hex").toString();
        acknowledged.push(...acks(text));
      } else if (!layer.apply(recorded)) continue;
      // Names are rarely at stake when something is acknowledged: none of these moments is left out.
      if (!(tells && layer.unsyncedNames) && random() > CUTS / changes) continue;
      cuts++;
      const after = join(folder, "after");
      layer.materialize(after, random);
      writeFileSync(join(after, "reserve"), ""); // writing it anew for each cut would take most of the time
      const highest = await expectAll(after, acknowledged);
      if (layer.unsynced && highest === Math.max(-1, ...acknowledged)) dropped++;
      rmSync(after, { recursive: true });
    }
    expect(acknowledged).toHaveLength(WRITES);
    expect(cuts).toBeGreaterThan(CUTS / 3);
    expect(dropped).toBeGreaterThan(10); // else the layer forgot nothing and the test says nothing
  });
});
