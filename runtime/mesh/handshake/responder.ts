/**
 * Answering others. A known peer's exchange leaves no state that matters: K2 is cached only so that a lost fragment need
 * not cost a new one, and what K3 needs comes back in its biscuit. First contacts are kept in a fixed number of slots.
 */
import { concat, equal, toHex, wipe } from "../../base/bytes.ts";
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import type { Values } from "../../base/struct.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { KdfChain } from "../../crypto/kdf-chain.ts";
import { BiscuitJar } from "./biscuit.ts";
import { NO_COOKIE } from "./cookie.ts";
import { FairTable } from "./fair-table.ts";
import { consumePurpose, createAnswer, createFirstReply, type FirstReplyState } from "./first-contact.ts";
import { type Fragment, split } from "./fragment.ts";
import { aeadOf, consumeConfirmation, consumeHello, createReply, createUnknown } from "./known-peer.ts";
import type { HandshakeDeps } from "./machine.ts";
import { type Acknowledge, AEAD_ID, InitConf, MESSAGE } from "./message.ts";
import { Outbox } from "./outbox.ts";
import type { Directory, Established, HandshakeAction, Membership, RemoteMember } from "./ports.ts";
import { Reception } from "./reception.ts";
import { type SessionSecrets, wipeSession } from "./schedule.ts";

/** Exchanges being answered at a time. */
export const SLOTS = 128;
export const SLOT_LIFE: Ms = seconds(10);
/** An answered caller has gone on by then, or does not hear us. */
const ANSWERED_WITHIN: Ms = seconds(2);

interface Slot {
  readonly key: string;
  readonly exchange: Uint8Array;
  readonly source: Endpoint;
  readonly started: Ms;
  /** Instance of the message that opened the slot: a repetition has the same. */
  readonly instance: number;
  /** What we sent last: K2, F2, or F4 once it is answered. */
  message: number;
  macKey: Uint8Array;
  outbox: Outbox;
  readonly first: FirstReplyState | undefined;
  peerId: Uint8Array | undefined;
  localIndex: number | undefined;
}

const isAnswered = (slot: Slot): boolean => slot.message === MESSAGE.f4;

export interface ResponderHooks {
  readonly freeIndex: () => number;
  /** Whether a member that calls from there is to answer our own call instead. */
  readonly crosses: (id: Uint8Array, source: Endpoint, now: Ms) => boolean;
}

export class Responder {
  readonly #deps: HandshakeDeps;
  readonly #membership: Membership;
  readonly #directory: Directory;
  readonly #freeIndex: () => number;
  readonly #crosses: ResponderHooks["crosses"];
  readonly #biscuits: BiscuitJar;
  readonly #reception: Reception;
  readonly #slots: FairTable<Slot>;
  /** Per peer, the last biscuit that was taken: an older or equal one is a replay. */
  readonly #last = new Map<string, { readonly number: bigint; readonly localIndex: number }>();

  constructor(
    deps: HandshakeDeps,
    membership: Membership,
    directory: Directory,
    now: Ms,
    { freeIndex, crosses }: ResponderHooks,
  ) {
    this.#deps = deps;
    this.#membership = membership;
    this.#directory = directory;
    this.#freeIndex = freeIndex;
    this.#crosses = crosses;
    this.#biscuits = new BiscuitJar(deps.crypto, deps.random, now);
    this.#reception = new Reception(deps, directory, freeIndex);
    this.#slots = new FairTable(SLOTS, SLOT_LIFE, wipeSlot);
  }

  get size(): number {
    return this.#slots.size;
  }

  get due(): Ms | undefined {
    let due = this.#slots.due;
    for (const slot of this.#slots.values())
      if (isAnswered(slot)) due = Math.min(due ?? slot.outbox.due, slot.outbox.due);
    return due;
  }

  /** Key of F3's fragments: they count only from where F1 came from, so that nobody else pays for them. */
  macKey(exchange: Uint8Array, source: Endpoint): Uint8Array | undefined {
    return this.#slotOf(exchange, source)?.first?.macKey;
  }

  /** Key with which an acknowledgement of our message is made. */
  sentMacKey(message: number, exchange: Uint8Array, source: Endpoint): Uint8Array | undefined {
    const slot = this.#slotOf(exchange, source);
    return slot?.message === message ? slot.macKey : undefined;
  }

  /** Whether F3 of this source is read, or it has failed too often. */
  mayTry(source: Endpoint, now: Ms): boolean {
    return this.#reception.mayTry(source, now);
  }

  #slotOf(exchange: Uint8Array, source: Endpoint): Slot | undefined {
    return this.#slots.get(keyOf(exchange, source));
  }

  /** The answer to a first message that was answered before, sent again. */
  repeat(f: Fragment, source: Endpoint, now: Ms): HandshakeAction[] | undefined {
    const slot = this.#slotOf(f.exchange, source);
    if (!slot || !this.#isRepetition(f, slot)) return undefined;
    return sent(slot.source, slot.outbox.asked(now));
  }

  #isRepetition(f: Fragment, slot: Slot): boolean {
    if (f.message === MESSAGE.f3) return isAnswered(slot);
    return f.message !== MESSAGE.k3 && f.instance === slot.instance;
  }

  acknowledged(a: Values<typeof Acknowledge.fields>, source: Endpoint, now: Ms): HandshakeAction[] {
    const slot = this.#slotOf(a.exchange, source);
    if (!slot) return [];
    const again = slot.outbox.acknowledge(a.bitmap, now);
    if (isAnswered(slot) && slot.outbox.complete) this.#slots.delete(slot.key);
    return sent(slot.source, again);
  }

  tick(now: Ms): HandshakeAction[] {
    this.#slots.expire(now);
    // K2 and F2 are repeated when asked for: the caller's timer drives. F4 is ours to bring home.
    const due = this.#slots.values().filter((slot) => isAnswered(slot) && slot.outbox.due <= now);
    return due.flatMap((slot) => sent(slot.source, slot.outbox.retry(now)));
  }

  confirmed(localIndex: number): void {
    for (const slot of this.#slots.values()) if (slot.localIndex === localIndex) this.#slots.delete(slot.key);
  }

  isAnswering(id: Uint8Array, now: Ms): boolean {
    return this.#slots.values().some((s) => s.peerId && equal(s.peerId, id) && now < s.started + ANSWERED_WITHIN);
  }

  forget(id: Uint8Array): void {
    this.#last.delete(toHex(id));
    for (const s of this.#slots.values()) if (s.peerId && equal(s.peerId, id)) this.#slots.delete(s.key);
  }

  /** Takes a whole message; undefined when it does not authenticate. */
  async receive(f: Fragment, payload: Uint8Array, source: Endpoint, now: Ms): Promise<HandshakeAction[] | undefined> {
    if (f.message === MESSAGE.k1) return await this.#receiveHello(f, payload, source, now);
    if (f.message === MESSAGE.k3) return this.#receiveConfirmation(f, payload, source, now);
    if (f.message === MESSAGE.f1) return await this.#receiveFirstHello(f, payload, source, now);
    if (f.message === MESSAGE.f3) return await this.#receiveIdentity(f, payload, source, now);
    return undefined;
  }

  async #receiveHello(
    f: Fragment,
    payload: Uint8Array,
    source: Endpoint,
    now: Ms,
  ): Promise<HandshakeAction[] | undefined> {
    const { crypto, random, local, meter } = this.#deps;
    const self = { meshId: this.#membership.meshId, keys: local.keys };
    const opened = await consumeHello(crypto, self, payload, f.exchange);
    if (!opened) return undefined;
    const peer = this.#directory.byCertificateHash(opened.certificateHash);
    if (!peer) {
      meter.count("handshake.unknown-certificate");
      const payload = createUnknown(crypto, opened);
      const name = { message: MESSAGE.unknown, exchange: f.exchange };
      return sent(source, split(crypto, name, payload, opened.macKey, NO_COOKIE, source));
    }
    if (this.#crosses(peer.id, source, now)) {
      meter.count("handshake.crossed");
      return [];
    }
    const index = this.#freeIndex();
    const reply = await createReply(crypto, random, { rates: local.rates, index }, peer.keys, opened);
    if (!reply) return undefined;
    const saved = reply.chain.save();
    const biscuit = this.#biscuits.seal(
      {
        chain: saved,
        certificateHash: opened.certificateHash,
        initiator: opened.hello.sender,
        responder: index,
        aead: AEAD_ID[reply.aead],
      },
      f.exchange,
      source,
      now,
    );
    wipe(saved);
    reply.chain.wipe();
    return this.#open(f, source, MESSAGE.k2, concat(reply.body, biscuit), opened.macKey, now, undefined, peer.id);
  }

  #receiveConfirmation(f: Fragment, payload: Uint8Array, source: Endpoint, now: Ms): HandshakeAction[] | undefined {
    const { crypto, meter, isFree } = this.#deps;
    const message = payload.length === InitConf.size ? InitConf.decode(payload) : undefined;
    const biscuit = message && this.#biscuits.open(message.biscuit, f.exchange, source, now);
    const aead = biscuit && aeadOf(biscuit.aead);
    if (!message || !biscuit || !aead) return undefined;
    const chain = KdfChain.resume(crypto, biscuit.chain);
    wipe(biscuit.chain);
    const secrets = consumeConfirmation(crypto, chain, message.sealed);
    chain.wipe();
    const peer = this.#directory.byCertificateHash(biscuit.certificateHash);
    const last = peer && this.#last.get(toHex(peer.id));
    const isReplay = last !== undefined && biscuit.number <= last.number;
    if (!secrets || !peer || isReplay || !isFree(biscuit.responder)) {
      if (secrets) wipeSession(secrets);
      if (!secrets || !isReplay) return undefined; // not the exchange's, or revoked since
      meter.count("handshake.drop.replay");
      return last.localIndex === biscuit.responder ? [{ type: "repeated", localIndex: last.localIndex }] : [];
    }
    this.#last.set(toHex(peer.id), { number: biscuit.number, localIndex: biscuit.responder });
    const slot = this.#slotOf(f.exchange, source);
    const took = slot ? now - slot.started : 0;
    if (slot) this.#slots.delete(slot.key);
    const indices = { localIndex: biscuit.responder, remoteIndex: biscuit.initiator, aead };
    return [{ type: "established", session: established("known-peer", peer, source, indices, secrets, took, true) }];
  }

  async #receiveFirstHello(
    f: Fragment,
    payload: Uint8Array,
    source: Endpoint,
    now: Ms,
  ): Promise<HandshakeAction[] | undefined> {
    const { crypto, random, local } = this.#deps;
    const self = { ...this.#membership, id: local.keys.id };
    const first = await createFirstReply(crypto, random, self, payload, f.exchange);
    return first && this.#open(f, source, MESSAGE.f2, first.payload, first.replyMacKey, now, first);
  }

  async #receiveIdentity(
    f: Fragment,
    payload: Uint8Array,
    source: Endpoint,
    now: Ms,
  ): Promise<HandshakeAction[] | undefined> {
    const slot = this.#slotOf(f.exchange, source);
    if (!slot?.first || isAnswered(slot)) return undefined;
    const answer = await this.#answer(slot, slot.first, payload, now);
    if (!answer) this.#slots.delete(slot.key); // nobody but the caller can make an F3 of this exchange: it gets one
    return answer;
  }

  /** F4, and the session when it is accepted; undefined for who gets no answer. */
  async #answer(
    slot: Slot,
    first: FirstReplyState,
    payload: Uint8Array,
    now: Ms,
  ): Promise<HandshakeAction[] | undefined> {
    const { crypto, random, local } = this.#deps;
    const opened = await consumePurpose(crypto, local.keys, first, payload);
    const heard = await this.#reception.hear(opened, slot.source, now);
    if (!opened || !heard) {
      opened?.state.wipe();
      return undefined;
    }
    const { keys, member, verdict } = heard;
    const answer = await createAnswer(crypto, random, local.keys, keys, first.ephemeral, opened.state, verdict);
    if (!answer) return undefined;
    const name = { message: MESSAGE.f4, exchange: slot.exchange };
    slot.message = MESSAGE.f4;
    slot.macKey = first.macKey;
    slot.outbox = new Outbox(split(crypto, name, answer.payload, first.macKey, NO_COOKIE, slot.source), now, "heard");
    wipeSlot(slot);
    const actions = sent(slot.source, slot.outbox.datagrams);
    if (!verdict.accepted || !member) {
      wipeSession(answer.secrets);
      return actions;
    }
    slot.peerId = member.id;
    slot.localIndex = verdict.index;
    const indices = { localIndex: verdict.index, remoteIndex: first.initiatorIndex, aead: verdict.aead };
    const took = now - slot.started;
    const session = established("first-contact", member, slot.source, indices, answer.secrets, took, false);
    return [{ type: "established", session }, ...actions];
  }

  #open(
    f: Fragment,
    source: Endpoint,
    message: number,
    payload: Uint8Array,
    macKey: Uint8Array,
    now: Ms,
    first: Slot["first"],
    peerId?: Uint8Array,
  ): HandshakeAction[] {
    const datagrams = split(this.#deps.crypto, { message, exchange: f.exchange }, payload, macKey, NO_COOKIE, source);
    const slot: Slot = {
      key: keyOf(f.exchange, source),
      exchange: f.exchange.slice(),
      source,
      started: now,
      instance: f.instance,
      message,
      macKey,
      outbox: new Outbox(datagrams, now, "heard"),
      first,
      peerId,
      localIndex: undefined,
    };
    this.#slots.set(slot.key, source, slot, now);
    return sent(source, datagrams);
  }
}

/** An exchange is its number and who began it: somebody elsewhere who uses the same number disturbs nobody. */
const keyOf = (exchange: Uint8Array, source: Endpoint): string => `${toHex(exchange)} ${endpointKey(source)}`;

function wipeSlot({ first }: Slot): void {
  first?.chain.wipe();
  if (first) wipe(first.ephemeral);
}

const sent = (endpoint: Endpoint, payloads: readonly Uint8Array[]): HandshakeAction[] =>
  payloads.map((payload) => ({ type: "send", datagram: { endpoint, payload } }));

function established(
  pattern: Established["pattern"],
  peer: RemoteMember,
  endpoint: Endpoint,
  indices: { localIndex: number; remoteIndex: number; aead: Established["data"]["aead"] },
  s: SessionSecrets,
  took: Ms,
  confirmed: boolean,
): Established {
  return {
    pattern,
    role: "responder",
    peer,
    endpoint,
    data: {
      ...indices,
      sendKey: s.dataResponder,
      receiveKey: s.dataInitiator,
      hopSendKey: s.hopResponder,
      hopReceiveKey: s.hopInitiator,
    },
    controlSendKey: s.controlResponder,
    controlReceiveKey: s.controlInitiator,
    sessionId: s.sessionId,
    took,
    confirmed,
    joined: undefined,
  };
}
