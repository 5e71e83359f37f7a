/**
 * What a partition costs that is over: `bun bench/partition.bench.ts [--partition SECONDS] [--writes N] [--json FILE]`, as root.
 *
 * Method. Two gateways with real daemons and the native data path in namespaces, on one wire, which is cut so that neither is told. Meanwhile each gets 1,000 records of
 * 100 bytes by MQTT (QoS 1, 16 at a time; real signatures, fsync on). After 600 s, when the session has long expired, the wire is mended. Both are asked for
 * their digest every 50 ms; bytes are those that the wire's end has counted from the mending on. What was missing is read from both stores just before.
 */
import { parseArgs } from "node:util";
import { Partition } from "../test/help/partition.ts";
import { able } from "../test/help/require.ts";
import { show } from "./rounds.ts";
import type { Row } from "./table.ts";

const { values } = parseArgs({
  options: {
    partition: { type: "string", default: "600" },
    writes: { type: "string", default: "1000" },
    json: { type: "string" },
  },
  strict: false,
});

async function main(): Promise<void> {
  if (!able("bench/partition.bench.ts", "root", "tun", "netns", "addon", "command:ip")) return;
  const partition = new Partition();
  try {
    await partition.start();
    const { took, met, moved, missing } = await partition.heal(Number(values.writes), Number(values.partition));
    const rows: Row[] = [
      { id: "partition/healed", value: took, unit: "ms" },
      { id: "partition/met", value: met, unit: "ms" },
      { id: "partition/moved", value: moved, unit: "bytes" },
      { id: "partition/missing", value: missing, unit: "bytes" },
    ];
    for (const row of rows) console.log(show(row));
    if (typeof values.json === "string") await Bun.write(values.json, JSON.stringify(rows));
  } finally {
    await partition.remove();
  }
}

await main();
process.exit(0);
