/**
 * An adversary that knows every node id, as any member does: it can make the macs of messages to responders, and whatever
 * else needs no key. It owns as many addresses as it likes, hears what is sent to them, and so gets true cookies.
 */
import { type Endpoint, endpointKey } from "../../runtime/base/endpoint.ts";
import type { RandomBytes } from "../../runtime/base/random.ts";
import { FRAME, FragmentHeader, WIRE_VERSION } from "../../runtime/mesh/frame.ts";
import { NO_COOKIE } from "../../runtime/mesh/handshake/cookie.ts";
import { createFirstHello } from "../../runtime/mesh/handshake/first-contact.ts";
import { parseFragment, split } from "../../runtime/mesh/handshake/fragment.ts";
import { firstMacKey, setMac } from "../../runtime/mesh/handshake/mac.ts";
import { Acknowledge, CookieReply, MESSAGE } from "../../runtime/mesh/handshake/message.ts";
import type { Gateway } from "./gateway.ts";
import type { Packet } from "./network/packet.ts";
import type { World } from "./world.ts";

/** Messages to a responder: the key of their macs follows from two ids that are no secret. */
const TO_RESPONDER: readonly number[] = [MESSAGE.k1, MESSAGE.k3, MESSAGE.f1];

export class Forger {
  readonly #world: World;
  readonly #random: RandomBytes;
  readonly #cookies = new Map<string, Uint8Array>();

  constructor(world: World, random: RandomBytes) {
    this.#world = world;
    this.#random = random;
  }

  keyOf(victim: Gateway): Uint8Array {
    return firstMacKey(this.#world.provider.crypto, this.#world.founding.mesh.id, victim.id);
  }

  /** The `n`th address of its own. */
  address(n: number): Endpoint {
    return { address: `198.${51 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`, port: 4000 };
  }

  /** A message of its own making, in fragments with true macs and the cookie it has for this address. */
  fragments(
    victim: Gateway,
    message: number,
    payload: Uint8Array,
    from: Endpoint,
    exchange = this.#random(8),
  ): Packet[] {
    const cookie = this.#cookies.get(endpointKey(from)) ?? NO_COOKIE;
    const { crypto } = this.#world.provider;
    return split(crypto, { message, exchange }, payload, this.keyOf(victim), cookie).map((datagram) => ({
      from,
      to: victim.endpoint,
      payload: datagram,
    }));
  }

  /** F1 as a stranger sends it, with honest ephemeral keys: the most that anybody can ask for without any secret. */
  async firstHello(victim: Gateway): Promise<(from: Endpoint) => Packet[]> {
    const { crypto } = this.#world.provider;
    const callee = { meshId: this.#world.founding.mesh.id, id: victim.id };
    const { payload } = await createFirstHello(crypto, this.#random, 1, callee, this.#random(8));
    return (from) => this.fragments(victim, MESSAGE.f1, payload, from);
  }

  /** Keeps the cookies that responders send to addresses of its own. */
  listen(): void {
    this.#world.wire = (packet) => {
      const reply = packet.payload[0] === FRAME.cookie ? CookieReply.decode(packet.payload) : undefined;
      if (reply) this.#cookies.set(endpointKey(packet.to), reply.cookie.slice());
      return [packet];
    };
  }

  /**
   * What can be made of a fragment on its way to a responder: the same exchange with other content, an acknowledgement of all
   * of it to its sender, and a false cookie.
   */
  inResponseTo(packet: Packet, responder: Gateway): Packet[] {
    const f = parseFragment(packet.payload);
    if (!f || !TO_RESPONDER.includes(f.message)) return [];
    const key = this.keyOf(responder);
    const back = { from: packet.to, to: packet.from };
    const { message, instance, exchange } = f;
    const head = { type: FRAME.acknowledge, version: WIRE_VERSION, message, instance, exchange, bitmap: 0xffff_ffff };
    const cookie = { type: FRAME.cookie, version: WIRE_VERSION, exchange, cookie: this.#random(8) };
    const changed = packet.payload.slice();
    changed.set(this.#random(16), FragmentHeader.size);
    const mac = new Uint8Array(8);
    return [
      { ...packet, payload: setMac(key, changed) },
      { ...back, payload: setMac(key, Acknowledge.encode({ ...head, mac })) },
      { ...back, payload: setMac(key, CookieReply.encode({ ...cookie, mac })) },
    ];
  }
}
