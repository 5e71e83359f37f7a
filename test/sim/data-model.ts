/** A data path that seals and opens with the keys it was given, so that a key change that loses packets is seen. */
import { concat } from "../../runtime/base/bytes.ts";
import { type Endpoint, endpointKey } from "../../runtime/base/endpoint.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import { Relay, type RelayVerdict } from "../../runtime/dataplane/relay.ts";
import { FRAME, SealedHeader } from "../../runtime/mesh/frame.ts";
import type { Datagram, DataPlaneEvent, DataSession, MeshAction } from "../../runtime/mesh/types.ts";
import { LinkModel } from "./link-model.ts";

const OVERHEAD = 32; // header and tag

interface Entry {
  readonly session: DataSession;
  readonly peer: string;
  counter: bigint;
  newest: bigint;
  /** Packets both ways, now and at the last look. */
  packets: number;
  seen: number;
}

export class DataModel {
  readonly #crypto: CryptoProvider;
  readonly #sessions = new Map<number, Entry>();
  readonly #sending = new Map<string, number>();
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #limits = new Map<string, number>();
  readonly #relay: Relay;
  /** Undefined: it asks nobody whether he lives. */
  readonly links: LinkModel | undefined;

  /** `address`: our own in the overlay; a joiner, who relays nothing, may leave it out. */
  constructor(crypto: CryptoProvider, address = "::", asks = false) {
    this.#crypto = crypto;
    this.#relay = new Relay(address);
    this.links = asks ? new LinkModel() : undefined;
  }

  /** The datagram as it leaves the socket; undefined when it was to go through the mesh and no way leads there. */
  route(datagram: Datagram): Datagram | undefined {
    const { endpoint, payload } = datagram;
    if (endpoint.port === 0) return this.#relay.wrap(endpoint.address, payload);
    const peer = payload[0] === FRAME.hello ? undefined : this.links?.at(endpoint);
    return peer === undefined ? datagram : this.#overLink(peer, datagram);
  }

  /** Over the link that carries; through the mesh when none lives. */
  #overLink(peer: string, datagram: Datagram): Datagram {
    const link = this.links?.carrying(peer);
    if (link) return { ...datagram, endpoint: link };
    const sealed = datagram.payload[0] === FRAME.control || datagram.payload[0] === FRAME.data;
    return (sealed && this.#relay.wrap(peer, datagram.payload)) || datagram;
  }

  /** What becomes of a datagram that has arrived at the socket. */
  unwrap(datagram: Datagram): RelayVerdict {
    const verdict = this.#relay.take(datagram);
    if ("heard" in verdict) this.links?.answered(verdict.heard, datagram);
    return verdict;
  }

  #applyToRelay(a: MeshAction): void {
    if (a.type === "installSession") this.#relay.install(a.peer, a.session, a.endpoint);
    else if (a.type === "useSession") this.#relay.use(a.peer, a.localIndex);
    else if (a.type === "removeSession") this.#relay.remove(a.localIndex);
    else if (a.type === "setEndpoint") this.#relay.setEndpoint(a.peer, a.endpoint);
    else if (a.type === "setPlaces") this.#relay.setPlaces(a.peer, a.places);
    else if (a.type === "removePeer") this.#relay.removePeer(a.peer);
    else if (a.type === "setRoute") this.#relay.setRoute(a.destination, a.primary, a.backup);
  }

  apply(a: MeshAction): void {
    this.#applyToRelay(a);
    this.links?.apply(a);
    if (a.type === "installSession") {
      this.#sessions.set(a.session.localIndex, {
        session: a.session,
        peer: a.peer,
        counter: 0n,
        newest: -1n,
        packets: 0,
        seen: 0,
      });
      this.#endpoints.set(a.peer, a.endpoint);
    } else if (a.type === "limitFrames") this.#limits.set(a.peer, a.bytes);
    else if (a.type === "useSession") this.#sending.set(a.peer, a.localIndex);
    else if (a.type === "removeSession") this.#sessions.delete(a.localIndex);
    else if (a.type === "setEndpoint") this.#endpoints.set(a.peer, a.endpoint);
    else if (a.type === "removePeer") this.#sending.delete(a.peer);
  }

  /** Sessions that carried packets since the last look, by local index. */
  carried(): number[] {
    const news = [...this.#sessions].filter(([, entry]) => entry.packets > entry.seen);
    for (const [, entry] of news) entry.seen = entry.packets;
    return news.map(([index]) => index);
  }

  /** One packet of `bytes` inner bytes to each peer, under the session in use, in as many frames as it takes. */
  packets(bytes: number): Datagram[] {
    const out: Datagram[] = [];
    for (const [peer, index] of this.#sending) {
      const entry = this.#sessions.get(index);
      const endpoint = this.#endpoints.get(peer);
      if (!entry || !endpoint) continue;
      const { remoteIndex, aead, sendKey } = entry.session;
      entry.packets++;
      const limit = this.#limits.get(peer) || Number.POSITIVE_INFINITY;
      const parts = Math.max(1, Math.ceil(bytes / (limit - OVERHEAD)));
      for (let part = 0; part < parts; part++) {
        const header = SealedHeader.encode({
          type: FRAME.data,
          flags: 0,
          receiver: remoteIndex,
          counter: entry.counter++,
        });
        const sealed = this.#crypto.aead[aead].seal(
          sendKey,
          nonceOf(header),
          header,
          new Uint8Array(Math.ceil(bytes / parts)).fill(7),
        );
        out.push({ endpoint, payload: concat(header, sealed) });
      }
    }
    return out;
  }

  /** Whether a session that is installed opens it, and the news when its sender has moved. */
  receive({ endpoint, payload }: Datagram): { readonly opened: boolean; readonly event?: DataPlaneEvent } {
    const header = SealedHeader.decode(payload);
    const entry = header && this.#sessions.get(header.receiver);
    if (!header || !entry) return { opened: false };
    const { session, peer } = entry;
    const aad = payload.subarray(0, SealedHeader.size);
    const sealed = payload.subarray(SealedHeader.size);
    if (!this.#crypto.aead[session.aead].open(session.receiveKey, nonceOf(aad), aad, sealed)) return { opened: false };
    entry.packets++;
    if (header.counter <= entry.newest) return { opened: true };
    entry.newest = header.counter;
    const known = this.#endpoints.get(peer);
    if (endpoint.port === 0 || (known && endpointKey(known) === endpointKey(endpoint))) return { opened: true };
    if (this.links?.isLink(peer, endpoint)) return { opened: true };
    this.#endpoints.set(peer, endpoint); // as the addon does, which then tells the core
    return { opened: true, event: { type: "moved", localIndex: session.localIndex, endpoint } };
  }
}

const nonceOf = (header: Uint8Array): Uint8Array => concat(new Uint8Array(4), header.subarray(8, 16));
