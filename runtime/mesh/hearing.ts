/** What comes under a session: frames that say no more than that the peer is there, control messages, and its stream. */
import type { Endpoint } from "../base/endpoint.ts";
import type { Ms } from "../base/time.ts";
import type { Calling } from "./calling.ts";
import { type Delivery, noteUse } from "./delivery.ts";
import { SealedHeader } from "./frame.ts";
import { keptByDigest } from "./gossip/gossip.ts";
import { decodeStreamMessage, type StreamMessage } from "./gossip/message.ts";
import { isNeighbour, isThrough } from "./neighbours.ts";
import type { Outbox } from "./outbox.ts";
import type { Peer, PeerTable } from "./peers.ts";
import type { MeshDeps } from "./ports.ts";
import { type ControlMessage, decodeMessage } from "./session/message.ts";
import type { Sessions } from "./sessions.ts";
import type { Spreading } from "./spreading.ts";
import { isStreamFrame } from "./stream/stream.ts";
import type { Datagram } from "./types.ts";
import type { Watching } from "./watching.ts";
import type { Ways } from "./ways.ts";
import type { Whereabouts } from "./whereabouts.ts";

export interface HearingDeps extends Pick<MeshDeps, "meter"> {
  readonly out: Outbox;
  readonly peers: PeerTable;
  readonly delivery: Delivery;
  readonly ways: Ways;
  readonly calling: Calling;
  readonly whereabouts: Whereabouts;
  readonly watching: Watching;
  readonly spreading: Spreading;
  readonly sessions: Sessions;
  /** Who joins just now has no roster yet, by which it could judge what others tell. */
  readonly hasRoster: () => boolean;
  /** The other end has the keys of the session of this index. */
  readonly confirmed: (localIndex: number) => void;
  /** A place of somebody is new. */
  readonly newPlace: () => void;
}

/** Such frames are sent to and from places that are being tried: whoever sends them is not there yet. */
const isQuestion = (m: ControlMessage | undefined): boolean => m?.kind === "seek" || m?.kind === "found";

export class Hearing {
  readonly #deps: HearingDeps;

  constructor(deps: HearingDeps) {
    this.#deps = deps;
  }

  /** A sealed frame of ours or of anybody. Never throws. */
  async receive({ payload, endpoint }: Datagram, now: Ms): Promise<void> {
    const { peers, meter, calling, whereabouts, watching, sessions, confirmed } = this.#deps;
    const index = SealedHeader.decode(payload)?.receiver;
    const peer = index === undefined ? undefined : peers.byIndex(index);
    const session = peer?.sessions.find((s) => s.localIndex === index);
    if (!peer || !session) return meter.count("control.drop.session");
    const opened = session.open(payload, now);
    if ("refused" in opened) return meter.count(`control.drop.${opened.refused}`);
    peer.received++;
    if (peer.answers === undefined) {
      if (peer.silent) calling.reached(peer, now);
      peer.silent = false;
    }
    const isStream = isStreamFrame(opened.plaintext);
    const message = isStream || opened.plaintext.length === 0 ? undefined : decodeMessage(opened.plaintext);
    if (!isThrough(endpoint) && message?.kind !== "seek") peer.heardDirectly = now; // that one may hear nothing of us there
    if (opened.newest && !isQuestion(message) && !peer.links.explains(endpoint)) whereabouts.move(peer, endpoint, now);
    confirmed(session.localIndex);
    if (!session.confirmed) sessions.use(peer, session, now);
    await watching.heard(peer, message?.unanswered ?? 0, now);
    if (opened.plaintext.length === 0) return;
    if (isStream) return await this.#hearStream(peer, opened.plaintext, now);
    if (message) await this.#hear(peer, message, endpoint, now);
    else meter.count("control.drop.message");
  }

  async #hear(peer: Peer, m: ControlMessage, source: Endpoint, now: Ms): Promise<void> {
    const { out, delivery, ways, whereabouts, spreading, sessions } = this.#deps;
    if (m.kind === "ping") out.tell(peer, { kind: "pong", token: m.token }, now);
    else if (m.kind === "pong") delivery.pong(peer, m.token ?? 0, now);
    else if (m.kind === "seek") whereabouts.answerSeek(peer, m.token, source, now);
    else if (m.kind === "found") whereabouts.hearFound(peer, m, source, now);
    else if (m.kind === "meet") whereabouts.meet(peer, now);
    else if (m.kind === "probe") out.tell(peer, { kind: "probed", token: m.token }, now);
    else if (m.kind === "probed") peer.path.passed(m.token ?? 0, now);
    else if (m.kind === "goodbye") sessions.endAll(peer, "the peer left");
    else if (m.digest) {
      spreading.hearDigest(peer, m.digest, source, now);
      if (m.links) await ways.hearDigest(peer, m.links, now);
    }
  }

  async #hearStream(peer: Peer, frame: Uint8Array, now: Ms): Promise<void> {
    const { out, ways, meter } = this.#deps;
    const event = peer.stream.receive(frame, now);
    if (event.kind === "drop") return meter.count(`stream.drop.${event.reason}`);
    if (event.kind === "reset") {
      peer.owesNeighbours = isNeighbour(peer); // what it was told before it began anew is lost
      await ways.beganAnew(peer, now);
      if (peer.member) out.say({ kind: "streamReset", peer: peer.member.address });
      return;
    }
    for (const bytes of event.messages) {
      const message = decodeStreamMessage(bytes);
      if (message) await this.#hearMessage(peer, message, now);
      else meter.count("stream.drop.message");
    }
  }

  async #hearMessage(peer: Peer, m: StreamMessage, now: Ms): Promise<void> {
    const { out, whereabouts, spreading, hasRoster, newPlace } = this.#deps;
    if (m.kind === "payload") {
      noteUse(peer, now);
      if (peer.member && m.protocol !== undefined && m.data)
        out.put({ type: "message", peer: peer.member.address, protocol: m.protocol, data: m.data });
    } else if (!hasRoster()) return;
    else if (m.kind === "routing") await this.#hearRouting(peer, m, now);
    else if (m.kind === "neighbours") {
      if (whereabouts.hearNeighbours(peer, m.neighbours ?? [], m.own ?? [], now)) newPlace();
    } else await spreading.hear(peer, m, now);
  }

  /** It may come before the first digest. Who does not keep the session answers as long as we seem to: by that we keep nothing. */
  async #hearRouting(peer: Peer, { data, kept = false }: StreamMessage, now: Ms): Promise<void> {
    const { ways } = this.#deps;
    if (kept) {
      peer.keptThereUntil = now + keptByDigest(0);
      await ways.follow(peer, true, now);
    }
    if (data) await ways.hear(peer, data, now);
  }
}
