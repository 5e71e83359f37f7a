/**
 * Address translation by its two behaviours (RFC 4787): which inner flows share an outer port (§4.1) and whose packets
 * an outer port lets in (§5). A mapping lives as long as packets leave through it; arriving ones do not keep it (§4.3).
 * There is no hairpin: gateways behind one box reach each other by their inner addresses or not at all.
 */
import { type Endpoint, endpointKey } from "../../../runtime/base/endpoint.ts";
import { type Ms, seconds } from "../../../runtime/base/time.ts";
import type { Packet } from "./packet.ts";

export interface NatBehaviour {
  /** One outer port per inner endpoint, or one per inner endpoint and destination. */
  readonly mapping: "endpoint" | "endpoint-and-destination";
  /** Who may send to an outer port: anybody, addresses that were written to, or exactly those endpoints. */
  readonly filter: "none" | "address" | "endpoint";
}

/** The four classic names (RFC 3489 §5). */
export const NAT = {
  "full-cone": { mapping: "endpoint", filter: "none" },
  "address-restricted": { mapping: "endpoint", filter: "address" },
  "port-restricted": { mapping: "endpoint", filter: "endpoint" },
  symmetric: { mapping: "endpoint-and-destination", filter: "endpoint" },
} as const satisfies Record<string, NatBehaviour>;

export type NatName = keyof typeof NAT;

/** What home routers commonly keep an idle UDP mapping for. */
export const MAPPING_TIMEOUT: Ms = seconds(30);
const FIRST_PORT = 20_000;
const LAST_PORT = 65_535;

interface Mapping {
  readonly inner: Endpoint;
  readonly outer: Endpoint;
  until: Ms;
  /** Until when whom it was used to write to may answer: by address or by endpoint, as the filter wants. */
  readonly allowed: Map<string, Ms>;
}

export class Nat {
  readonly address: string;
  readonly #behaviour: NatBehaviour;
  readonly #timeout: Ms;
  readonly #byKey = new Map<string, Mapping>();
  readonly #byPort = new Map<number, Mapping>();
  #nextPort = FIRST_PORT;

  /** `address`: the outer one, of this box alone. `timeout`: how long an idle mapping lives. */
  constructor(behaviour: NatBehaviour, address: string, timeout: Ms = MAPPING_TIMEOUT) {
    this.#behaviour = behaviour;
    this.address = address;
    this.#timeout = timeout;
  }

  /** The packet as it leaves the box. */
  outbound(packet: Packet, now: Ms): Packet {
    const mapping = this.#mappingFor(packet, now);
    mapping.until = now + this.#timeout;
    mapping.allowed.set(this.#permission(packet.to), now + this.#timeout);
    return { ...packet, from: mapping.outer };
  }

  /** The packet as it goes on inside; undefined when nobody asked for it. */
  inbound(packet: Packet, now: Ms): Packet | undefined {
    const mapping = this.#byPort.get(packet.to.port);
    if (!mapping || mapping.until <= now) return undefined;
    const permitted =
      this.#behaviour.filter === "none" || (mapping.allowed.get(this.#permission(packet.from)) ?? 0) > now;
    return permitted ? { ...packet, to: mapping.inner } : undefined;
  }

  /** A power cut: every mapping is gone, and new ones get other ports. */
  restart(): void {
    this.#byKey.clear();
    this.#byPort.clear();
  }

  #mappingFor(packet: Packet, now: Ms): Mapping {
    const inner = endpointKey(packet.from);
    const key = this.#behaviour.mapping === "endpoint" ? inner : `${inner} ${endpointKey(packet.to)}`;
    const known = this.#byKey.get(key);
    if (known && known.until > now) return known;
    if (known) this.#byPort.delete(known.outer.port);
    const outer = { address: this.address, port: this.#takePort(now) };
    const mapping = { inner: packet.from, outer, until: now, allowed: new Map<string, Ms>() };
    this.#byKey.set(key, mapping);
    this.#byPort.set(outer.port, mapping);
    return mapping;
  }

  /** Never the port of before: whoever counts on that is found out. Throws when all are in use. */
  #takePort(now: Ms): number {
    for (let i = FIRST_PORT; i <= LAST_PORT; i++) {
      const port = this.#nextPort;
      this.#nextPort = port === LAST_PORT ? FIRST_PORT : port + 1;
      if ((this.#byPort.get(port)?.until ?? 0) <= now) return port;
    }
    throw new RangeError(`the box at ${this.address} has no port left`);
  }

  #permission(peer: Endpoint): string {
    return this.#behaviour.filter === "address" ? peer.address : endpointKey(peer);
  }
}
