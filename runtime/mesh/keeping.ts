/**
 * With whom a session stands all the time. In a small mesh with everybody; in a large one with some that are drawn by lot, so that
 * the mesh hangs together, and with the nearest, so that ways are short. Others get a session when something is to be sent to them.
 */
import { compare, concat } from "../base/bytes.ts";
import type { Ms } from "../base/time.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { RemoteMember } from "./handshake/ports.ts";
import { isThrough } from "./neighbours.ts";
import type { Peer } from "./peers.ts";

/** Up to so many others all are kept. */
export const KEEP_ALL = 16;
/** A graph in which each draws four neighbours hangs together, with a probability that grows with its size. */
const BY_LOT = 4;
const NEAREST = 4;
/** One that is kept as near gives way to another that is nearer by this factor. */
const STICKY = 0.7;
/** So often it has not been reached: somebody else is kept beside it. */
const FAILED = 3;

export class Keeping {
  readonly #sha256: CryptoProvider["sha256"];
  readonly #own: Uint8Array;
  readonly #lots = new WeakMap<Peer, Uint8Array>();

  /** `own`: our node id. */
  constructor(crypto: Pick<CryptoProvider, "sha256">, own: Uint8Array) {
    this.#sha256 = crypto.sha256;
    this.#own = own;
  }

  /** Those whose session stands, of all peers that may be dialled. */
  choose(peers: readonly Peer[], dials: (member: RemoteMember) => boolean): ReadonlySet<Peer> {
    const allowed = peers.filter((p) => p.member && dials(p.member));
    if (allowed.length <= KEEP_ALL) return new Set(allowed);
    const placed = allowed.filter((p) => p.places.size > 0).sort((a, b) => compare(this.#lotOf(a), this.#lotOf(b)));
    const drawn = placed.slice(0, BY_LOT);
    const instead = placed.slice(BY_LOT).filter((p) => !isFailing(p));
    const kept = new Set([...drawn, ...instead.slice(0, drawn.filter(isFailing).length)]);
    const near = placed.filter((p) => !kept.has(p) && isDirect(p) && tripOf(p) !== undefined);
    for (const p of near.sort((a, b) => distance(a) - distance(b)).slice(0, NEAREST)) kept.add(p);
    return kept;
  }

  /** The same for both ends, so that those who draw each other are often the same two. */
  #lotOf(p: Peer): Uint8Array {
    const known = this.#lots.get(p);
    if (known) return known;
    const pair = compare(this.#own, p.id) < 0 ? [this.#own, p.id] : [p.id, this.#own];
    const lot = this.#sha256(concat(...pair));
    this.#lots.set(p, lot);
    return lot;
  }
}

const isDirect = (p: Peer): boolean => p.current !== undefined && p.endpoint !== undefined && !isThrough(p.endpoint);

const isFailing = (p: Peer): boolean => (p.current ? !isDirect(p) : p.tries >= FAILED);

const tripOf = (p: Peer): Ms | undefined => p.linkTrip ?? p.stream.roundTrip;

const distance = (p: Peer): number => (tripOf(p) ?? Number.POSITIVE_INFINITY) * (p.kept ? STICKY : 1);
