import { expect } from "bun:test";
import { capacity, chain, delay, duplicate, type LinkKind, loss, reorder } from "./network/link.ts";
import { scenario } from "./scenario.ts";
import { breaks, pair } from "./small.ts";
import type { Load } from "./world.ts";

interface Variant {
  readonly says: string;
  readonly link: LinkKind;
  readonly load: Load;
  readonly seeds: number;
  /** Packets opened at both ends, at least. */
  readonly opens: number;
}

const LIGHT: Load = { every: 100, bytes: 64 };
/** 34 kB/s with headers, into links of 32 kB/s: their queues stay full, and keys change through them. */
const FULL: Load = { every: 40, bytes: 1280 };

/** Rows of one table: the same ten rekeys over links that treat packets differently, all at 20 % loss. */
const VARIANTS: Readonly<Record<string, Variant>> = {
  lossy: {
    says: "20 % loss",
    link: chain(loss(20), delay(5, 20)),
    load: LIGHT,
    seeds: 3,
    opens: 18_000,
  },
  reordering: {
    says: "20 % loss, packets half a second late and packets twice",
    link: chain(loss(20), duplicate(10, 100), reorder(30, 500), delay(20, 30)),
    load: LIGHT,
    seeds: 2,
    opens: 18_000,
  },
  full: {
    says: "20 % loss and links filled beyond their capacity",
    link: chain(capacity(32_000, 16_000), loss(20), delay(10, 5)),
    load: FULL,
    seeds: 1,
    opens: 45_000,
  },
  "full-reordering": {
    says: "20 % loss, links filled beyond their capacity, and packets half a second late",
    link: chain(capacity(32_000, 16_000), loss(20), reorder(20, 500), delay(10, 5)),
    load: FULL,
    seeds: 1,
    opens: 45_000,
  },
};

for (const [id, { says, link, load, seeds, opens }] of Object.entries(VARIANTS)) {
  scenario(`rekey/${id}`, `ten rekeys under ${says} lose no packet that arrived`, seeds, async (sim) => {
    const { world, a, b } = await pair(sim);
    world.network.kind = link;
    world.load = load;
    await world.run(1_300_000);
    for (const [g, other] of [
      [a, b],
      [b, a],
    ] as const) {
      expect(g.peer(other)?.rekeys).toBeGreaterThanOrEqual(10);
      expect(breaks(g)).toEqual([]);
    }
    expect(world.counts.opened).toBeGreaterThan(opens);
    expect(world.counts.unopened).toBe(0);
  });
}
