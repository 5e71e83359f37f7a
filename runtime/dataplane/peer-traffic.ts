/**
 * What was carried for each peer, over all of its sessions: the data path counts per session and forgets a session that is
 * replaced. Counts are inner packets; those that cross in the moment in which a session goes may be missed.
 */
import type { SessionStats } from "./port.ts";

export interface Traffic {
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
}

export const NO_TRAFFIC: Traffic = { sentPackets: 0, sentBytes: 0, receivedPackets: 0, receivedBytes: 0 };

const sum = (a: Traffic, b: Traffic): Traffic => ({
  sentPackets: a.sentPackets + b.sentPackets,
  sentBytes: a.sentBytes + b.sentBytes,
  receivedPackets: a.receivedPackets + b.receivedPackets,
  receivedBytes: a.receivedBytes + b.receivedBytes,
});

export class PeerTraffic {
  readonly #peerOf = new Map<number, string>(); // by local index
  readonly #ended = new Map<string, Traffic>();

  installed(peer: string, localIndex: number): void {
    this.#peerOf.set(localIndex, peer);
  }

  /** Before the data path forgets the session; `sessions` are its counts up to now. */
  ending(localIndex: number, sessions: readonly SessionStats[]): void {
    const peer = this.#peerOf.get(localIndex);
    const last = sessions.find((s) => s.localIndex === localIndex);
    this.#peerOf.delete(localIndex);
    if (peer !== undefined && last) this.#ended.set(peer, sum(this.#ended.get(peer) ?? NO_TRAFFIC, last));
  }

  forget(peer: string): void {
    this.#ended.delete(peer);
    for (const [localIndex, owner] of this.#peerOf) if (owner === peer) this.#peerOf.delete(localIndex);
  }

  /** By peer, since the daemon started. */
  totals(sessions: readonly SessionStats[]): ReadonlyMap<string, Traffic> {
    const all = new Map(this.#ended);
    for (const session of sessions) {
      const peer = this.#peerOf.get(session.localIndex);
      if (peer !== undefined) all.set(peer, sum(all.get(peer) ?? NO_TRAFFIC, session));
    }
    return all;
  }
}
