/** Whom to call, when and where: the pauses between attempts, the turns that places take, and when keys are due to change. */
import { compare } from "../base/bytes.ts";
import type { Endpoint } from "../base/endpoint.ts";
import { type RandomBytes, randomBelow } from "../base/random.ts";
import { type Ms, minutes } from "../base/time.ts";
import type { Presence } from "./handshake/outbox.ts";
import type { RemoteMember } from "./handshake/ports.ts";
import { silentAt } from "./life-signs.ts";
import { isThrough, through } from "./neighbours.ts";
import { type Peer, UPGRADE_FIRST } from "./peers.ts";
import type { MeshSettings } from "./ports.ts";
import type { Ways } from "./ways.ts";

/** A peer that has refused us is not asked again sooner. */
const REFUSED_PAUSE = minutes(10);
/** When a peer is not reached at a place within this, the next one or the mesh is tried beside it. */
const DIRECT_ALONE = 1500;
/** When a peer is not reached where it was seen, other places are tried beside it. */
const SEEN_ALONE = 2000;
/** Then other places do not wait again for so long: a member may say all the time that another is where it is not. */
const SEEN_REST = 10_000;
/** At each of its places it has been called so often in vain. */
const ABSENT_AFTER = 5;
/** What was to be sent to it has gone, or is not worth sending any more. */
const WANTED_FOR: Ms = minutes(1);
/** A session that nobody keeps ends when so long nobody used it. */
const UNUSED_AFTER: Ms = minutes(5);
/** After a session has begun through the mesh, or a place was told: others of it may follow. */
const UPGRADE_SOON = 500;
const UPGRADE_MAX = minutes(10);
/** Where the pause has grown to this the underlay does not lead to it; after a while it may. */
const APART_AFTER = minutes(2);
const APART_FOR = minutes(60);

const NEVER = Number.POSITIVE_INFINITY;

export interface CallingDeps {
  readonly settings: MeshSettings;
  readonly random: RandomBytes;
  readonly ways: Pick<Ways, "to">;
}

export class Calling {
  readonly #deps: CallingDeps;

  constructor(deps: CallingDeps) {
    this.#deps = deps;
  }

  /** When an attempt may begin; never, where none may. `own`: our node id. */
  dialAt(p: Peer, own: Uint8Array): Ms {
    return this.mayDial(p) ? Math.max(p.attemptUntil, this.#wantedAt(p, own)) : NEVER;
  }

  mayDial(p: Peer): boolean {
    if (this.#placeOf(p) === undefined) return false;
    if (p.current || !p.member) return true;
    return p.kept || (p.nextTry < p.wantedUntil && this.#deps.settings.dials(p.member));
  }

  /** Something is to be sent to it. */
  want(p: Peer, now: Ms): void {
    p.wantedUntil = now + WANTED_FOR;
    if (!p.current) p.nextTry = Math.min(p.nextTry, now);
  }

  /** When the session ends, since neither end keeps it and nothing goes over it. */
  idleAt(p: Peer): Ms {
    if (!p.current || !p.member || p.kept) return NEVER;
    return Math.max(p.wantedUntil, p.keptThereUntil, p.usedAt + UNUSED_AFTER);
  }

  /** Takes the turn of an attempt: where to call now; undefined when it is not time for that. */
  dial(p: Peer, now: Ms): Endpoint | undefined {
    const place = this.#placeOf(p);
    if (!place || now < p.attemptUntil) return undefined;
    if (!p.current && now < p.refusedUntil) {
      p.nextTry = p.refusedUntil;
      return undefined;
    }
    const others = isThrough(place) || p.current ? 0 : p.places.size - 1;
    const isNext = (!isThrough(place) && this.isBehind(p)) || p.tries % (others + 1) < others; // somewhere else it may be
    const limit = isNext || others > 0 ? DIRECT_ALONE : this.#deps.settings.attemptLimit;
    p.attemptUntil = now + limit;
    p.nextTry = now + limit + (isNext ? 0 : this.#pauseOf(p.tries / (others + 1)));
    p.tries++;
    if (!p.current && !isThrough(place)) p.places.next();
    return place;
  }

  /** One that nobody has reached for long, and that nothing waits for, calls us when it is back: calling it may cost little. */
  presenceOf(p: Peer, now: Ms): Presence {
    if (p.current) return p.silent ? "unheard" : "heard";
    return now >= p.wantedUntil && p.tries > ABSENT_AFTER * Math.max(1, p.places.size) ? "absent" : "unheard";
  }

  /**
   * Takes the turn of a place where it was just seen, by which others wait, also those where it is seen beside: who has several addresses sends a
   * beacon from each. False while such a turn lasts.
   */
  turnTo(p: Peer, now: Ms): boolean {
    if (now < p.seenUntil) return false;
    const isFirst = now >= p.seenUntil + SEEN_REST;
    p.seenUntil = now + SEEN_ALONE;
    if (isFirst) p.attemptUntil = Math.max(p.attemptUntil, p.seenUntil);
    return true;
  }

  /** Nobody answered: the next attempt follows after the pause, by whatever way there is then. */
  gaveUp(p: Peer, now: Ms): void {
    p.attemptUntil = Math.min(p.attemptUntil, now);
    p.nextTry = Math.min(p.nextTry, now + this.#pauseOf(p.tries - 1));
  }

  /** It says that it wants no session with us. */
  refused(p: Peer, now: Ms): void {
    p.refusedUntil = now + REFUSED_PAUSE;
    p.attemptUntil = now;
    p.nextTry = now + REFUSED_PAUSE;
  }

  /** It has answered, at last or again. */
  reached(p: Peer, now: Ms): void {
    p.tries = 0;
    p.attemptUntil = now;
    p.nextTry = now;
  }

  /** When to try again whether a peer that is spoken to through the mesh can be reached over the underlay. */
  upgradeAt(p: Peer): Ms {
    const wanted = p.current && p.places.size > 0 && p.endpoint && isThrough(p.endpoint);
    return wanted ? p.nextUpgrade : NEVER;
  }

  /** Takes the turn of such a try. */
  upgrade(p: Peer, now: Ms): void {
    p.nextUpgrade = now + p.upgradePause;
    p.upgradePause = Math.min(p.upgradePause * 2, UPGRADE_MAX);
    if (p.upgradePause > APART_AFTER) p.apartUntil = now + APART_FOR;
  }

  /** A session begins: where it goes through the mesh, the underlay is tried soon. */
  beginUpgrades(p: Peer, now: Ms): void {
    p.nextUpgrade = now + UPGRADE_SOON;
    p.upgradePause = UPGRADE_FIRST;
  }

  /** A new place of it is worth a try. */
  heardOfPlace(p: Peer, now: Ms): void {
    p.nextUpgrade = Math.min(p.nextUpgrade, now + UPGRADE_SOON);
    p.apartUntil = now;
  }

  #wantedAt(p: Peer, own: Uint8Array): Ms {
    if (!p.current) return p.nextTry;
    const s = this.#deps.settings;
    const { created, used } = p.current;
    const due = Math.min(created + s.rekeyUnused, (used ?? NEVER) + s.rekeyAfter);
    const rekey = due + (compare(own, p.id) < 0 ? 0 : s.rekeyFallback);
    const isLost = p.answers === false && created < p.silentSince; // perhaps it began anew, and knows nothing of this session
    return Math.max(p.nextTry, Math.min(rekey, isLost ? p.nextTry : silentAt(p, s)));
  }

  /**
   * Where to call the peer. One that has a session is called where it is spoken to; another first over the underlay, then
   * in turn through the mesh.
   */
  #placeOf(p: Peer): Endpoint | undefined {
    const mesh = this.isBehind(p) ? through((p.member as RemoteMember).address) : undefined;
    if (p.tries % 2 === 1 && mesh) return mesh;
    return (p.current ? p.endpoint : p.places.current) ?? mesh;
  }

  /** Whether another neighbour leads to it. */
  isBehind({ member }: Peer): boolean {
    const route = member && this.#deps.ways.to(member.address);
    return route !== undefined && (route.primary !== member?.address || route.backup !== undefined);
  }

  /** Doubled with each attempt, and spread, so that gateways that lost each other do not call in step. */
  #pauseOf(tries: number): Ms {
    const { retryFirst, retryMax } = this.#deps.settings;
    const pause = Math.min(retryMax, retryFirst * 2 ** Math.min(Math.max(0, tries), 10));
    return pause + randomBelow(this.#deps.random, Math.ceil(pause / 2) + 1);
  }
}
