/**
 * With whom records are exchanged: members that we have a session with over the underlay, and that we or they keep. So a session
 * through the mesh, or one that stands while something is to be sent, carries none, and those in between do.
 */
import { toHex } from "../base/bytes.ts";
import { type Ms, minutes, seconds } from "../base/time.ts";

/** Who keeps us tells us something at least so often (`exchange.ts`). */
const SPOKE: Ms = minutes(60);
/** What was sent got lost: begun anew, but not at once, for there may be no room. */
const AGAIN: Ms = seconds(10);

/** A session over the underlay. */
export interface Session {
  /** Node id, hex. */
  readonly id: string;
  readonly kept: boolean;
}

/** Of all peers those that are spoken to over the underlay. */
export const sessionsOf = (peers: readonly PeerSession[]): readonly Session[] =>
  peers.filter((p) => p.sessionId && p.endpoint && p.via === undefined).map((p) => ({ id: toHex(p.id), kept: p.kept }));

/** What of a peer's view counts here. */
interface PeerSession {
  readonly id: Uint8Array;
  readonly sessionId: Uint8Array | undefined;
  readonly endpoint: unknown;
  readonly via: string | undefined;
  readonly kept: boolean;
}

export interface Changed {
  readonly up: readonly string[];
  readonly down: readonly string[];
}

export class Neighbourhood {
  #current: ReadonlySet<string> = new Set();
  readonly #spoke = new Map<string, Ms>();
  readonly #lost = new Map<string, Ms>();

  /** Node ids, hex. */
  get current(): ReadonlySet<string> {
    return this.#current;
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
    this.#current = new Set([...this.#current].filter((other) => other !== id));
    return was;
  }

  /** What was sent to it may not have come. */
  lost(id: string, now: Ms): void {
    if (this.#current.has(id) && !this.#lost.has(id)) this.#lost.set(id, now);
  }

  /** To be called about once a second, with all sessions that stand. Who is begun anew is in both lists. */
  look(sessions: readonly Session[], now: Ms): Changed {
    const standing = new Set(sessions.map((s) => s.id));
    for (const [id, at] of this.#spoke) if (!standing.has(id) || now >= at + SPOKE) this.#spoke.delete(id);
    const next = new Set(sessions.filter((s) => s.kept || this.#spoke.has(s.id)).map((s) => s.id));
    const anew = [...this.#lost].filter(([, at]) => now >= at + AGAIN).map(([id]) => id);
    for (const id of anew) this.#lost.delete(id);
    for (const id of this.#lost.keys()) if (!next.has(id)) this.#lost.delete(id);
    const down = [...this.#current].filter((id) => !next.has(id) || anew.includes(id));
    const up = [...next].filter((id) => !this.#current.has(id) || anew.includes(id));
    this.#current = next;
    return { up, down };
  }
}
