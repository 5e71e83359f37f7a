/**
 * Members on our own links: when to send beacons, and what a beacon that was heard suggests. It suggests a place to try and no more;
 * who is there shows in the handshake. Pure: the shell sends and hears.
 */
import { compare, equal, toHex } from "../../base/bytes.ts";
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import type { Meter } from "../../base/meter.ts";
import { type RandomBytes, randomBelow } from "../../base/random.ts";
import { RateLimit } from "../../base/rate-limit.ts";
import { type Ms, minutes, seconds } from "../../base/time.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { beaconKey, openBeacon, sealBeacon } from "./beacon.ts";

/** Beacons after a start, and after interfaces have changed: the first may be lost while a switch or the others get ready. */
export const BURST: readonly Ms[] = [0, 100, 400, 1500];
/** A burst says that its sender is new there. */
export const FRESH_FOR = seconds(2);
/** Without a reason, spread by a quarter to both sides. */
export const BEACON_EVERY = minutes(1);
/** While a member is looked for that was lost without a word, by one of those on a link for all; spread as well. */
export const SEEK_EVERY = seconds(2);
/** So long: what is back after that is found by beacons as they always go, or by calls. */
export const SEEK_FOR = minutes(15);
/** Who is new is answered by a beacon, all together by one in this time. */
export const ANSWER_EVERY = seconds(1);
/** Answers and calls are spread over so much for each member of the mesh, so that a thousand do not call a newcomer at once. */
export const SPREAD_PER_MEMBER: Ms = 2;
const SPREAD_MOST = seconds(2);
/** Of two that are new to each other the one with the larger id waits so long for the other's call. */
export const YIELD: Ms = 250;
/** The same member at the same place is suggested again after so long. */
export const AGAIN = seconds(1);

/** How many are opened at once, and then one in `refill` ms: of one source, and of all together. */
const OPEN_EACH = { burst: 16, refill: 500, sources: 256 };
const OPEN_ALL = { burst: 256, refill: 2 };
const HEARD_MAX = 1024;
const PLACES_EACH = 8;
const WAITING_MAX = 256;
const ALL = "";

export interface DiscoveryDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomBytes;
  readonly meter: Meter;
  readonly genesis: Uint8Array;
  /** Ours. */
  readonly id: Uint8Array;
  readonly port: number;
  /** How many members there are. */
  members(): number;
}

/** A member, or who has a member's node id, may be at this endpoint. */
export interface Sighting {
  readonly id: Uint8Array;
  readonly endpoint: Endpoint;
  /** It has just come there. */
  readonly fresh: boolean;
}

export class Discovery {
  readonly #deps: DiscoveryDeps;
  readonly #key: Uint8Array;
  readonly #each = new RateLimit(OPEN_EACH.burst, OPEN_EACH.refill, OPEN_EACH.sources);
  readonly #all = new RateLimit(OPEN_ALL.burst, OPEN_ALL.refill, 1);
  /** By node id, hex: where it was heard, and until when that is no news. */
  readonly #heard = new Map<string, Map<string, Ms>>();
  readonly #waiting = new Map<string, Sighting & { readonly at: Ms }>();
  /** Whom we look for, by overlay address, and until when. */
  readonly #lost = new Map<string, Ms>();
  #burst: Ms[] = [];
  #freshUntil: Ms;
  #next: Ms;
  #last = Number.NEGATIVE_INFINITY;

  constructor(deps: DiscoveryDeps, now: Ms) {
    this.#deps = deps;
    this.#key = beaconKey(deps.crypto, deps.genesis);
    this.#freshUntil = now;
    this.#next = now + BEACON_EVERY;
    this.changed(now);
  }

  /** Interfaces or addresses have come, gone or changed: everybody there is told. */
  changed(now: Ms): void {
    this.#burst = BURST.map((after) => now + after + randomBelow(this.#deps.random, 20));
    this.#freshUntil = now + FRESH_FOR;
  }

  get due(): Ms {
    const waiting = Math.min(...[...this.#waiting.values()].map((w) => w.at));
    return Math.min(this.#next, this.#burst[0] ?? Number.POSITIVE_INFINITY, waiting);
  }

  /** Whether a beacon is to be sent now from each address of each link. */
  takeBeacon(now: Ms): boolean {
    const due = Math.min(this.#next, this.#burst[0] ?? Number.POSITIVE_INFINITY) <= now;
    if (!due) return false;
    this.#burst = this.#burst.filter((at) => at > now);
    this.#last = now;
    this.#next = now + this.#pause(now);
    return true;
  }

  /** A session with a member on some link is over, and it has not said goodbye: perhaps a cable was cut, and is mended one day. */
  lost(address: string, now: Ms): void {
    this.#lost.set(address, now + SEEK_FOR);
    this.#next = Math.min(this.#next, now + this.#pause(now));
  }

  /** It has a session again. */
  found(address: string): void {
    this.#lost.delete(address);
  }

  #isSeeking(now: Ms): boolean {
    for (const [address, until] of this.#lost) if (until <= now) this.#lost.delete(address);
    return this.#lost.size > 0;
  }

  #pause(now: Ms): Ms {
    const every = this.#isSeeking(now) ? SEEK_EVERY : BEACON_EVERY;
    return (every * 3) / 4 + randomBelow(this.#deps.random, every / 2);
  }

  /** Ours, for the address that it is to be sent from: each one is another. */
  beacon(address: string, now: Ms): Uint8Array {
    const { crypto, random, id, port } = this.#deps;
    return sealBeacon(crypto, this.#key, { id, port, fresh: this.#isFresh(now) }, address, random);
  }

  /** Takes what came to the group; what it suggests is given by `takeSightings`. */
  hear(data: Uint8Array, source: Endpoint, now: Ms): void {
    this.#deps.meter.count(`discovery.${this.#hear(data, source, now)}`);
  }

  /** What became of it. */
  #hear(data: Uint8Array, source: Endpoint, now: Ms): string {
    if (!this.#each.has(source.address, now) || !this.#all.has(ALL, now)) return "drop.rate";
    this.#each.spend(source.address, now);
    this.#all.spend(ALL, now);
    const beacon = openBeacon(this.#deps.crypto, this.#key, data, source);
    if ("refused" in beacon) return `drop.${beacon.refused}`;
    if (equal(beacon.id, this.#deps.id)) return "own";
    if (beacon.fresh) this.#answer(now);
    // One of us is enough for who comes back; but nobody keeps us silent.
    else if (this.#isSeeking(now)) this.#next = Math.min(now + this.#pause(now), this.#last + BEACON_EVERY);
    const endpoint = { address: source.address, port: beacon.port };
    if (this.#waiting.size >= WAITING_MAX) return "drop.full";
    if (this.#isNews(beacon.id, endpoint, now)) this.#wait({ id: beacon.id, endpoint, fresh: beacon.fresh }, now);
    return "heard";
  }

  takeSightings(now: Ms): Sighting[] {
    const due = [...this.#waiting].filter(([, w]) => w.at <= now);
    for (const [key] of due) this.#waiting.delete(key);
    return due.map(([, { id, endpoint, fresh }]) => ({ id, endpoint, fresh }));
  }

  /** Entries of tables that others can make grow. */
  get load(): Readonly<Record<"heard" | "waiting", number>> {
    return { heard: this.#heard.size, waiting: this.#waiting.size };
  }

  #isFresh(now: Ms): boolean {
    return now < this.#freshUntil;
  }

  #spread(): Ms {
    const most = Math.min(SPREAD_MOST, SPREAD_PER_MEMBER * this.#deps.members());
    return randomBelow(this.#deps.random, most + 1);
  }

  #answer(now: Ms): void {
    if (this.#burst.length > 0) return; // it will hear us anyway
    this.#next = Math.min(this.#next, Math.max(now, this.#last + ANSWER_EVERY) + this.#spread());
  }

  #isNews(id: Uint8Array, endpoint: Endpoint, now: Ms): boolean {
    const key = toHex(id);
    const places = this.#heard.get(key) ?? new Map<string, Ms>();
    this.#heard.delete(key); // the map's order is that of hearing
    this.#heard.set(key, places);
    if (this.#heard.size > HEARD_MAX) this.#heard.delete(this.#heard.keys().next().value as string);
    const place = endpointKey(endpoint);
    if ((places.get(place) ?? now) > now) return false;
    places.delete(place);
    places.set(place, now + AGAIN);
    if (places.size > PLACES_EACH) places.delete(places.keys().next().value as string);
    return true;
  }

  /** Who is new is called by those who are there; of two in the same case, by the one with the smaller id. */
  #wait(sighting: Sighting, now: Ms): void {
    const isOurs = sighting.fresh === this.#isFresh(now) ? compare(this.#deps.id, sighting.id) < 0 : sighting.fresh;
    const at = now + this.#spread() + (isOurs ? 0 : YIELD);
    this.#waiting.set(`${toHex(sighting.id)} ${endpointKey(sighting.endpoint)}`, { ...sighting, at });
  }
}
