/**
 * The relay's rules, as the kernel program and the native workers keep them too, for the data path without the addon and
 * for simulations: checks the tag of a frame in transit, finds its next hop, and tags it anew. Reads nothing behind the header.
 */
import { concat, equal, toHex } from "../base/bytes.ts";
import { type Endpoint, endpointKey } from "../base/endpoint.ts";
import { formatIp, parseIp } from "../base/ip.ts";
import { sipHash24 } from "../crypto/siphash.ts";
import { FRAME, HELLO, HelloFrame, RELAY_TTL, RelayHeader } from "../mesh/frame.ts";
import type { Datagram, DataSession } from "../mesh/types.ts";

const TAGGED = RelayHeader.offsets.tag;

export type RelayVerdict =
  /** For us: the frame as if it came from `source`, an overlay address with port 0. */
  | { readonly deliver: Datagram }
  | { readonly forward: Datagram }
  /** To the neighbour who asked. */
  | { readonly reply: Datagram }
  /** The neighbour, by its overlay address, that has answered or heard our answer. */
  | { readonly heard: string }
  /** A neighbour, by its overlay address, asks from where it was not known to be. */
  | { readonly place: string; readonly endpoint: Endpoint }
  | { readonly drop: "malformed" | "link" | "tag" | "ttl" | "route" | "loop" | "elsewhere" };

interface Link {
  readonly peer: string;
  readonly session: DataSession;
}

interface Neighbour {
  endpoint: Endpoint;
  places: readonly Endpoint[];
  using: DataSession | undefined;
}

export class Relay {
  readonly #prefix: Uint8Array;
  readonly #label: Uint8Array;
  readonly #links = new Map<number, Link>();
  readonly #neighbours = new Map<string, Neighbour>();
  readonly #routes = new Map<string, { readonly primary: string; readonly backup: string | undefined }>();

  /** `address`: our overlay address. Throws RangeError when it is none. */
  constructor(address: string) {
    const bytes = parseIp(address);
    if (bytes?.length !== 16) throw new RangeError(`${address} is no overlay address`);
    this.#prefix = bytes.slice(0, 8);
    this.#label = bytes.slice(8);
  }

  install(peer: string, session: DataSession, endpoint: Endpoint): void {
    this.#links.set(session.localIndex, { peer, session });
    this.setEndpoint(peer, endpoint);
  }

  use(peer: string, localIndex: number): void {
    const neighbour = this.#neighbours.get(peer);
    if (neighbour) neighbour.using = this.#links.get(localIndex)?.session;
  }

  remove(localIndex: number): void {
    const link = this.#links.get(localIndex);
    if (!link) return;
    this.#links.delete(localIndex);
    const neighbour = this.#neighbours.get(link.peer);
    if (neighbour?.using === link.session) neighbour.using = undefined;
  }

  removePeer(peer: string): void {
    for (const [index, link] of this.#links) if (link.peer === peer) this.#links.delete(index);
    this.#neighbours.delete(peer);
  }

  setEndpoint(peer: string, endpoint: Endpoint): void {
    const neighbour = this.#neighbours.get(peer);
    if (neighbour) neighbour.endpoint = endpoint;
    else this.#neighbours.set(peer, { endpoint, places: [], using: undefined });
  }

  /** As `DataPlane.setPlaces`; asked by itself no place becomes a link here, but who asks from one is answered. */
  setPlaces(peer: string, places: readonly Endpoint[]): void {
    const neighbour = this.#neighbours.get(peer);
    if (neighbour) neighbour.places = places;
  }

  /** As `DataPlane.setRoute`. */
  setRoute(destination: string, primary: string | undefined, backup: string | undefined): void {
    const label = parseIp(destination)?.slice(8);
    if (!label) return;
    if (primary === undefined) this.#routes.delete(toHex(label));
    else this.#routes.set(toHex(label), { primary, backup });
  }

  /** What to send, and where, so that `frame` reaches an overlay address; undefined without a route. */
  wrap(destination: string, frame: Uint8Array): Datagram | undefined {
    const label = parseIp(destination)?.slice(8);
    const next = label && this.#next(label, undefined);
    if (!label || !next || typeof next === "string") return undefined;
    return tagged(next, RELAY_TTL, label, this.#label, frame);
  }

  /** What becomes of a datagram that has arrived. */
  take(datagram: Datagram): RelayVerdict {
    const type = datagram.payload[0];
    if (type === FRAME.relay) return this.#receive(datagram.payload);
    return type === FRAME.hello ? this.#greet(datagram) : { deliver: datagram };
  }

  /** Answers who asks whether we live. By itself this data path asks nobody: the core's own silence is all it has. */
  #greet({ endpoint, payload }: Datagram): RelayVerdict {
    const hello = payload.length === HelloFrame.size ? HelloFrame.decode(payload) : undefined;
    if (!hello || hello.kind < HELLO.ask || hello.kind > HELLO.confirm || hello.patience === 0)
      return { drop: "malformed" };
    const link = this.#links.get(hello.link);
    if (!link) return { drop: "link" };
    if (!equal(sipHash24(link.session.hopReceiveKey, payload.subarray(0, TAGGED)), hello.tag)) return { drop: "tag" };
    const neighbour = this.#neighbours.get(link.peer);
    const isThere = (e: Endpoint): boolean => endpointKey(e) === endpointKey(endpoint);
    if (!neighbour?.using) return { drop: "elsewhere" };
    if (![neighbour.endpoint, ...neighbour.places].some(isThere))
      return hello.kind === HELLO.ask ? { place: link.peer, endpoint } : { drop: "elsewhere" };
    if (hello.kind !== HELLO.ask) return { heard: link.peer };
    const { remoteIndex, hopSendKey } = neighbour.using;
    const answer = HelloFrame.encode({ ...hello, kind: HELLO.answer, link: remoteIndex });
    answer.set(sipHash24(hopSendKey, answer.subarray(0, TAGGED)), TAGGED);
    return { reply: { endpoint, payload: answer } };
  }

  /** Takes a datagram of type FRAME.relay. */
  #receive(datagram: Uint8Array): RelayVerdict {
    const header = RelayHeader.decode(datagram);
    if (!header || datagram.length === RelayHeader.size) return { drop: "malformed" };
    const { ttl, destination, source } = header;
    if (ttl < 1 || ttl > RELAY_TTL) return { drop: "malformed" };
    const link = this.#links.get(header.link);
    if (!link) return { drop: "link" };
    const want = sipHash24(link.session.hopReceiveKey, datagram.subarray(0, TAGGED));
    if (!equal(want, header.tag)) return { drop: "tag" };
    const frame = datagram.subarray(RelayHeader.size);
    if (equal(destination, this.#label)) {
      const endpoint = { address: formatIp(concat(this.#prefix, source)), port: 0 };
      return frame[0] === FRAME.relay ? { drop: "malformed" } : { deliver: { endpoint, payload: frame.slice() } };
    }
    if (ttl === 1) return { drop: "ttl" };
    const next = this.#next(destination, link.peer);
    return typeof next === "string" ? { drop: next } : { forward: tagged(next, ttl - 1, destination, source, frame) };
  }

  #next(label: Uint8Array, from: string | undefined): { endpoint: Endpoint; using: DataSession } | "route" | "loop" {
    const route = this.#routes.get(toHex(label));
    const primaryTurns = from !== undefined && route?.primary === from; // what it gives back goes over the backup
    for (const peer of [route?.primary, route?.backup]) {
      const neighbour = peer === undefined ? undefined : this.#neighbours.get(peer);
      if (!neighbour?.using || neighbour.endpoint.port === 0) continue;
      if (peer !== from) return { endpoint: neighbour.endpoint, using: neighbour.using };
      if (!primaryTurns) return "loop";
    }
    return primaryTurns ? "loop" : "route";
  }
}

function tagged(
  next: { readonly endpoint: Endpoint; readonly using: DataSession },
  ttl: number,
  destination: Uint8Array,
  source: Uint8Array,
  frame: Uint8Array,
): Datagram {
  const link = next.using.remoteIndex;
  const head = RelayHeader.encode({ type: FRAME.relay, ttl, link, destination, source, tag: new Uint8Array(8) });
  head.set(sipHash24(next.using.hopSendKey, head.subarray(0, TAGGED)), TAGGED);
  return { endpoint: next.endpoint, payload: concat(head, frame) };
}
