/** Records for a neighbour that asked: by batch, each batch's records with one proof, as many as fit a message. */
import type { Holdings } from "./holdings.ts";
import { type Proven, proofOf } from "./merkle.ts";
import { type Group, ITEMS_BYTES } from "./message.ts";
import type { Recent } from "./recent.ts";
import type { Batch, Stored } from "./record.ts";

/** Bytes that a record takes beside itself at most: its place and its path. */
const BESIDE = 300;

/** `sent`: batches whose signature the other has got; those that go now are put there. */
export async function serveItems(
  holdings: Holdings,
  ids: readonly string[],
  sent: Recent<true>,
): Promise<{ readonly groups: readonly Group[]; readonly more: boolean }> {
  const byBatch = new Map<
    string,
    { readonly batch: Batch; readonly records: (Stored & { readonly leaf: Uint8Array })[] }
  >();
  let bytes = 0;
  let more = false;
  for (const id of ids) {
    if (bytes >= ITEMS_BYTES) {
      more = true;
      break;
    }
    const found = await holdings.stored(id);
    if (!found) continue;
    const name = found.held.batch;
    let group = byBatch.get(name);
    if (!group) {
      const batch = await holdings.batch(found.stored.batch);
      if (!batch) continue;
      if (!sent.get(name)) bytes += batch.encoded.length;
      group = { batch, records: [] };
      byBatch.set(name, group);
    }
    group.records.push({ ...found.stored, leaf: found.hash });
    bytes += found.stored.encoded.length + BESIDE;
  }
  const groups = [...byBatch].map(([name, { batch, records }]): Group => {
    const ordered = records.sort((a, b) => a.index - b.index);
    const known = ordered.map(({ index, leaf, path }): Proven => ({ index, leaf, path }));
    const again = sent.get(name) === true;
    sent.set(name, true);
    return {
      batch: again ? undefined : batch.encoded,
      id: again ? batch.id : undefined,
      records: ordered.map(({ index, encoded }) => ({ index, encoded })),
      proof: proofOf(batch.count, known),
    };
  });
  return { groups, more };
}
