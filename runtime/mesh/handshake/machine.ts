/** The handshake's one door: starts exchanges, takes datagrams of types 1 to 3, and says what to send and what was agreed. */
import { compare, equal, toHex } from "../../base/bytes.ts";
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import type { Meter } from "../../base/meter.ts";
import { type RandomBytes, randomIndex } from "../../base/random.ts";
import { type Ms, seconds } from "../../base/time.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { FRAME, WIRE_VERSION } from "../frame.ts";
import type { AdmissionKeys, Datagram } from "../types.ts";
import { acknowledgement, allFragments } from "./acknowledgement.ts";
import { CookieJar } from "./cookie.ts";
import { type Fragment, parseFragment } from "./fragment.ts";
import { Initiator, type InitiatorPurpose } from "./initiator.ts";
import { firstMacKey, hasMac, setMac } from "./mac.ts";
import { Acknowledge, CookieReply, MESSAGE } from "./message.ts";
import type { Presence } from "./outbox.ts";
import type { Admission, Directory, HandshakeAction, LocalNode, RemoteMember, VerifyForeign } from "./ports.ts";
import { Reassembly } from "./reassembly.ts";
import { Responder } from "./responder.ts";

/** While a long message arrives, every so many fragments are reported. */
export const REPORT_EVERY = 4;
/** A cookie is reused for this long: less than the responder honours it. */
export const COOKIE_LIFE = seconds(100);
/** While both ends call each other, the exchange of the lower id counts alone for this long: by then it is made, or cannot be. */
export const CROSSED_FOR: Ms = seconds(1);
/** Of so many endpoints, the oldest forgotten first; another costs a round trip. */
const COOKIES_KEPT = 1024;

export interface HandshakeDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomBytes;
  readonly local: LocalNode;
  readonly directory: Directory | undefined;
  readonly admission: Admission | undefined;
  readonly verifyForeign: VerifyForeign;
  readonly meter: Meter;
  /** Whether a live session proves this source, so that K1 needs no cookie. */
  isProven(source: Endpoint): boolean;
  /** Whether a session index is free on this node. */
  isFree(index: number): boolean;
}

export interface JoinTarget {
  readonly meshId: Uint8Array;
  readonly issuerId: Uint8Array;
  readonly inviteId: Uint8Array;
  readonly secret: Uint8Array;
}

export class Handshakes {
  readonly #deps: HandshakeDeps;
  readonly #cookies: CookieJar;
  readonly #reassembly: Reassembly;
  readonly #initiators = new Map<string, Initiator>();
  readonly #responder: Responder | undefined;
  readonly #cookieOf = new Map<string, { readonly cookie: Uint8Array; readonly until: Ms }>();
  readonly #ownKey: Uint8Array | undefined;

  constructor(deps: HandshakeDeps, now: Ms) {
    this.#deps = deps;
    this.#cookies = new CookieJar(deps.random, now);
    this.#reassembly = new Reassembly(deps.crypto);
    const { membership, keys } = deps.local;
    if (membership && deps.directory) {
      this.#responder = new Responder(deps, membership, deps.directory, now, {
        freeIndex: () => this.#freeIndex(),
        crosses: (id, source, at) => this.#crosses(id, source, at),
      });
      this.#ownKey = firstMacKey(deps.crypto, membership.meshId, keys.id);
    }
  }

  /** Entries of every table that strangers can make grow, for tests of the bounds. */
  get load(): Readonly<Record<"reassembly" | "initiators" | "responder", number>> {
    return {
      reassembly: this.#reassembly.size,
      initiators: this.#initiators.size,
      responder: this.#responder?.size ?? 0,
    };
  }

  /** What the data path needs to refuse and answer strangers as we do; undefined while nobody can call us. */
  admissionKeys(now: Ms): AdmissionKeys | undefined {
    return this.#ownKey && { macKey: this.#ownKey, cookieSecrets: this.#cookies.secrets(now) };
  }

  /** Known-peer pattern with a member whose certificate we hold. `presence`: "absent" costs little where nobody is, and takes longer where somebody is. */
  connect(peer: RemoteMember, endpoint: Endpoint, now: Ms, presence: Presence = "unheard"): Promise<HandshakeAction[]> {
    const { membership } = this.#deps.local;
    if (!membership) throw new RangeError("only a member can connect");
    const { meshId, certificateHash } = membership;
    return this.#start(endpoint, now, { kind: "known-peer", peer, certificateHash, meshId, id: peer.id }, presence);
  }

  /** First contact as a member with a node of which only the id is known, or which does not know us. */
  contact(id: Uint8Array, endpoint: Endpoint, now: Ms, presence: Presence = "unheard"): Promise<HandshakeAction[]> {
    const { membership } = this.#deps.local;
    if (!membership) throw new RangeError("only a member can make contact");
    const caller = { purpose: "member", chain: membership.chain } as const;
    return this.#start(endpoint, now, { kind: "first-contact", meshId: membership.meshId, id, caller }, presence);
  }

  /** First contact with an invite. */
  join(target: JoinTarget, name: string, endpoint: Endpoint, now: Ms): Promise<HandshakeAction[]> {
    const caller = { purpose: "join", inviteId: target.inviteId, secret: target.secret, name } as const;
    return this.#start(
      endpoint,
      now,
      { kind: "first-contact", meshId: target.meshId, id: target.issuerId, caller },
      "unheard",
    );
  }

  async #start(endpoint: Endpoint, now: Ms, purpose: InitiatorPurpose, presence: Presence): Promise<HandshakeAction[]> {
    const initiator = new Initiator(this.#deps, purpose, { endpoint, index: this.#freeIndex(), presence }, now);
    const known = this.#cookieOf.get(endpointKey(endpoint));
    const actions = await initiator.start(known && known.until > now ? known.cookie : undefined, now);
    if (!initiator.over) this.#initiators.set(initiator.exchange, initiator);
    return actions;
  }

  /** Takes one datagram of type handshake, acknowledge or cookie; anything wrong with it is counted and dropped. */
  async receive(datagram: Datagram, now: Ms): Promise<HandshakeAction[]> {
    switch (datagram.payload[0]) {
      case FRAME.handshake:
        return await this.#receiveFragment(datagram, now);
      case FRAME.acknowledge:
        return this.#receiveAcknowledge(datagram, now);
      case FRAME.cookie:
        return this.#receiveCookie(datagram, now);
      default:
        return this.#drop("type");
    }
  }

  /** Earliest moment at which `tick` has something to do. */
  deadline(): Ms | undefined {
    let due = this.#responder?.due;
    for (const initiator of this.#initiators.values()) due = Math.min(due ?? initiator.due, initiator.due);
    return due;
  }

  tick(now: Ms): HandshakeAction[] {
    const actions: HandshakeAction[] = [];
    this.#reassembly.expire(now);
    for (const [exchange, initiator] of this.#initiators) {
      if (initiator.due <= now) actions.push(...initiator.tick(now));
      if (initiator.over) this.#initiators.delete(exchange);
    }
    if (this.#responder) actions.push(...this.#responder.tick(now));
    return actions;
  }

  /** Something sealed under this session arrived: the peer has it, nothing needs repeating. */
  confirmed(localIndex: number): void {
    for (const [exchange, initiator] of this.#initiators) {
      if (initiator.index === localIndex) this.#initiators.delete(exchange);
    }
    this.#responder?.confirmed(localIndex);
  }

  /** Whether an exchange that we began with the node there is under way: it repeats by itself what is lost. */
  isCalling(id: Uint8Array, endpoint: Endpoint): boolean {
    const at = endpointKey(endpoint);
    return [...this.#initiators.values()].some((i) => equal(i.peerId, id) && endpointKey(i.endpoint) === at);
  }

  /** Whether a call of the node is being answered, so that one of our own would be a second one. */
  isAnswering(id: Uint8Array, now: Ms): boolean {
    return this.#responder?.isAnswering(id, now) ?? false;
  }

  /**
   * Whether the node, which calls us from there, is to answer us instead: our own call is on its way there, and our id is the lower one. Not for
   * long: its calls may get through where ours do not.
   */
  #crosses(id: Uint8Array, source: Endpoint, now: Ms): boolean {
    if (compare(this.#deps.local.keys.id, id) > 0) return false;
    const at = endpointKey(source);
    const own = [...this.#initiators.values()].find((i) => equal(i.peerId, id) && endpointKey(i.endpoint) === at);
    return own?.goesBefore(now, CROSSED_FOR) ?? false;
  }

  /** There is a session with the node: what else we began for one ends, also where both ends called at the same time. */
  settled(id: Uint8Array, localIndex: number): void {
    for (const [exchange, initiator] of this.#initiators) {
      if (initiator.index === localIndex || !equal(initiator.peerId, id)) continue;
      initiator.wipe();
      this.#initiators.delete(exchange);
    }
  }

  /** Ends every exchange with a node, for instance because it was revoked. */
  forget(id: Uint8Array): void {
    for (const [exchange, initiator] of this.#initiators) {
      if (!equal(initiator.peerId, id)) continue;
      initiator.wipe();
      this.#initiators.delete(exchange);
    }
    this.#responder?.forget(id);
  }

  async #receiveFragment(datagram: Datagram, now: Ms): Promise<HandshakeAction[]> {
    const f = parseFragment(datagram.payload);
    if (!f) return this.#drop("malformed");
    const toResponder = f.message === MESSAGE.k1 || f.message === MESSAGE.f1;
    const key = this.#keyOf(f, datagram.endpoint);
    if (!key || !hasMac(key, datagram.payload)) return this.#drop("mac");
    if (toResponder && !this.#isProven(f, datagram.endpoint, now)) return this.#demandCookie(f, datagram, key, now);
    if (f.message === MESSAGE.f3 && !this.#responder?.mayTry(datagram.endpoint, now)) return this.#drop("slowed");
    const repeated = this.#repeated(f, datagram.endpoint, key, now);
    if (repeated) return repeated;
    const { whole, bitmap } = this.#reassembly.add(f, datagram.endpoint, now);
    const initiator = this.#initiators.get(toHex(f.exchange));
    for (const payload of whole) {
      const actions = isReply(f.message)
        ? await initiator?.receive(f.message, payload, now)
        : await this.#responder?.receive(f, payload, datagram.endpoint, now);
      if (!actions) continue;
      this.#reassembly.done(f, datagram.endpoint);
      if (initiator?.over) this.#initiators.delete(initiator.exchange);
      if (initiator?.isUnknown) return await this.#fallBack(initiator, now);
      const acknowledgement =
        f.message === MESSAGE.f4 ? [this.#acknowledge(f, allFragments(f.count), key, datagram.endpoint)] : [];
      return [...acknowledgement, ...actions];
    }
    if (whole.length > 0) return this.#drop("authentication");
    if (bitmap === allFragments(f.count)) return this.#drop("repeated"); // of a message that did not authenticate
    // Some are missing: say so at once, not after the sender's timer, and often enough that the loss of one report is nothing.
    return f.index === f.count - 1 || f.index % REPORT_EVERY === REPORT_EVERY - 1
      ? [this.#acknowledge(f, bitmap, key, datagram.endpoint)]
      : [];
  }

  /** The callee does not know our certificate: first contact shows it, or says why it does not count. */
  async #fallBack(initiator: Initiator, now: Ms): Promise<HandshakeAction[]> {
    this.#deps.meter.count("handshake.unknown-here");
    return await this.contact(initiator.peerId, initiator.endpoint, now);
  }

  /** A message that was dealt with before: its answer goes out again, or it is acknowledged whole. */
  #repeated(f: Fragment, source: Endpoint, key: Uint8Array, now: Ms): HandshakeAction[] | undefined {
    const initiator = this.#initiators.get(toHex(f.exchange));
    if (isReply(f.message)) return initiator?.hasSeen(f.message) ? initiator.repeat(now, f, key, source) : undefined;
    return this.#responder?.repeat(f, source, now);
  }

  /** A session may have been moved by its peer, so it counts only where the answer is no larger than the question. */
  #isProven(f: Fragment, source: Endpoint, now: Ms): boolean {
    const hasSession = f.message === MESSAGE.k1 && this.#deps.isProven(source);
    return hasSession || this.#cookies.accepts(f.cookie, source, now);
  }

  #demandCookie(f: Fragment, { endpoint }: Datagram, key: Uint8Array, now: Ms): HandshakeAction[] {
    this.#deps.meter.count("handshake.cookie.demanded");
    const reply = CookieReply.encode({
      type: FRAME.cookie,
      version: WIRE_VERSION,
      exchange: f.exchange,
      cookie: this.#cookies.make(endpoint, now),
      mac: new Uint8Array(8),
    });
    return [{ type: "send", datagram: { endpoint, payload: setMac(key, reply) } }];
  }

  /** The key that a fragment must be made with; undefined when no exchange of ours could have asked for it. */
  #keyOf(f: Fragment, source: Endpoint): Uint8Array | undefined {
    if (f.message === MESSAGE.k1 || f.message === MESSAGE.k3 || f.message === MESSAGE.f1) return this.#ownKey;
    if (f.message === MESSAGE.f3) return this.#responder?.macKey(f.exchange, source);
    return this.#initiators.get(toHex(f.exchange))?.macKeyOf(f.message);
  }

  #receiveAcknowledge({ payload, endpoint }: Datagram, now: Ms): HandshakeAction[] {
    const a = payload.length === Acknowledge.size ? Acknowledge.decode(payload) : undefined;
    if (!a || a.version !== WIRE_VERSION) return this.#drop("malformed");
    const ours = this.#initiators.get(toHex(a.exchange));
    const key = ours?.sentMacKey(a.message) ?? this.#responder?.sentMacKey(a.message, a.exchange, endpoint);
    if (!key || !hasMac(key, payload)) return this.#drop("mac");
    return ours?.acknowledged(a, now) ?? this.#responder?.acknowledged(a, endpoint, now) ?? [];
  }

  #receiveCookie({ payload, endpoint }: Datagram, now: Ms): HandshakeAction[] {
    const reply = payload.length === CookieReply.size ? CookieReply.decode(payload) : undefined;
    if (!reply || reply.version !== WIRE_VERSION) return this.#drop("malformed");
    const initiator = this.#initiators.get(toHex(reply.exchange));
    if (!initiator || !hasMac(initiator.calleeKey, payload)) return this.#drop("mac");
    const cookie = reply.cookie.slice();
    this.#cookieOf.set(endpointKey(endpoint), { cookie, until: now + COOKIE_LIFE });
    if (this.#cookieOf.size > COOKIES_KEPT) this.#cookieOf.delete(this.#cookieOf.keys().next().value as string);
    return initiator.useCookie(cookie, now);
  }

  #acknowledge(f: Fragment, bitmap: number, key: Uint8Array, endpoint: Endpoint): HandshakeAction {
    return { type: "send", datagram: { endpoint, payload: acknowledgement(f, bitmap, key) } };
  }

  #freeIndex(): number {
    for (;;) {
      const index = randomIndex(this.#deps.random);
      if (this.#deps.isFree(index) && ![...this.#initiators.values()].some((i) => i.index === index)) return index;
    }
  }

  #drop(reason: string): HandshakeAction[] {
    this.#deps.meter.count(`handshake.drop.${reason}`);
    return [];
  }
}

const isReply = (message: number): boolean =>
  message === MESSAGE.k2 || message === MESSAGE.unknown || message === MESSAGE.f2 || message === MESSAGE.f4;
