/** What local programs send to a peer, and the answers they wait for: both wait for a session where there is none yet. */
import type { Ms } from "../base/time.ts";
import type { Outbox } from "./outbox.ts";
import type { Peer, Post } from "./peers.ts";

const PINGS_MAX = 64;
const POSTS_MAX = 16;

export class Delivery {
  readonly #out: Outbox;

  constructor(out: Outbox) {
    this.#out = out;
  }

  ping(peer: Peer, token: number, now: Ms): void {
    if (peer.pings.size >= PINGS_MAX) peer.pings.delete(peer.pings.keys().next().value as number);
    this.#ask(peer, token, now);
  }

  pong(peer: Peer, token: number, now: Ms): void {
    const sent = peer.pings.get(token);
    if (sent === undefined || !peer.member) return;
    peer.pings.delete(token);
    peer.roundTrip = now - sent;
    this.#out.say({ kind: "pong", token, peer: peer.member.address, roundTrip: now - sent });
  }

  /** Sends it, or keeps it until there is a session; whether it waits for one now. */
  post(peer: Peer, post: Post, now: Ms): boolean {
    const waits = !peer.current && peer.posts.length < POSTS_MAX;
    if (waits) peer.posts.push(post);
    else if (peer.current) this.#send(peer, post, now);
    else this.undelivered(peer.member?.address ?? "", post);
    return waits;
  }

  undelivered(peer: string, { protocol }: Post): void {
    this.#out.say({ kind: "undelivered", peer, protocol });
  }

  /** What waited for a session finds one, or has waited long enough. */
  endWaiting(peer: Peer, now: Ms): void {
    const { posts } = peer;
    peer.posts = [];
    for (const post of posts) {
      if (peer.current) this.#send(peer, post, now);
      else this.undelivered(peer.member?.address ?? "", post);
    }
    if (peer.current) for (const token of peer.pings.keys()) this.#ask(peer, token, now);
  }

  #send(peer: Peer, post: Post, now: Ms): void {
    noteUse(peer, now);
    if (!this.#out.push(peer, { kind: "payload", ...post })) this.undelivered(peer.member?.address ?? "", post);
  }

  #ask(peer: Peer, token: number, now: Ms): void {
    peer.pings.set(token, now);
    this.#out.tell(peer, { kind: "ping", token }, now);
  }
}

/** Something is carried for a user of the peer's session. */
export function noteUse(peer: Peer, now: Ms): void {
  if (peer.current) peer.current.used ??= now;
  peer.usedAt = now;
}
