/** Where peers can be spoken to, and where they can speak to us: what is told, seen and tried, and who is told of it. */
import { toHex } from "../base/bytes.ts";
import { type Endpoint, endpointKey, parseEndpoint } from "../base/endpoint.ts";
import type { Ms } from "../base/time.ts";
import type { Calling } from "./calling.ts";
import { inUseOf, Meeting, type Step } from "./discovery/meeting.ts";
import { Observed } from "./discovery/observed.ts";
import { type Hint, NEIGHBOURS_MAX, OWN_MAX } from "./gossip/message.ts";
import { isNeighbour, isThrough, neighbourList, through } from "./neighbours.ts";
import type { Outbox } from "./outbox.ts";
import type { Peer, PeerTable } from "./peers.ts";
import type { MeshDeps } from "./ports.ts";
import type { ControlMessage } from "./session/message.ts";
import type { MeshCommand, Reachability } from "./types.ts";

/** Between two times that a neighbour is told of ours; doubled while there is something to tell each time. */
const NEIGHBOURS_APART = { first: 250, most: 2000 } as const;

export interface WhereaboutsDeps extends Pick<MeshDeps, "settings" | "random" | "meter"> {
  readonly out: Outbox;
  readonly peers: PeerTable;
  readonly calling: Calling;
  /** The peer is spoken to over the underlay there, and will be found there again. */
  readonly remember: (peer: Peer, endpoint: Endpoint) => void;
}

export class Whereabouts {
  readonly #deps: WhereaboutsDeps;
  readonly #meeting = new Meeting();
  readonly #observed = new Observed();
  #interfaces: readonly Endpoint[] = [];
  #own: readonly string[] = [];

  constructor(deps: WhereaboutsDeps) {
    this.#deps = deps;
  }

  /** Where others can reach us, as far as we know. */
  reachability(now: Ms): Reachability {
    return { own: this.#own, nat: this.#observed.nat(now), observed: this.#observed.list(now) };
  }

  /** A peer follows us by what it hears from our new address, so it hears something at once. */
  announce(endpoints: readonly Endpoint[], now: Ms): void {
    if (endpoints.map(endpointKey).join() === this.#interfaces.map(endpointKey).join()) return;
    this.#interfaces = endpoints;
    this.#observed.own = endpoints;
    for (const peer of this.#deps.peers.all()) {
      peer.nextLook = now;
      if (peer.endpoint && !isThrough(peer.endpoint)) this.#deps.out.greet(peer, now);
    }
    this.#publish(now);
  }

  /** A beacon names a place. What is left to do about it: somebody else makes calls. */
  sighted(sighting: Extract<MeshCommand, { type: "sighted" }>, mayCall: boolean, now: Ms): Step {
    const peer = this.#deps.peers.byId(sighting.id);
    const step = this.#meeting.sighted(sighting, peer, mayCall, now);
    if (step === "seek" && peer) this.seekAt(peer, sighting.endpoint, now);
    return step;
  }

  /** The peer, or a neighbour, names places of it. Never believed over what we know ourselves: where it may be tried, no more. Whether one is new. */
  #told(peer: Peer, places: readonly string[], now: Ms): boolean {
    let isNew = false;
    for (const text of peer.member ? places : []) {
      const place = parseEndpoint(text);
      if (!place || isThrough(place) || !peer.places.tell(place)) continue;
      if (this.#meeting.told(peer, place, now) === "seek") this.seekAt(peer, place, now);
      this.#deps.calling.heardOfPlace(peer, now);
      isNew = true;
    }
    return isNew;
  }

  /** `own`: where the peer says that it can be reached itself. Whether a place of anybody is new. */
  hearNeighbours(peer: Peer, neighbours: readonly Hint[], own: readonly string[], now: Ms): boolean {
    let isNew = this.#told(peer, own, now);
    if (own.join() !== peer.own.join()) this.#owe();
    peer.own = own;
    for (const { id, endpoint, others } of neighbours) {
      const other = this.#deps.peers.byId(id);
      if (other) isNew = this.#told(other, [endpoint, ...(others ?? [])], now) || isNew;
    }
    return isNew;
  }

  /** Whether somebody became a neighbour, ceased to be one or moved: then all neighbours will be told. */
  noticeNeighbours(): void {
    let changed = false;
    for (const peer of this.#deps.peers.touched) {
      const now = isNeighbour(peer) ? endpointKey(peer.endpoint as Endpoint) : "";
      if (now !== peer.announced) changed = true;
      peer.announced = now;
    }
    if (changed) this.#owe();
  }

  tellNeighbours(peer: Peer, now: Ms): void {
    if (!peer.owesNeighbours || !peer.current || now < peer.nextNeighbours) return;
    peer.owesNeighbours = false;
    const isSoon = now < peer.nextNeighbours + peer.neighboursPause;
    peer.neighboursPause = isSoon ? Math.min(2 * peer.neighboursPause, NEIGHBOURS_APART.most) : NEIGHBOURS_APART.first;
    peer.nextNeighbours = now + peer.neighboursPause;
    const others = this.#deps.peers.listed.filter((p) => p !== peer);
    const own = this.#own.length > 0 ? { own: this.#own } : {};
    this.#deps.out.push(peer, { kind: "neighbours", neighbours: neighbourList(others, NEIGHBOURS_MAX), ...own });
  }

  /** When to ask the peer where it sees us. */
  lookAt(p: Peer): Ms {
    return p.current && inUseOf(p) ? p.nextLook : Number.POSITIVE_INFINITY;
  }

  look(p: Peer, now: Ms): void {
    p.nextLook = now + this.#observed.pause(now);
    p.seek.look(p.endpoint as Endpoint, this.#deps.random, now);
    this.seekOn(p, now);
  }

  /**
   * Whether a peer that is spoken to through the mesh can be reached over the underlay by now. It is told, through the mesh, to try at
   * the same time: a box (NAT) lets in whom its own side has just written to.
   */
  upgrade(p: Peer, now: Ms): void {
    this.#deps.calling.upgrade(p, now);
    this.#deps.out.tell(p, { kind: "meet" }, now);
    for (const place of p.places.all) this.seekAt(p, place, now);
  }

  /** The peer tries to reach us over the underlay right now. */
  meet(p: Peer, now: Ms): void {
    if (inUseOf(p)) return;
    for (const place of p.places.all) if (this.#meeting.told(p, place, now) === "seek") this.seekAt(p, place, now);
  }

  seekAt(peer: Peer, place: Endpoint, now: Ms): void {
    peer.seek.begin(place, inUseOf(peer), this.#deps.random, now);
    this.seekOn(peer, now);
  }

  /** Questions that are due, and what their answers have settled. */
  seekOn(peer: Peer, now: Ms): void {
    const { out } = this.#deps;
    for (const { place, token } of peer.seek.take(now)) out.tell(peer, { kind: "seek", token }, now, place);
    const found = peer.seek.settle(now);
    if (!found) return;
    this.move(peer, found, now);
    out.greet(peer, now); // by which it follows
  }

  /** It may be here, but has not proven that it hears what we send there: so it is asked, too. */
  answerSeek(peer: Peer, token: number | undefined, source: Endpoint, now: Ms): void {
    const seen = isThrough(source) ? {} : { seen: endpointKey(source) };
    this.#deps.out.tell(peer, { kind: "found", token, ...seen }, now, source);
    if (!isThrough(source) && !inUseOf(peer)) this.seekAt(peer, source, now);
  }

  hearFound(peer: Peer, m: ControlMessage, source: Endpoint, now: Ms): void {
    if (isThrough(source) || !peer.seek.answered(m.token ?? 0, source, now)) {
      this.#deps.meter.count("control.drop.unasked");
      return;
    }
    const seen = m.seen === undefined ? undefined : parseEndpoint(m.seen);
    if (seen) this.#observed.note(toHex(peer.id), source, seen, now);
    this.#publish(now);
    this.seekOn(peer, now);
  }

  /** The data path has an answer from there, or none any more. Who is spoken to through the mesh is nearer than that. */
  heardAt(peer: Peer, place: Endpoint, answers: boolean, now: Ms): void {
    peer.links.heard(place, answers);
    const { endpoint } = peer;
    if (answers && endpoint && (isThrough(endpoint) || peer.links.prefers(place, endpoint)))
      this.move(peer, place, now);
  }

  /** The data path has no answer from it any more: it is sought wherever it may be, and spoken to through the mesh meanwhile. */
  fellSilent(peer: Peer, now: Ms): void {
    for (const place of peer.places.all) this.seekAt(peer, place, now);
    if (peer.member && this.#deps.calling.isBehind(peer)) this.move(peer, through(peer.member.address), now);
  }

  /** Follows a peer; from the underlay into the mesh only when the underlay has gone silent. */
  move(peer: Peer, endpoint: Endpoint, now: Ms): void {
    const { out, peers, remember } = this.#deps;
    if (!peer.member || (peer.endpoint && endpointKey(peer.endpoint) === endpointKey(endpoint))) return;
    if (peer.endpoint && peer.links.prefers(peer.endpoint, endpoint)) {
      out.speakAt(peer, peer.endpoint); // the data path may have followed already
      return;
    }
    if (this.isFarther(peer, endpoint, now)) return;
    peers.place(peer, endpoint);
    peer.nextLook = now;
    if (isThrough(endpoint))
      this.offerPlaces(peer, now); // before it moves: the link that it leaves is asked on, as it stands
    else remember(peer, endpoint);
    out.speakAt(peer, endpoint);
  }

  /** Whether that is the mesh, while the underlay carries what the peer says. */
  isFarther(peer: Peer, endpoint: Endpoint, now: Ms): boolean {
    return isThrough(endpoint) && !peer.silent && now < peer.heardDirectly + this.#deps.settings.silentAfter;
  }

  /** Where the data path is to look for the peer, beside where it is spoken to. */
  offerPlaces({ current, member, endpoint, links, places }: Peer, now: Ms): void {
    const offer = current && member && endpoint && links.offer(endpoint, places.all, now);
    if (offer) this.#deps.out.put({ type: "setPlaces", peer: member.address, places: offer });
  }

  /** Its session has ended: what it saw of us may not hold any more. */
  forget(peer: Peer): void {
    this.#observed.forget(toHex(peer.id));
  }

  /** It is no member any more. */
  expelled(peer: Peer): void {
    this.forget(peer);
    if (peer.announced) this.#owe();
  }

  /** Neighbours are told where we can be reached: by our interfaces, and where peers see us. */
  #publish(now: Ms): void {
    const seen = this.#observed.places(now);
    const own = [...this.#interfaces.slice(0, OWN_MAX - seen.length), ...seen].map(endpointKey);
    if (own.join() === this.#own.join()) return;
    this.#own = own;
    this.#owe();
  }

  #owe(): void {
    const { peers } = this.#deps;
    for (const peer of peers.listed) {
      peer.owesNeighbours = isNeighbour(peer);
      if (peer.owesNeighbours) peers.touch(peer);
    }
  }
}
