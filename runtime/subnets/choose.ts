/** Which gateway of a subnet is used. */

export interface Reach {
  /** Of the way to it; the lower the nearer. */
  readonly cost: number;
}

/** Another gateway must be nearer than the one in use by this much: who changes breaks connections that are masqueraded there. */
const WORTH = 1.25;

/**
 * All of them, in the order in which they are to be tried: those that are reached by cost, of equal ones by address; then the others. The one in
 * use stays first while it is reached and nobody is nearer by a quarter.
 */
export function order(
  gateways: readonly string[],
  reach: (gateway: string) => Reach | undefined,
  inUse: string | undefined,
): readonly string[] {
  const cost = (gateway: string): number => reach(gateway)?.cost ?? Number.POSITIVE_INFINITY;
  const byCost = [...gateways].sort((a, b) => (cost(a) === cost(b) ? (a < b ? -1 : 1) : cost(a) - cost(b)));
  const [nearest] = byCost;
  if (nearest === undefined || inUse === undefined || !gateways.includes(inUse)) return byCost;
  if (!reach(inUse) || cost(inUse) > WORTH * cost(nearest)) return byCost;
  return [inUse, ...byCost.filter((gateway) => gateway !== inUse)];
}
