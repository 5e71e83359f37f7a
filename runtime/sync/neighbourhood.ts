/**
 * With whom records are exchanged: members that we have a session with over the underlay, or meet at a broker, and that we or they keep. So a
 * session through the mesh, or one that stands while something is to be sent, carries none, and those in between do.
 */
import { toHex } from "../base/bytes.ts";
import { type Ms, minutes, seconds } from "../base/time.ts";

/** Who keeps us tells us something at least so often (`exchange.ts`). */
const SPOKE: Ms = minutes(60);
/** What was sent got lost: begun anew, but not at once, for there may be no room. */
const AGAIN: Ms = seconds(10);

/** A session over the underlay, or what stands for one at a broker. */
export interface Session {
  /** Node id, hex. */
  readonly id: string;
  readonly kept: boolean;
  /** Undefined over the underlay. Another way is another session: what was on the old one is lost, and more may go on the new. */
  readonly way?: string | undefined;
}

/** Of the ways to one member the first that is kept counts, or else the first. */
function waysOf(sessions: readonly Session[]): ReadonlyMap<string, Session> {
  const ways = new Map<string, Session>();
  for (const session of sessions) {
    const known = ways.get(session.id);
    if (!known || (session.kept && !known.kept)) ways.set(session.id, session);
  }
  return ways;
}

/** Of all peers those that are spoken to over the underlay, and behind them those that do not answer at present: who is at a broker is met there then. */
export function sessionsOf(peers: readonly PeerSession[], atBrokers: readonly Session[] = []): readonly Session[] {
  const over = peers.filter((p) => p.sessionId && p.endpoint && p.via === undefined);
  const [silent, alive] = [over.filter((p) => p.state === "silent"), over.filter((p) => p.state !== "silent")];
  const session = (p: PeerSession): Session => ({ id: toHex(p.id), kept: p.kept });
  return [...alive.map(session), ...atBrokers, ...silent.map(session)];
}

/** What of a peer's view counts here. */
interface PeerSession {
  readonly id: Uint8Array;
  readonly sessionId: Uint8Array | undefined;
  readonly endpoint: unknown;
  readonly via: string | undefined;
  readonly state: string;
  readonly kept: boolean;
}

export interface Changed {
  readonly up: readonly string[];
  readonly down: readonly string[];
}

export class Neighbourhood {
  #current: ReadonlyMap<string, string | undefined> = new Map();
  readonly #spoke = new Map<string, Ms>();
  readonly #lost = new Map<string, Ms>();

  /** Node ids, hex. */
  get current(): ReadonlySet<string> {
    return new Set(this.#current.keys());
  }

  has(id: string): boolean {
    return this.#current.has(id);
  }

  /** As the session says; undefined for one over the underlay, and for who is none. */
  wayTo(id: string): string | undefined {
    return this.#current.get(id);
  }

  /** A message of it came. */
  spoke(id: string, now: Ms): void {
    this.#spoke.set(id, now);
  }

  /** Its session is over: the next one begins anew. Whether it was one with whom records were exchanged. */
  ended(id: string): boolean {
    this.#spoke.delete(id);
    this.#lost.delete(id);
    const was = this.#current.has(id);
    this.#current = new Map([...this.#current].filter(([other]) => other !== id));
    return was;
  }

  /** What was sent to it may not have come. */
  lost(id: string, now: Ms): void {
    if (this.#current.has(id) && !this.#lost.has(id)) this.#lost.set(id, now);
  }

  /** To be called about once a second, with all sessions that stand. Who is begun anew is in both lists. */
  look(sessions: readonly Session[], now: Ms): Changed {
    const standing = waysOf(sessions);
    for (const [id, at] of this.#spoke) if (!standing.has(id) || now >= at + SPOKE) this.#spoke.delete(id);
    const next = new Map(
      [...standing.values()].filter((s) => s.kept || this.#spoke.has(s.id)).map((s) => [s.id, s.way]),
    );
    const lost = [...this.#lost].filter(([, at]) => now >= at + AGAIN).map(([id]) => id);
    for (const id of lost) this.#lost.delete(id);
    for (const id of this.#lost.keys()) if (!next.has(id)) this.#lost.delete(id);
    const isAnew = (id: string): boolean => lost.includes(id) || next.get(id) !== this.#current.get(id);
    const down = [...this.#current.keys()].filter((id) => !next.has(id) || isAnew(id));
    const up = [...next.keys()].filter((id) => !this.#current.has(id) || isAnew(id));
    this.#current = next;
    return { up, down };
  }
}
