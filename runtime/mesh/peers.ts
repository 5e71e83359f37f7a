/** The peers by every name under which an event can mention them: no event looks through all of them. */
import { toHex } from "../base/bytes.ts";
import { type Endpoint, endpointKey } from "../base/endpoint.ts";
import { type Ms, seconds } from "../base/time.ts";
import { Seek } from "./discovery/seek.ts";
import { GossipPeer } from "./gossip/gossip.ts";
import type { RemoteMember } from "./handshake/ports.ts";
import { isThrough } from "./neighbours.ts";
import { PeerLinks } from "./peer-links.ts";
import { PeerPath } from "./peer-path.ts";
import { Places } from "./places.ts";
import type { ControlSession } from "./session/control.ts";
import type { Stream } from "./stream/stream.ts";

export const SESSIONS_MAX = 4; // of one peer: the one in use, its successor, and two of simultaneous starts

/**
 * First pause between attempts to reach a peer over the underlay that is spoken to through the mesh; doubled each time.
 */
export const UPGRADE_FIRST = seconds(10);

export interface Post {
  readonly protocol: string;
  readonly data: Uint8Array;
}

export interface Peer {
  readonly id: Uint8Array;
  /** Undefined while only the node id is known. */
  member: RemoteMember | undefined;
  /** Where it is spoken to; with port 0 through the mesh. */
  endpoint: Endpoint | undefined;
  /** Where it may be reached over the underlay. */
  readonly places: Places;
  /** Where it says itself that it can be reached. */
  own: readonly string[];
  /** When something sealed last came over the underlay. */
  heardDirectly: Ms;
  /** Whether it answers the data path; undefined while that has not said. */
  answers: boolean | undefined;
  /** When it last ceased to. */
  silentSince: Ms;
  /** Has a session, and cannot be reached where it is spoken to: no neighbour for routing. */
  silent: boolean;
  /** As which neighbour we have announced it; empty: as none. */
  announced: string;
  owesNeighbours: boolean;
  nextNeighbours: Ms;
  neighboursPause: Ms;
  nextUpgrade: Ms;
  upgradePause: Ms;
  /** The mesh led to it and the underlay did not, however often that was tried: not kept until then. */
  apartUntil: Ms;
  /** Oldest first. */
  readonly sessions: ControlSession[];
  current: ControlSession | undefined;
  upSince: Ms | undefined;
  /** Its session stands all the time, as far as we can make it. */
  kept: boolean;
  /** It has shown that its end keeps the session; until then that is believed. */
  keptThereUntil: Ms;
  /** Something is to be sent to it; until then its session is made, and not ended. */
  wantedUntil: Ms;
  /** When something was last carried for its user, or its session began. */
  usedAt: Ms;
  tries: number;
  nextTry: Ms;
  attemptUntil: Ms;
  /** It was seen somewhere and is called there: other places wait. */
  seenUntil: Ms;
  /** It told us that we are not wanted. */
  refusedUntil: Ms;
  lastHeard: Ms;
  lastSent: Ms;
  /** Not asked before whether it is still there. */
  nextAsk: Ms;
  /** Questions since it was last heard. */
  asked: number;
  /** When the first of them was put; not to come while there is none. */
  askedSince: Ms;
  /** Others can take over from it: that it stands still is to be noticed within a second. */
  attended: boolean;
  /** For that, not asked before; and questions since it was last heard. */
  nextUrge: Ms;
  urged: number;
  roundTrip: Ms | undefined;
  /** Of its link, as the data path measures it. */
  linkTrip: Ms | undefined;
  /** Nothing but control may go to it directly: the caps of its links are reached. */
  shut: boolean;
  readonly pings: Map<number, Ms>;
  /** What waits for a session. */
  posts: Post[];
  rekeys: number;
  sent: number;
  received: number;
  stream: Stream;
  readonly gossip: GossipPeer;
  readonly path: PeerPath;
  /** Whether it can be spoken to elsewhere. */
  readonly seek: Seek;
  /** When it is to be asked where it sees us. */
  nextLook: Ms;
  readonly links: PeerLinks;
}

/** Peers that an event asks for are remembered until `takeTouched`: nothing else can have changed by it. */
export class PeerTable {
  readonly #newStream: () => Stream;
  #touched = new Set<Peer>();
  readonly #byId = new Map<string, Peer>();
  readonly #byAddress = new Map<string, Peer>();
  readonly #byIndex = new Map<number, Peer>();
  readonly #byEndpoint = new Map<string, Peer>();

  constructor(newStream: () => Stream) {
    this.#newStream = newStream;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** For changing them; `listed` is for looking. */
  all(): Peer[] {
    for (const peer of this.#byId.values()) this.#touched.add(peer);
    return [...this.#byId.values()];
  }

  get listed(): readonly Peer[] {
    return [...this.#byId.values()];
  }

  get touched(): ReadonlySet<Peer> {
    return this.#touched;
  }

  takeTouched(): ReadonlySet<Peer> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  /** The peer, made when it is new. */
  of(id: Uint8Array, now: Ms): Peer {
    const key = toHex(id);
    const known = this.#byId.get(key);
    if (known) return this.#touch(known);
    const peer: Peer = {
      id,
      member: undefined,
      endpoint: undefined,
      places: new Places(),
      own: [],
      heardDirectly: Number.NEGATIVE_INFINITY,
      answers: undefined,
      silentSince: Number.NEGATIVE_INFINITY,
      silent: false,
      announced: "",
      owesNeighbours: false,
      nextNeighbours: now,
      neighboursPause: 0,
      nextUpgrade: now,
      upgradePause: UPGRADE_FIRST,
      apartUntil: Number.NEGATIVE_INFINITY,
      sessions: [],
      current: undefined,
      upSince: undefined,
      kept: false,
      keptThereUntil: Number.NEGATIVE_INFINITY,
      wantedUntil: Number.NEGATIVE_INFINITY,
      usedAt: now,
      tries: 0,
      nextTry: now,
      attemptUntil: now,
      seenUntil: Number.NEGATIVE_INFINITY,
      refusedUntil: now,
      lastHeard: now,
      lastSent: now,
      nextAsk: now,
      asked: 0,
      askedSince: Number.POSITIVE_INFINITY,
      attended: false,
      nextUrge: now,
      urged: 0,
      roundTrip: undefined,
      linkTrip: undefined,
      shut: false,
      pings: new Map(),
      posts: [],
      rekeys: 0,
      sent: 0,
      received: 0,
      stream: this.#newStream(),
      gossip: new GossipPeer(),
      path: new PeerPath(),
      seek: new Seek(),
      nextLook: now,
      links: new PeerLinks(),
    };
    this.#byId.set(key, peer);
    return this.#touch(peer);
  }

  byId = (id: Uint8Array): Peer | undefined => this.#touch(this.#byId.get(toHex(id)));
  byAddress = (address: string): Peer | undefined => this.#touch(this.#byAddress.get(address));
  byIndex = (index: number): Peer | undefined => this.#touch(this.#byIndex.get(index));
  byEndpoint = (endpoint: Endpoint): Peer | undefined => this.#touch(this.#byEndpoint.get(endpointKey(endpoint)));

  /** For looking at one. */
  at = (address: string): Readonly<Peer> | undefined => this.#byAddress.get(address);

  name(peer: Peer, member: RemoteMember): void {
    peer.member = member;
    this.#byAddress.set(member.address, peer);
  }

  place(peer: Peer, endpoint: Endpoint): void {
    if (peer.endpoint && this.byEndpoint(peer.endpoint) === peer) this.#byEndpoint.delete(endpointKey(peer.endpoint));
    peer.endpoint = endpoint;
    if (!isThrough(endpoint)) peer.places.settle(endpoint);
    else peer.answers = undefined;
    this.#byEndpoint.set(endpointKey(endpoint), peer);
  }

  install(peer: Peer, session: ControlSession): void {
    peer.sessions.push(session);
    this.#byIndex.set(session.localIndex, peer);
  }

  removeSession(peer: Peer, session: ControlSession): void {
    peer.sessions.splice(peer.sessions.indexOf(session), 1);
    this.#byIndex.delete(session.localIndex);
    if (peer.current === session) peer.current = peer.sessions.findLast((s) => s.confirmed);
    if (peer.current) return;
    peer.answers = undefined;
    peer.links.reset();
  }

  remove(peer: Peer): void {
    for (const session of [...peer.sessions]) this.removeSession(peer, session);
    if (peer.endpoint && this.byEndpoint(peer.endpoint) === peer) this.#byEndpoint.delete(endpointKey(peer.endpoint));
    if (peer.member) this.#byAddress.delete(peer.member.address);
    this.#byId.delete(toHex(peer.id));
    this.#touched.delete(peer);
  }

  touch(peer: Peer): void {
    this.#touched.add(peer);
  }

  #touch<P extends Peer | undefined>(peer: P): P {
    if (peer) this.#touched.add(peer);
    return peer;
  }
}
