/** Which gateway of a subnet is used. */
import { type Ms, seconds } from "../base/time.ts";

export interface Reach {
  /** Of the way to it; the lower the nearer. */
  readonly cost: number;
}

/** Another gateway must be nearer than the one in use by this much: who changes breaks connections that are masqueraded there. */
const WORTH = 1.25;
/** And for so long without a break: the round trips of a busy moment are no reason. */
const LASTING = seconds(10);

/** The gateways of one subnet, in the order in which they are to be tried. */
export class Preference {
  #nearerSince: Ms | undefined;

  /**
   * All of them: those that are reached by cost, of equal ones by address; then the others. The one in use stays first while it is reached and
   * nobody has been nearer by a quarter for ten seconds, as far as this was asked meanwhile.
   */
  order(
    gateways: readonly string[],
    reach: (gateway: string) => Reach | undefined,
    inUse: string | undefined,
    now: Ms,
  ): readonly string[] {
    const cost = (gateway: string): number => reach(gateway)?.cost ?? Number.POSITIVE_INFINITY;
    const byCost = [...gateways].sort((a, b) => (cost(a) === cost(b) ? (a < b ? -1 : 1) : cost(a) - cost(b)));
    const [nearest] = byCost;
    if (nearest === undefined || inUse === undefined || !gateways.includes(inUse) || !reach(inUse)) {
      this.#nearerSince = undefined;
      return byCost;
    }
    if (cost(inUse) <= WORTH * cost(nearest)) this.#nearerSince = undefined;
    else this.#nearerSince ??= now;
    if (this.#nearerSince === undefined || now < this.#nearerSince + LASTING)
      return [inUse, ...byCost.filter((gateway) => gateway !== inUse)];
    this.#nearerSince = undefined;
    return byCost;
  }
}
