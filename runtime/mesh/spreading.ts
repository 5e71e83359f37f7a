/** Roster and revocations between this node and its peers: digests to those that are kept, what one lacks to who asks for it, news to everybody. */
import { type Endpoint, parseEndpoint } from "../base/endpoint.ts";
import type { Ms } from "../base/time.ts";
import { Gossip, type Item, keptByDigest } from "./gossip/gossip.ts";
import type { StreamMessage } from "./gossip/message.ts";
import { laterFor } from "./life-signs.ts";
import { isAdjacent } from "./neighbours.ts";
import type { Outbox } from "./outbox.ts";
import type { Peer, PeerTable } from "./peers.ts";
import type { MeshDeps, MeshDirectory } from "./ports.ts";
import type { Ways } from "./ways.ts";

export interface SpreadingDeps extends Pick<MeshDeps, "crypto" | "meter"> {
  readonly out: Outbox;
  readonly peers: PeerTable;
  readonly ways: Ways;
  /** Takes a chain that we asked for; `hint`: where its member may be. Whether it holds. */
  readonly admit: (chain: Uint8Array, hint: Endpoint | undefined, now: Ms) => Promise<boolean>;
  /** Whether the record holds. */
  readonly revoke: (record: Uint8Array, now: Ms) => Promise<boolean>;
}

export class Spreading {
  readonly #deps: SpreadingDeps;
  #gossip: Gossip | undefined;

  constructor(deps: SpreadingDeps) {
    this.#deps = deps;
  }

  /** Before it there is no roster, and nothing of it is told or taken. */
  begin(directory: MeshDirectory): void {
    this.#gossip = new Gossip(this.#deps.crypto, directory);
  }

  /** When the peer is told next what we know. */
  digestAt(p: Peer): Ms {
    return p.current && p.kept ? p.gossip.nextDigest + laterFor(p) : Number.POSITIVE_INFINITY;
  }

  sendDigest(peer: Peer, now: Ms): void {
    peer.gossip.nextDigest = this.#gossip?.nextDigest(peer.gossip, now) ?? Number.POSITIVE_INFINITY;
    if (!this.#gossip) return;
    const links = isAdjacent(peer) ? { links: this.#deps.ways.digest } : {};
    this.#deps.out.tell(peer, { kind: "digest", digest: this.#gossip.digest, ...links }, now);
  }

  /** Came from `source`. Who tells us digests keeps the session. */
  hearDigest(peer: Peer, digest: Uint8Array, source: Endpoint, now: Ms): void {
    peer.keptThereUntil = now + keptByDigest(laterFor({ endpoint: source }));
    const list = this.#gossip?.list(peer.gossip, digest, now);
    if (list) this.#deps.out.push(peer, list);
  }

  async hear(peer: Peer, m: StreamMessage, now: Ms): Promise<void> {
    const gossip = this.#gossip;
    if (!gossip) return;
    if (m.kind === "want") for (const item of gossip.wanted(m)) this.#push(peer, item);
    else if (m.kind === "member" || m.kind === "revocation") await this.#take(gossip, peer, m, now);
    else for (const answer of gossip.compare(peer.gossip, m, now)) this.#deps.out.push(peer, answer);
  }

  /** Whatever way it came: what the directory holds since this was last called is written down and made known to everybody. */
  spreadNews(): void {
    const { out, peers } = this.#deps;
    const news = this.#gossip?.refresh() ?? [];
    if (!this.#gossip || news.length === 0) return;
    out.put({ type: "persist" });
    const members = news.filter((item) => item.kind === "member");
    const offer = members.length > 0 ? this.#gossip.offer(members) : undefined;
    for (const peer of peers.listed) {
      if (!peer.current) continue;
      peers.touch(peer);
      for (const item of news) if (item.kind === "revocation") this.#push(peer, item);
      if (offer && peer.kept) out.push(peer, offer);
    }
  }

  #push(peer: Peer, { kind, data, id }: Item): void {
    const { out, peers } = this.#deps;
    const known = id && peers.byId(id);
    const endpoint = known?.announced ? { endpoint: known.announced } : {};
    out.push(peer, { kind, data, ...endpoint });
  }

  /** Chains only come when asked for; revocations are too urgent for that. */
  async #take(gossip: Gossip, peer: Peer, m: StreamMessage, now: Ms): Promise<void> {
    const { admit, revoke, meter } = this.#deps;
    const asked = m.data !== undefined && gossip.expects(m.data);
    if (!m.data || peer.gossip.muting.isMuted(now) || (m.kind === "member" && !asked))
      return meter.count("gossip.drop.unasked");
    const hint = m.endpoint === undefined ? undefined : parseEndpoint(m.endpoint);
    const holds = await (m.kind === "member" ? admit(m.data, hint, now) : revoke(m.data, now));
    if (!holds) peer.gossip.muting.spoil(now);
  }
}
