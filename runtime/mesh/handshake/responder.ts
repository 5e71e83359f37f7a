/**
 * Answering others. A known peer's exchange leaves no state that matters: K2 is cached only so that a lost fragment need
 * not cost a new one, and what K3 needs comes back in its biscuit. First contacts are kept in a fixed number of slots.
 */
import { equal, toHex, wipe } from "../../base/bytes.ts";
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import type { Values } from "../../base/struct.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { KdfChain } from "../../crypto/kdf-chain.ts";
import { BiscuitJar } from "./biscuit.ts";
import { NO_COOKIE } from "./cookie.ts";
import {
  consumeIdentity,
  consumePurpose,
  createAnswer,
  createFirstReply,
  type FirstReplyState,
  type OpenedIdentity,
  type OpenedPurpose,
  type Verdict,
} from "./first-contact.ts";
import { type Fragment, split } from "./fragment.ts";
import { aeadOf, consumeConfirmation, consumeHello, createReply } from "./known-peer.ts";
import type { HandshakeDeps } from "./machine.ts";
import { type Acknowledge, AEAD_ID, FirstHello, InitConf, MESSAGE } from "./message.ts";
import { Outbox } from "./outbox.ts";
import type { Directory, Established, HandshakeAction, Membership, RemoteMember } from "./ports.ts";
import { RateLimit } from "./rate.ts";
import { chooseAead, type SessionSecrets } from "./schedule.ts";

export const SLOTS = 128;
/** First contacts of one source at a time: enough for a shelf of gateways behind one NAT. */
export const SLOTS_PER_SOURCE = 8;
const SLOT_LIFE: Ms = seconds(10);
/** Wrong secrets: five at once, then one per two seconds, per source. */
const GUESSES = { burst: 5, refill: seconds(2), sources: 1024 } as const;

interface Slot {
  readonly key: string;
  readonly exchange: Uint8Array;
  readonly source: Endpoint;
  readonly started: Ms;
  /** Instance of the message that opened the slot: a repetition has the same. */
  readonly instance: number;
  message: number;
  macKey: Uint8Array;
  outbox: Outbox;
  first: { readonly state: FirstReplyState; readonly ephemeral: Uint8Array } | undefined;
  peerId: Uint8Array | undefined;
  localIndex: number | undefined;
  answered: boolean;
}

export class Responder {
  readonly #deps: HandshakeDeps;
  readonly #membership: Membership;
  readonly #directory: Directory;
  readonly #freeIndex: () => number;
  readonly #biscuits: BiscuitJar;
  readonly #guesses = new RateLimit(GUESSES.burst, GUESSES.refill, GUESSES.sources);
  readonly #slots = new Map<string, Slot>();
  /** Per peer, the last biscuit that was taken: an older or equal one is a replay. */
  readonly #last = new Map<string, { readonly number: bigint; readonly localIndex: number }>();

  constructor(deps: HandshakeDeps, membership: Membership, directory: Directory, now: Ms, freeIndex: () => number) {
    this.#deps = deps;
    this.#membership = membership;
    this.#directory = directory;
    this.#freeIndex = freeIndex;
    this.#biscuits = new BiscuitJar(deps.crypto, deps.random, now);
  }

  get size(): number {
    return this.#slots.size;
  }

  get due(): Ms | undefined {
    let due: Ms | undefined;
    for (const s of this.#slots.values()) {
      const next = s.answered ? Math.min(s.outbox.due, s.started + SLOT_LIFE) : s.started + SLOT_LIFE;
      if (due === undefined || next < due) due = next;
    }
    return due;
  }

  /** Key of F3's fragments. */
  macKey(exchange: Uint8Array): Uint8Array | undefined {
    return this.#slots.get(toHex(exchange))?.first?.state.macKey;
  }

  /** Key with which an acknowledgement of our message is made. */
  sentMacKey(message: number, exchange: Uint8Array): Uint8Array | undefined {
    const slot = this.#slots.get(toHex(exchange));
    return slot?.message === message ? slot.macKey : undefined;
  }

  /** Whether this source may try a secret, or has guessed too often. */
  mayTry(source: Endpoint, now: Ms): boolean {
    return this.#guesses.has(source, now);
  }

  /** The answer to a first message that was answered before, sent again. */
  repeat(f: Fragment, source: Endpoint, now: Ms): HandshakeAction[] | undefined {
    const slot = this.#slots.get(toHex(f.exchange));
    const opened = slot && (f.message === MESSAGE.k1 || f.message === MESSAGE.f1) && f.instance === slot.instance;
    const answered = slot && f.message === MESSAGE.f3 && slot.answered;
    if (!slot || !(opened || answered) || endpointKey(source) !== endpointKey(slot.source)) return undefined;
    return this.#emit(slot, slot.outbox.acknowledge(0, now));
  }

  acknowledged(a: Values<typeof Acknowledge.fields>, now: Ms): HandshakeAction[] {
    const slot = this.#slots.get(toHex(a.exchange));
    if (!slot) return [];
    const again = slot.outbox.acknowledge(a.bitmap, now);
    if (slot.answered && slot.outbox.complete) this.#close(slot);
    return this.#emit(slot, again);
  }

  tick(now: Ms): HandshakeAction[] {
    const actions: HandshakeAction[] = [];
    for (const slot of this.#slots.values()) {
      if (now >= slot.started + SLOT_LIFE) this.#close(slot);
      // K2 and F2 are repeated when asked for: the caller's timer drives. F4 is ours to bring home.
      else if (slot.answered && slot.outbox.due <= now) actions.push(...this.#emit(slot, slot.outbox.retry(now)));
    }
    return actions;
  }

  confirmed(localIndex: number): void {
    for (const slot of this.#slots.values()) if (slot.localIndex === localIndex) this.#close(slot);
  }

  forget(id: Uint8Array): void {
    this.#last.delete(toHex(id));
    for (const slot of this.#slots.values()) if (slot.peerId && equal(slot.peerId, id)) this.#close(slot);
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
      meter.count("handshake.drop.unknown-certificate");
      return []; // the caller falls back to first contact, where it can show who it is
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
      now,
    );
    wipe(saved);
    reply.chain.wipe();
    const message = new Uint8Array(reply.body.length + biscuit.length);
    message.set(reply.body);
    message.set(biscuit, reply.body.length);
    return this.#open(f, source, MESSAGE.k2, message, opened.macKey, now, undefined);
  }

  #receiveConfirmation(f: Fragment, payload: Uint8Array, source: Endpoint, now: Ms): HandshakeAction[] | undefined {
    const { crypto, meter, isFree } = this.#deps;
    const message = payload.length === InitConf.size ? InitConf.decode(payload) : undefined;
    const biscuit = message && this.#biscuits.open(message.biscuit, f.exchange, now);
    const aead = biscuit && aeadOf(biscuit.aead);
    if (!message || !biscuit || !aead) return undefined;
    const peer = this.#directory.byCertificateHash(biscuit.certificateHash);
    if (!peer) return undefined; // revoked since
    const last = this.#last.get(toHex(peer.id));
    if (last && biscuit.number <= last.number) {
      meter.count("handshake.drop.replay");
      return last.localIndex === biscuit.responder ? [{ type: "repeated", localIndex: last.localIndex }] : [];
    }
    const chain = KdfChain.resume(crypto, biscuit.chain);
    wipe(biscuit.chain);
    const secrets = consumeConfirmation(crypto, chain, message.sealed);
    chain.wipe();
    if (!secrets || !isFree(biscuit.responder)) return undefined;
    this.#last.set(toHex(peer.id), { number: biscuit.number, localIndex: biscuit.responder });
    const slot = this.#slots.get(toHex(f.exchange));
    const took = slot ? now - slot.started : 0;
    if (slot) this.#close(slot);
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
    const state = await createFirstReply(
      crypto,
      random,
      { ...this.#membership, id: local.keys.id },
      payload,
      f.exchange,
    );
    const hello = FirstHello.decode(payload);
    if (!state || !hello) return undefined;
    const first = { state, ephemeral: hello.ephemeralX25519.slice() };
    return this.#open(f, source, MESSAGE.f2, state.payload, state.replyMacKey, now, first);
  }

  async #receiveIdentity(
    f: Fragment,
    payload: Uint8Array,
    source: Endpoint,
    now: Ms,
  ): Promise<HandshakeAction[] | undefined> {
    const { crypto, random, local } = this.#deps;
    const slot = this.#slots.get(toHex(f.exchange));
    if (!slot?.first || slot.answered) return undefined;
    const { state, ephemeral } = slot.first;
    const opened = await consumePurpose(crypto, local.keys, state, ephemeral, payload);
    if (!opened) return undefined;
    const caller = await this.#identify(opened, source, now);
    if (!caller) return undefined;
    const { peer, verdict } = await this.#decide(caller, opened, source);
    const answer = await createAnswer(crypto, random, local.keys, peer.keys, state.ephemeral, opened.state, verdict);
    if (!answer) return undefined;
    slot.message = MESSAGE.f4;
    slot.macKey = state.macKey;
    slot.outbox = new Outbox(
      split(crypto, { message: MESSAGE.f4, exchange: slot.exchange }, answer.payload, state.macKey, NO_COOKIE),
      now,
    );
    slot.answered = true;
    const actions = this.#emit(slot, [...slot.outbox.datagrams]);
    if (!verdict.accepted || !peer.member) return actions;
    slot.peerId = peer.member.id;
    slot.localIndex = verdict.index;
    const indices = { localIndex: verdict.index, remoteIndex: state.initiatorIndex, aead: verdict.aead };
    const took = now - slot.started;
    const session = established("first-contact", peer.member, source, indices, answer.secrets, took, false);
    return [{ type: "established", session }, ...actions];
  }

  /** Who calls, when it has the secret and the signature holds. A wrong secret is paid for by its source alone. */
  async #identify(opened: OpenedPurpose, source: Endpoint, now: Ms): Promise<OpenedIdentity | undefined> {
    const { crypto, admission, meter } = this.#deps;
    const joins = opened.purpose === "join";
    const secret = joins ? admission?.secretOf(opened.inviteId) : undefined;
    const identity = joins && !secret ? undefined : consumeIdentity(crypto, opened, secret);
    if (!identity) {
      this.#guesses.spend(source, now);
      meter.count("handshake.drop.secret");
      return undefined;
    }
    if (identity.purpose === "join") return (await identity.verify()) ? identity : undefined;
    const member = await this.#directory.admit(identity.chain);
    return member && (await identity.verify(member.keys)) ? identity : undefined;
  }

  async #decide(
    caller: OpenedIdentity,
    opened: OpenedPurpose,
    source: Endpoint,
  ): Promise<{ peer: { keys: RemoteMember["keys"]; member: RemoteMember | undefined }; verdict: Verdict }> {
    const { admission, local } = this.#deps;
    const aead = chooseAead(opened.rates, local.rates);
    if (caller.purpose === "member") {
      const member = (await this.#directory.admit(caller.chain)) as RemoteMember;
      return {
        peer: { keys: member.keys, member },
        verdict: { accepted: true, index: this.#freeIndex(), aead, chain: undefined },
      };
    }
    const { keys, name } = caller;
    const answer = await admission?.admit({ inviteId: opened.inviteId, keys, name, source });
    const member = answer?.accepted ? await this.#directory.admit(answer.chain) : undefined;
    if (!answer?.accepted || !member) {
      const refusal =
        answer && !answer.accepted ? answer : { code: "invite/failed", message: "the gateway could not admit" };
      return {
        peer: { keys, member: undefined },
        verdict: { accepted: false, code: refusal.code, message: refusal.message },
      };
    }
    return { peer: { keys, member }, verdict: { accepted: true, index: this.#freeIndex(), aead, chain: answer.chain } };
  }

  #open(
    f: Fragment,
    source: Endpoint,
    message: number,
    payload: Uint8Array,
    macKey: Uint8Array,
    now: Ms,
    first: Slot["first"],
  ): HandshakeAction[] {
    this.#makeRoom(source);
    const datagrams = split(this.#deps.crypto, { message, exchange: f.exchange }, payload, macKey, NO_COOKIE);
    const slot: Slot = {
      key: toHex(f.exchange),
      exchange: f.exchange.slice(),
      source,
      started: now,
      instance: f.instance,
      message,
      macKey,
      outbox: new Outbox(datagrams, now),
      first,
      peerId: undefined,
      localIndex: undefined,
      answered: false,
    };
    this.#slots.set(slot.key, slot);
    return this.#emit(slot, datagrams);
  }

  /** The oldest of the same source goes first, then the oldest of all. */
  #makeRoom(source: Endpoint): void {
    const own = [...this.#slots.values()].filter((s) => s.source.address === source.address);
    const oldest = own.length >= SLOTS_PER_SOURCE ? own[0] : undefined;
    if (oldest) this.#close(oldest);
    else if (this.#slots.size >= SLOTS) this.#close(this.#slots.values().next().value as Slot);
  }

  #close(slot: Slot): void {
    slot.first?.state.chain.wipe();
    slot.first?.state.ephemeral.fill(0);
    this.#slots.delete(slot.key);
  }

  #emit(slot: Slot, payloads: readonly Uint8Array[]): HandshakeAction[] {
    return payloads.map((payload) => ({ type: "send", datagram: { endpoint: slot.source, payload } }));
  }
}

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
