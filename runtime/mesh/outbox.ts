/** What the core has decided to do, in the order in which it decided: for the world, and under each peer's session. */
import type { Endpoint } from "../base/endpoint.ts";
import type { Ms } from "../base/time.ts";
import { encodeStreamMessage, type StreamMessage } from "./gossip/message.ts";
import type { Peer } from "./peers.ts";
import type { ControlSession } from "./session/control.ts";
import { type ControlMessage, encodeMessage } from "./session/message.ts";
import type { MeshAction, MeshNotice } from "./types.ts";

const NOTHING = new Uint8Array(0);

export class Outbox {
  #actions: MeshAction[] = [];

  /** All since it was last called. */
  take(): MeshAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  put(action: MeshAction): void {
    this.#actions.push(action);
  }

  say(notice: MeshNotice): void {
    this.put({ type: "notice", notice });
  }

  /** Under the session that is in use, to where the peer is spoken to or to `place`. */
  tell(peer: Peer, message: ControlMessage, now: Ms, place?: Endpoint): void {
    if (peer.current) this.seal(peer, peer.current, encodeMessage(message), now, place);
  }

  /** A frame that says no more than that we are here, and where. */
  greet(peer: Peer, now: Ms): void {
    if (peer.current) this.confirm(peer, peer.current, now);
  }

  /** The same under a session that need not be in use yet. */
  confirm(peer: Peer, session: ControlSession, now: Ms): void {
    this.seal(peer, session, NOTHING, now);
  }

  seal(peer: Peer, session: ControlSession, plaintext: Uint8Array, now: Ms, place = peer.endpoint): void {
    const payload = session.seal(plaintext, now);
    if (!payload || !place) return;
    peer.sent++;
    if (place === peer.endpoint) peer.lastSent = now;
    this.put({ type: "send", datagram: { endpoint: place, payload } });
  }

  /** In order, and again until it is there. False when the peer's stream is full. */
  push(peer: Peer, message: StreamMessage): boolean {
    return peer.stream.push(encodeStreamMessage(message));
  }

  /** Sends what streams may send by now. */
  flush(peer: Peer, now: Ms): void {
    const { current } = peer;
    if (current) for (const frame of peer.stream.frames(now)) this.seal(peer, current, frame, now);
  }

  /** The data path is to speak to the peer there. */
  speakAt({ member }: Peer, endpoint: Endpoint): void {
    if (member) this.put({ type: "setEndpoint", peer: member.address, endpoint });
  }
}
