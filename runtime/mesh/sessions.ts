/** Sessions with peers: made by a handshake, used once both ends have the keys, replaced by newer ones, ended. */
import type { Endpoint } from "../base/endpoint.ts";
import type { Ms } from "../base/time.ts";
import type { Calling } from "./calling.ts";
import type { Delivery } from "./delivery.ts";
import type { Established } from "./handshake/ports.ts";
import { laterFor } from "./life-signs.ts";
import { isThrough } from "./neighbours.ts";
import type { Outbox } from "./outbox.ts";
import { type Peer, type PeerTable, SESSIONS_MAX } from "./peers.ts";
import type { MeshDeps } from "./ports.ts";
import { ControlSession } from "./session/control.ts";
import type { Spreading } from "./spreading.ts";
import type { Stream } from "./stream/stream.ts";
import type { Whereabouts } from "./whereabouts.ts";

export interface SessionsDeps extends Pick<MeshDeps, "crypto" | "settings"> {
  readonly out: Outbox;
  readonly peers: PeerTable;
  readonly calling: Calling;
  readonly whereabouts: Whereabouts;
  readonly delivery: Delivery;
  readonly spreading: Spreading;
  readonly newStream: () => Stream;
  /** The peer is spoken to over the underlay there, and will be found there again. */
  readonly remember: (peer: Peer, endpoint: Endpoint) => void;
  /** The peer uses the session of this index: no other handshake with it is needed. */
  readonly settled: (id: Uint8Array, localIndex: number) => void;
  /** A session is in use now that was not. */
  readonly used: () => void;
}

export class Sessions {
  readonly #deps: SessionsDeps;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
  }

  /** What a handshake has made; in use at once where the other end has confirmed it. */
  install(e: Established, now: Ms): void {
    const { crypto, settings, peers, out } = this.#deps;
    const peer = peers.of(e.peer.id, now);
    peers.name(peer, e.peer);
    const endpoint = (peer.current && this.#staysFor(peer, e, now) && peer.endpoint) || e.endpoint;
    if (!peer.current || e.confirmed) peers.place(peer, endpoint);
    const session = new ControlSession(crypto, e, now, settings);
    peers.install(peer, session);
    out.put({ type: "installSession", peer: e.peer.address, session: e.data, endpoint });
    const spare = peer.sessions.length > SESSIONS_MAX ? peer.sessions.find((s) => s !== peer.current) : undefined;
    if (spare) this.drop(peer, spare, "replaced");
    if (e.confirmed) this.use(peer, session, now);
    else peer.attemptUntil = now + settings.attemptLimit; // no second attempt while this one is finishing
  }

  use(peer: Peer, session: ControlSession, now: Ms): void {
    const { out, calling, delivery, spreading, remember, settled, used } = this.#deps;
    session.confirmed = true;
    if (peer.current) peer.rekeys++;
    else {
      peer.upSince = now;
      peer.usedAt = now;
      peer.nextLook = now;
      peer.gossip.nextDigest = now - laterFor(peer); // at once, also through the mesh
      calling.beginUpgrades(peer, now);
      const { name, address } = session.keys.peer;
      out.say({ kind: "sessionUp", peer: address, name, took: session.keys.took, pattern: session.keys.pattern });
    }
    peer.current = session;
    settled(peer.id, session.localIndex);
    used();
    if (peer.endpoint && !isThrough(peer.endpoint)) remember(peer, peer.endpoint);
    peer.lastHeard = now;
    peer.askedSince = Number.POSITIVE_INFINITY;
    calling.reached(peer, now);
    out.put({ type: "useSession", peer: session.keys.peer.address, localIndex: session.localIndex });
    out.confirm(peer, session, now);
    delivery.endWaiting(peer, now);
    if (now >= spreading.digestAt(peer)) spreading.sendDigest(peer, now);
  }

  /** The other end may not know yet that we have the keys. */
  confirm(localIndex: number, now: Ms): void {
    const { peers, out } = this.#deps;
    const peer = peers.byIndex(localIndex);
    const session = peer?.sessions.find((s) => s.localIndex === localIndex);
    if (peer && session) out.confirm(peer, session, now);
  }

  /** When the first of the peer's sessions ends. */
  expiryOf(p: Peer): Ms {
    return Math.min(...p.sessions.map((session) => this.#expiryOf(p, session)));
  }

  endExpired(p: Peer, now: Ms): void {
    for (const s of [...p.sessions]) if (now >= this.#expiryOf(p, s)) this.drop(p, s, "expired");
  }

  endAll(p: Peer, reason: string): void {
    for (const s of [...p.sessions]) this.drop(p, s, reason);
  }

  drop(peer: Peer, session: ControlSession, reason: string): void {
    const { peers, out, whereabouts, newStream } = this.#deps;
    peers.removeSession(peer, session);
    out.put({ type: "removeSession", localIndex: session.localIndex });
    if (peer.upSince === undefined || peer.current || !peer.member) return;
    peer.upSince = undefined;
    whereabouts.forget(peer);
    peer.stream = newStream();
    out.say({ kind: "sessionDown", peer: peer.member.address, name: peer.member.name, reason });
  }

  /** Keys end with their time, and with whoever is not heard of any more. */
  #expiryOf(p: Peer, session: ControlSession): Ms {
    const heard = Math.max(p.lastHeard, session.created);
    return Math.min(session.expiry, heard + this.#deps.settings.rejectAfter);
  }

  /** Whether a peer that has a session is spoken to where it was, wherever its new one was made. The data path follows what it is told with that. */
  #staysFor(peer: Peer, { confirmed, endpoint }: Established, now: Ms): boolean {
    return !confirmed || peer.links.explains(endpoint) || this.#deps.whereabouts.isFarther(peer, endpoint, now);
  }
}
