/**
 * How large a packet reaches a peer the way it is spoken to, and what must be sent to find out. A probe is a control frame with padding,
 * sent as a data frame of that size is: what becomes of the one becomes of the other.
 */
import { type Endpoint, sameEndpoint } from "../base/endpoint.ts";
import type { Ms } from "../base/time.ts";
import { RelayHeader, SealedHeader } from "./frame.ts";
import { TAG } from "./handshake/message.ts";
import { isThrough } from "./neighbours.ts";
import { PathMtu } from "./pmtu.ts";
import { encodeProbe } from "./session/message.ts";

/** The largest packet that we ask about: what Ethernet carries. A way that carries it is taken to carry all. */
export const PATH_MOST = 1500;

const IPV4_UDP = 28;
const IPV6_UDP = 48;

/** What stands before a frame in its packet. Which family the hops of a way through the mesh have nobody knows: the larger counts. */
export const headersOf = (endpoint: Endpoint): number => {
  if (isThrough(endpoint)) return IPV6_UDP + RelayHeader.size;
  return endpoint.address.includes(":") ? IPV6_UDP : IPV4_UDP;
};

export class PeerPath {
  #mtu: PathMtu | undefined;
  #endpoint: Endpoint | undefined;
  #told = 0;

  /** Starts anew when the peer is spoken to elsewhere; undefined: nowhere. */
  follow(endpoint: Endpoint | undefined, now: Ms): void {
    if (endpoint && this.#endpoint && sameEndpoint(endpoint, this.#endpoint)) return;
    this.#endpoint = endpoint;
    this.#mtu = endpoint && new PathMtu(PATH_MOST, now, isThrough(endpoint)); // each hop would carry the probes
  }

  get due(): Ms {
    return this.#mtu?.due ?? Number.POSITIVE_INFINITY;
  }

  /** What is known to pass; undefined before anything is. */
  get size(): number | undefined {
    const known = this.#mtu?.state === "search" || this.#mtu?.state === "complete";
    return known ? this.#mtu?.size : undefined;
  }

  /** Plaintexts of the control frames that are to be sent now, each whole. */
  probes(now: Ms): Uint8Array[] {
    const endpoint = this.#endpoint;
    if (!this.#mtu || !endpoint) return [];
    return this.#mtu.next(now).flatMap((size) => {
      return encodeProbe(size, size - headersOf(endpoint) - SealedHeader.size - TAG) ?? [];
    });
  }

  /** Data flows this way. */
  carried(now: Ms): void {
    this.#mtu?.carried(now);
  }

  passed(size: number, now: Ms): void {
    this.#mtu?.passed(size, now);
  }

  /** The largest frame, when it has changed; 0: no limit. */
  news(now: Ms): number | undefined {
    const size = this.#mtu?.limit(now);
    const limit = size === undefined || !this.#endpoint ? 0 : size - headersOf(this.#endpoint);
    if (limit === this.#told) return undefined;
    this.#told = limit;
    return limit;
  }
}
