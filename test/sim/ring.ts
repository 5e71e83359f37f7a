/** Many gateways in a ring, each with its four nearest neighbours: the topology of the larger runs. */
import { toHex } from "../../runtime/base/bytes.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import { createMesh, memberBy, memberByRoot } from "../unit/identity/world.ts";
import { type Gateway, World } from "./world.ts";

export interface Ring {
  readonly world: World;
  readonly neighbours: (index: number) => readonly Gateway[];
}

export async function createRing(seed: string, count: number, loss: number, crypto?: CryptoProvider): Promise<Ring> {
  const { mesh, roots } = await createMesh();
  const first = await memberByRoot(mesh, roots);
  const members = [first];
  for (let i = 1; i < count; i++) members.push(await memberBy(mesh, first, { name: `g${i}`, serial: i + 1 }));
  const near = (i: number): number[] =>
    [...new Set([1, 2, count - 1, count - 2].map((d) => (i + d) % count))].filter((j) => j !== i);
  const world = new World(seed);
  world.loss = loss;
  for (const [i, member] of members.entries()) {
    const dialled = new Set(near(i).map((j) => toHex(members[j]?.keys.id ?? new Uint8Array(0))));
    const dials = (m: { readonly id: Uint8Array }): boolean => dialled.has(toHex(m.id));
    await world.add(mesh, member, { dials, ...(crypto ? { crypto } : {}) });
  }
  const neighbours = (i: number): Gateway[] => near(i).map((j) => world.gateways[j] as Gateway);
  for (const [i, gateway] of world.gateways.entries()) {
    for (const other of neighbours(i))
      await gateway.roster?.admit(members[world.gateways.indexOf(other)]?.chain.encoded ?? new Uint8Array(0));
  }
  for (const [i, gateway] of world.gateways.entries())
    for (const other of neighbours(i)) if (i < world.gateways.indexOf(other)) await world.connect(gateway, other);
  return { world, neighbours };
}

/** How many of the wanted sessions are up, and how many there are. */
export function sessions({ world, neighbours }: Ring): { up: number; wanted: number } {
  const tally = { up: 0, wanted: 0 };
  for (const [i, gateway] of world.gateways.entries()) {
    const up = new Set(
      gateway.mesh
        .peers(world.now)
        .filter((p) => p.state === "up")
        .map((p) => p.address),
    );
    for (const other of neighbours(i)) {
      tally.wanted++;
      if (up.has(other.address)) tally.up++;
    }
  }
  return tally;
}
