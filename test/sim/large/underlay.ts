/** Who can reach whom over a large mesh's underlay, and how long that takes. */
import type { Ms } from "../../../runtime/base/time.ts";
import { type TopologyName, wiresOf } from "../routing/topologies.ts";

/**
 * open: everybody reaches everybody over the internet, from random places of a plane, 2 to 40 ms apart. spokes: one gateway in ten is open,
 * the others sit behind boxes of their own (port-restricted NAT) on LTE, 25 to 50 ms more. The others: each reaches a few, as the
 * simulation of routing alone has it (`routing/topologies.ts`), and the rest through the mesh.
 */
export const SITES = ["open", "spokes", "geometric", "grid", "hubs"] as const satisfies readonly (
  | "open"
  | "spokes"
  | TopologyName
)[];
export type Site = (typeof SITES)[number];

const PLANE: Ms = 28;
const NEAREST: Ms = 2;
const LTE = { base: 25, jitter: 25 } as const;
const OPEN_EACH = 10;

export interface Underlay {
  /** Not behind a box. */
  readonly isOpen: (index: number) => boolean;
  /** Whom it reaches; undefined: everybody. */
  readonly around: (index: number) => readonly number[] | undefined;
  /** One way; undefined where there is no wire. */
  readonly delay: (from: number, to: number, chance: () => number) => Ms | undefined;
  /** The nearest first, itself included. */
  readonly nearest: (index: number) => readonly number[];
}

export const underlayOf = (site: Site, count: number, seed: string, draw: () => number): Underlay =>
  site === "open" || site === "spokes" ? internet(site, count, draw) : sparse(site, count, seed);

function internet(site: "open" | "spokes", count: number, draw: () => number): Underlay {
  const spots = Array.from({ length: count }, () => ({ x: PLANE * draw(), y: PLANE * draw() }));
  const isOpen = (index: number): boolean => site === "open" || index % OPEN_EACH === 0;
  const distance = (a: number, b: number): Ms => {
    const [one, other] = [spots[a], spots[b]];
    return one && other ? Math.hypot(one.x - other.x, one.y - other.y) : 0;
  };
  return {
    isOpen,
    around: () => undefined,
    delay: (from, to, chance) => {
      const spokes = Number(!isOpen(from)) + Number(!isOpen(to));
      const lte = spokes * (LTE.base + LTE.jitter * chance());
      return NEAREST + distance(from, to) + chance() + lte;
    },
    nearest: (index) => [...spots.keys()].sort((a, b) => distance(index, a) - distance(index, b)),
  };
}

function sparse(topology: TopologyName, count: number, seed: string): Underlay {
  const wires = Array.from({ length: count }, () => new Map<number, Ms>());
  for (const { a, b, delay } of wiresOf(topology, count, seed)) {
    wires[a]?.set(b, delay);
    wires[b]?.set(a, delay);
  }
  return {
    isOpen: () => true,
    around: (index) => [...(wires[index]?.keys() ?? [])],
    delay: (from, to, chance) => {
      const delay = wires[from]?.get(to);
      return delay === undefined ? undefined : delay + chance();
    },
    nearest: (index) => {
      const found = new Set([index]);
      for (const n of found) for (const next of wires[n]?.keys() ?? []) found.add(next);
      return [...found];
    },
  };
}
