/** What a gateway's index of records takes of memory: the shipped one, of a gateway alone, its store beside it left out. */
import { utf8 } from "../../runtime/base/bytes.ts";
import { generateKeys } from "../../runtime/identity/keys.ts";
import { decodingOf } from "../../runtime/sync/decoding.ts";
import { Holdings } from "../../runtime/sync/holdings.ts";
import { decodeRecord, encodeLeaf, signBatch } from "../../runtime/sync/record.ts";
import { seededRandom } from "../../test/help/seeded.ts";
import { standIn } from "../../test/help/stand-in-provider.ts";

const [AUTHORS, BATCH] = [100, 10];

const heap = async (): Promise<number> => {
  Bun.gc(true);
  await Bun.sleep(0);
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
};

/** Bytes of heap for each of `records` records of a hundred authors, in batches of ten, with keys such as `sensors/1234/5`. */
export async function indexBytes(records: number): Promise<number> {
  const random = seededRandom("index");
  const meshId = standIn.sha256(utf8("mesh"));
  const nowhere = { get: async () => undefined, list: async () => [], commit: async () => {}, relax: async () => {} };
  const holdings = await Holdings.load(standIn, nowhere, decodingOf(standIn, meshId));
  const keys = await Promise.all(Array.from({ length: AUTHORS }, () => generateKeys(standIn, random)));
  const epoch = random(32);
  const before = await heap();
  for (let i = 0; i < records / BATCH; i++) {
    const { id: keyId, secrets } = keys[i % AUTHORS] as (typeof keys)[number];
    const leaves = Array.from({ length: BATCH }, (_, k) =>
      encodeLeaf({
        kind: 9,
        key: utf8(`sensors/${i}/${k}`),
        version: i * BATCH + k + 1,
        epoch,
        salt: random(24),
        body: random(116),
        chunks: undefined,
      }),
    );
    const { batch, proven } = await signBatch(standIn, meshId, { keyId, secrets }, leaves);
    const arrivals = leaves.flatMap((encoded, index) => {
      const record = decodeRecord(standIn, keyId, encoded);
      return record ? [{ record, batch, index, path: proven[index]?.path ?? [] }] : [];
    });
    await holdings.add(arrivals, "required");
  }
  holdings.tree.fingerprint("");
  const taken = (await heap()) - before;
  if (holdings.size !== records) throw new Error(`${holdings.size} of ${records} records are in the index`);
  return taken / records;
}
