/**
 * With whom a session stands all the time. In a small mesh with everybody; in a large one with some that are drawn by lot, so that
 * the mesh hangs together, and with the nearest, so that ways are short. Others get a session when something is to be sent to them. Who can be
 * reached through the mesh only is no help in holding it together, and is left alone for a while.
 */
import { compare, concat, toHex } from "../base/bytes.ts";
import { type Ms, minutes } from "../base/time.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { RemoteMember } from "./handshake/ports.ts";
import { isNeighbour } from "./neighbours.ts";
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
/** Between two that others know a place of and that may be no neighbour of ours. */
const TRIAL_FIRST = minutes(1);
const TRIAL_MAX = minutes(60);

export class Keeping {
  readonly #sha256: CryptoProvider["sha256"];
  readonly #own: Uint8Array;
  /** Hex, which is ordered as the bytes are. */
  readonly #lots = new WeakMap<Peer, string>();
  #trial: Peer | undefined;
  #trialPause: Ms = TRIAL_FIRST;
  #nextTrial: Ms = Number.NEGATIVE_INFINITY;

  /** `own`: our node id. */
  constructor(crypto: Pick<CryptoProvider, "sha256">, own: Uint8Array) {
    this.#sha256 = crypto.sha256;
    this.#own = own;
  }

  /** Those whose session stands, of all peers that may be dialled. */
  choose(peers: readonly Peer[], dials: (member: RemoteMember) => boolean, now: Ms): ReadonlySet<Peer> {
    const allowed = peers.filter((p) => p.member && dials(p.member));
    if (allowed.length <= KEEP_ALL) return new Set(allowed);
    const placed = allowed.filter((p) => p.places.size > 0).sort((a, b) => (this.#lotOf(a) < this.#lotOf(b) ? -1 : 1));
    const drawn = placed.slice(0, BY_LOT);
    const others = placed.slice(BY_LOT).filter((p) => !isLost(p) && !isApart(p, now));
    const lost = drawn.filter(isLost).length;
    const apart = drawn.filter((p) => isApart(p, now)).length;
    const kept = new Set([
      ...drawn.filter((p) => !isApart(p, now) || now >= p.apartUntil),
      ...others.slice(0, lost), // they may lead to a part of the mesh that nobody here leads to
      ...others.filter(isNeighbour).slice(0, lost + apart),
    ]);
    if (others.filter(isNeighbour).length < apart) for (const p of this.#trials(others, now)) kept.add(p);
    const near = placed.filter((p) => !kept.has(p) && isNeighbour(p) && tripOf(p) !== undefined);
    for (const p of near.sort((a, b) => distance(a) - distance(b)).slice(0, NEAREST)) kept.add(p);
    return kept;
  }

  /** With too few neighbours: whoever was spoken to where it is, and of the others one after the other, ever more rarely in vain. */
  #trials(others: readonly Peer[], now: Ms): readonly Peer[] {
    const met = others.filter((p) => !isNeighbour(p) && p.places.isMet).slice(0, BY_LOT);
    const strangers = others.filter((p) => !p.places.isMet);
    if (met.length > 0) return met;
    if (this.#trial && isNeighbour(this.#trial)) this.#trialPause = TRIAL_FIRST;
    if (this.#trial && strangers.includes(this.#trial)) return [this.#trial];
    if (now < this.#nextTrial) return [];
    this.#trial = strangers[0];
    this.#nextTrial = now + this.#trialPause;
    this.#trialPause = Math.min(2 * this.#trialPause, TRIAL_MAX);
    return strangers.slice(0, 1);
  }

  /** The same for both ends, so that those who draw each other are often the same two. */
  #lotOf(p: Peer): string {
    const known = this.#lots.get(p);
    if (known) return known;
    const pair = compare(this.#own, p.id) < 0 ? [this.#own, p.id] : [p.id, this.#own];
    const lot = toHex(this.#sha256(concat(...pair)));
    this.#lots.set(p, lot);
    return lot;
  }
}

/** Nobody answers there, nor through the mesh: a session may outlast that by minutes. */
const isLost = (p: Peer): boolean => !isNeighbour(p) && (p.current ? p.silent : p.tries >= FAILED);

/** The mesh leads to it, and the underlay does not, or did not for a while. */
const isApart = (p: Peer, now: Ms): boolean =>
  !isNeighbour(p) && !isLost(p) && (p.current !== undefined || now < p.apartUntil);

const tripOf = (p: Peer): Ms | undefined => p.linkTrip ?? p.stream.roundTrip;

const distance = (p: Peer): number => (tripOf(p) ?? Number.POSITIVE_INFINITY) * (p.kept ? STICKY : 1);
