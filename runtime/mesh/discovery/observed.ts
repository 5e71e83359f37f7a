/**
 * Where peers see us: each tells over its session from which endpoint our frames come. What is none of our interfaces' is a box (NAT)
 * on the way, and a place of ours that we could not know. A peer may lie; what two say alike counts before what one says, and one that
 * is alone with what it says is believed only as long as it goes on saying so.
 */
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import { parseIp } from "../../base/ip.ts";
import { type Ms, minutes } from "../../base/time.ts";
import type { NatView, Observation } from "../types.ts";
import { natOf } from "./nat.ts";

/** Peers are asked again after so long; where a box was seen, sooner. */
const ASK_EVERY = minutes(10);
const ASK_BEHIND = minutes(2);
/** What was not said again for so long is forgotten. */
const LIFE = minutes(15);
const OBSERVERS_MAX = 64;

export class Observed {
  /** The newest one of each peer and family. */
  readonly #observations = new Map<string, Observation>();
  #own: readonly Endpoint[] = [];

  /** Our interfaces' endpoints. */
  set own(endpoints: readonly Endpoint[]) {
    this.#own = endpoints;
  }

  /** A peer says where it sees us. What is no address that others could write to is not taken. */
  note(peer: string, at: Endpoint, seen: Endpoint, now: Ms): void {
    if (!isPlace(seen) || isV6(at) !== isV6(seen)) return;
    const key = `${peer} ${isV6(seen)}`;
    this.#observations.delete(key); // the map's order is that of saying
    this.#observations.set(key, { peer, at, seen, since: now });
    if (this.#observations.size > OBSERVERS_MAX)
      this.#observations.delete(this.#observations.keys().next().value as string);
  }

  /** It is spoken to no more, or not over the underlay. */
  forget(peer: string): void {
    for (const [key, o] of this.#observations) if (o.peer === peer) this.#observations.delete(key);
  }

  list(now: Ms): readonly Observation[] {
    return [...this.#observations.values()].filter((o) => now < o.since + LIFE);
  }

  /** Places of ours that are none of our interfaces': at most one of each family. */
  places(now: Ms): readonly Endpoint[] {
    const all = this.list(now);
    return [false, true].flatMap((v6) => this.#placeAmong(all.filter((o) => isV6(o.seen) === v6)) ?? []);
  }

  /** How long until a peer is asked again. */
  pause(now: Ms): Ms {
    return this.places(now).length > 0 ? ASK_BEHIND : ASK_EVERY;
  }

  /** What kind of box lies before us, for each family that somebody has seen us by. */
  nat(now: Ms): readonly NatView[] {
    const all = this.list(now);
    return [false, true].flatMap((v6) => {
      const seen = all.filter((o) => isV6(o.seen) === v6);
      return seen.length === 0 ? [] : [natOf(v6 ? "IPv6" : "IPv4", seen, this.#own)];
    });
  }

  /** What most say alike, if two do; otherwise what was said last. */
  #placeAmong(observations: readonly Observation[]): Endpoint | undefined {
    const mapped = observations.filter((o) => !this.#isOwn(o.seen));
    const says = (o: Observation): number =>
      mapped.filter((other) => endpointKey(other.seen) === endpointKey(o.seen)).length;
    const most = Math.max(0, ...mapped.map(says));
    return mapped.findLast((o) => says(o) === most)?.seen;
  }

  #isOwn(seen: Endpoint): boolean {
    return this.#own.some((own) => endpointKey(own) === endpointKey(seen));
  }
}

const isV6 = (e: Endpoint): boolean => e.address.includes(":");

/** Whether somebody else could write there: no link-local address, no group, not this machine, not nowhere. */
function isPlace({ address, port }: Endpoint): boolean {
  const bytes = parseIp(address); // a scope makes it none
  const first = bytes?.[0];
  if (!bytes || first === undefined || port === 0) return false;
  if (bytes.length === 4) return first !== 0 && first !== 127 && first < 224 && !(first === 169 && bytes[1] === 254);
  return first !== 0 && first !== 0xff && !(first === 0xfe && ((bytes[1] as number) & 0xc0) === 0x80);
}
