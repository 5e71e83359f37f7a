/**
 * One exchange that we started.
 *
 *   known peer:     K1 sent -> K2 came, K3 sent, keys installed -> (sealed frame came) over
 *                           -> "unknown" came                   -> over, the machine goes on with first contact
 *   first contact:  F1 sent -> F2 came, F3 sent                 -> F4 came, keys installed, F4 acknowledged until quiet
 */
import { equal, toHex } from "../../base/bytes.ts";
import type { Endpoint } from "../../base/endpoint.ts";
import type { Values } from "../../base/struct.ts";
import { type Ms, seconds } from "../../base/time.ts";
import type { DataSession } from "../types.ts";
import { acknowledgement, allFragments } from "./acknowledgement.ts";
import { NO_COOKIE } from "./cookie.ts";
import {
  type Callee,
  type Caller,
  consumeAnswer,
  consumeFirstReply,
  createFirstHello,
  createIdentity,
  type FirstHelloState,
  type Shown,
  type Verdict,
} from "./first-contact.ts";
import { type Fragment, split } from "./fragment.ts";
import { consumeReply, createHello, type HelloState, isUnknown, wipeEphemeral } from "./known-peer.ts";
import { firstMacKey } from "./mac.ts";
import type { HandshakeDeps } from "./machine.ts";
import { type Acknowledge, MESSAGE } from "./message.ts";
import { Outbox, type Presence } from "./outbox.ts";
import type { Established, HandshakeAction, RemoteMember } from "./ports.ts";
import { type SessionSecrets, wipeSession } from "./schedule.ts";

/** An exchange that has not succeeded by then has failed. */
export const GIVE_UP: Ms = seconds(10);
/** An honest responder asks once, twice should its secret change. Each cookie makes us send the first message again. */
export const COOKIES_MAX = 3;

export type InitiatorPurpose =
  | ({ readonly kind: "known-peer"; readonly peer: RemoteMember; readonly certificateHash: Uint8Array } & Callee)
  | ({ readonly kind: "first-contact"; readonly caller: Caller } & Callee);

interface Sending {
  readonly message: number;
  readonly payload: Uint8Array;
  readonly macKey: Uint8Array;
  readonly outbox: Outbox;
}

/** What the exchange waits for, and what it needs to read it. */
type Waiting =
  | { readonly on: "K2"; readonly hello: HelloState; readonly peer: RemoteMember }
  | { readonly on: "F2"; readonly hello: FirstHelloState; readonly caller: Caller }
  | { readonly on: "F4"; readonly shown: Shown; readonly responder: RemoteMember }
  | { readonly on: "nothing" };

export class Initiator {
  readonly exchange: string;
  readonly index: number;
  readonly endpoint: Endpoint;
  /** Key of first messages to the callee, and of its cookies. */
  readonly calleeKey: Uint8Array;
  readonly #deps: HandshakeDeps;
  readonly #purpose: InitiatorPurpose;
  readonly #presence: Presence;
  readonly #id: Uint8Array;
  readonly #started: Ms;
  /** Keys of the fragments that may come, by message; those of messages that came already stay, since they may repeat. */
  readonly #keys = new Map<number, Uint8Array>();
  #cookie: Uint8Array = NO_COOKIE;
  #cookies = 0;
  #waiting: Waiting = { on: "nothing" };
  #sending: Sending | undefined;
  #unknown = false;
  /** Whether the session's keys are out; what remains is to be sure that the other side has them. */
  #agreed = false;
  #over = false;
  /** When the callee called us first while this went on. */
  #crossed: Ms | undefined;

  constructor(
    deps: HandshakeDeps,
    purpose: InitiatorPurpose,
    { endpoint, index, presence }: { endpoint: Endpoint; index: number; presence: Presence },
    now: Ms,
  ) {
    this.#deps = deps;
    this.#presence = presence;
    this.#purpose = purpose;
    this.endpoint = endpoint;
    this.#started = now;
    this.index = index;
    this.#id = deps.random(8);
    this.exchange = toHex(this.#id);
    this.calleeKey = firstMacKey(deps.crypto, purpose.meshId, purpose.id);
  }

  get peerId(): Uint8Array {
    return this.#purpose.id;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Whether the callee said that it does not know our certificate. */
  get isUnknown(): boolean {
    return this.#unknown;
  }

  get due(): Ms {
    const giveUp = this.#started + GIVE_UP;
    return this.#sending ? Math.min(this.#sending.outbox.due, giveUp) : giveUp;
  }

  async start(cookie: Uint8Array | undefined, now: Ms): Promise<HandshakeAction[]> {
    if (cookie) this.#cookie = cookie;
    const { crypto, random, local } = this.#deps;
    const purpose = this.#purpose;
    if (purpose.kind === "first-contact") {
      const first = await createFirstHello(crypto, random, this.index, purpose, this.#id);
      this.#keys.set(MESSAGE.f2, first.macKey);
      this.#waiting = { on: "F2", hello: first, caller: purpose.caller };
      return this.#send(MESSAGE.f1, first.payload, this.calleeKey, now);
    }
    const self = { certificateHash: purpose.certificateHash, rates: local.rates, index: this.index };
    const hello = await createHello(crypto, random, self, { ...purpose, keys: purpose.peer.keys }, this.#id);
    if (!hello) return this.#fail("handshake/peer-keys", "the peer's keys are malformed", false);
    for (const message of [MESSAGE.k2, MESSAGE.unknown]) this.#keys.set(message, hello.macKey);
    this.#waiting = { on: "K2", hello, peer: purpose.peer };
    return this.#send(MESSAGE.k1, hello.payload, this.calleeKey, now);
  }

  /** The callee calls us: whether this exchange goes before its own, for so long from the first time. */
  goesBefore(now: Ms, duration: Ms): boolean {
    this.#crossed ??= now;
    return now < this.#crossed + duration;
  }

  /** Key of an arriving message's fragments; undefined for one that can never come. */
  macKeyOf(message: number): Uint8Array | undefined {
    return this.#keys.get(message);
  }

  /** Key of our own message, with which its acknowledgement is made. */
  sentMacKey(message: number): Uint8Array | undefined {
    return this.#sending?.message === message ? this.#sending.macKey : undefined;
  }

  /** Whether a message that `macKeyOf` knows was dealt with before. */
  hasSeen(message: number): boolean {
    const { on } = this.#waiting;
    if (on === "K2") return false;
    return on !== (message === MESSAGE.f2 ? "F2" : "F4");
  }

  /** The other side repeats itself: it did not get our answer. */
  repeat(now: Ms, f: Fragment, key: Uint8Array, source: Endpoint): HandshakeAction[] {
    if (f.message === MESSAGE.f4) {
      const payload = acknowledgement(f, allFragments(f.count), key);
      return [{ type: "send", datagram: { endpoint: source, payload } }];
    }
    return this.#emit(this.#sending?.outbox.asked(now) ?? []);
  }

  /** Takes a whole message; undefined when it does not authenticate. */
  async receive(message: number, payload: Uint8Array, now: Ms): Promise<HandshakeAction[] | undefined> {
    const w = this.#waiting;
    if (w.on === "K2" && message === MESSAGE.unknown) return this.#receiveUnknown(w.hello, payload);
    if (w.on === "K2") return await this.#receiveReply(w.hello, w.peer, payload, now);
    if (w.on === "F2") return await this.#receiveShown(w.hello, w.caller, payload, now);
    return w.on === "F4" ? await this.#receiveAnswer(w.shown, w.responder, payload, now) : undefined;
  }

  acknowledged(a: Values<typeof Acknowledge.fields>, now: Ms): HandshakeAction[] {
    return this.#emit(this.#sending?.outbox.acknowledge(a.bitmap, now) ?? []);
  }

  /** The callee wants proof of our address: the first message again, with its cookie. */
  useCookie(cookie: Uint8Array, now: Ms): HandshakeAction[] {
    const s = this.#sending;
    if (!s || (s.message !== MESSAGE.k1 && s.message !== MESSAGE.f1) || equal(cookie, this.#cookie)) return [];
    if (this.#cookies++ >= COOKIES_MAX) return [];
    this.#cookie = cookie;
    return this.#emit(s.outbox.replace(this.#split(s.message, s.payload, s.macKey), now));
  }

  tick(now: Ms): HandshakeAction[] {
    if (now >= this.#started + GIVE_UP) {
      if (!this.#agreed) {
        return this.#fail("handshake/timeout", `no answer from the gateway in ${GIVE_UP / 1000} s`, false);
      }
      this.#over = true;
      return [];
    }
    return this.#emit(this.#sending?.outbox.retry(now) ?? []);
  }

  wipe(): void {
    this.#over = true;
    this.#forgetSecrets();
  }

  /** Nothing is waited for any more. */
  #forgetSecrets(): void {
    const w = this.#waiting;
    if (w.on === "K2") w.hello.chain.wipe();
    if (w.on === "K2" || w.on === "F2") wipeEphemeral(w.hello.ephemeral);
    if (w.on === "F4") w.shown.state.wipe();
    this.#waiting = { on: "nothing" };
  }

  async #receiveReply(
    hello: HelloState,
    peer: RemoteMember,
    payload: Uint8Array,
    now: Ms,
  ): Promise<HandshakeAction[] | undefined> {
    const agreed = await consumeReply(this.#deps.crypto, this.#deps.local.keys, hello, payload);
    if (!agreed) return undefined;
    this.#agreed = true;
    this.#forgetSecrets();
    const { remoteIndex, aead, secrets } = agreed;
    const session = this.#established(peer, secrets, { remoteIndex, aead }, now, false, undefined);
    return [session, ...this.#send(MESSAGE.k3, agreed.confirmation, this.calleeKey, now)];
  }

  #receiveUnknown(hello: HelloState, payload: Uint8Array): HandshakeAction[] | undefined {
    if (!isUnknown(this.#deps.crypto, hello, payload)) return undefined;
    this.#unknown = true;
    this.wipe();
    return [];
  }

  async #receiveShown(
    hello: FirstHelloState,
    caller: Caller,
    payload: Uint8Array,
    now: Ms,
  ): Promise<HandshakeAction[] | undefined> {
    const { crypto, random, local } = this.#deps;
    const shown = await consumeFirstReply(crypto, hello, payload);
    if (!shown) return undefined;
    // From here on no other F2 is looked at, whatever becomes of this one: one chain is verified in an exchange.
    const responder = await this.#believe(shown);
    const { state } = shown;
    const { ephemeral } = hello;
    const keys = responder?.keys;
    const sent = keys && (await createIdentity(crypto, random, local, caller, keys, state, ephemeral));
    this.#forgetSecrets();
    if (!responder || !sent) {
      state.wipe();
      return responder
        ? this.#fail("handshake/peer-keys", "the peer's keys are malformed", false)
        : this.#fail("handshake/wrong-gateway", "the gateway that answered is not the one we called", false);
    }
    this.#keys.set(MESSAGE.f4, shown.macKey);
    this.#waiting = { on: "F4", shown, responder };
    return this.#send(MESSAGE.f3, sent, shown.macKey, now);
  }

  /** Members ask their directory; a joiner goes by the mesh id and issuer of its token. */
  async #believe(shown: Shown): Promise<RemoteMember | undefined> {
    const { meshId, id } = this.#purpose;
    const member = this.#deps.directory
      ? await this.#deps.directory.admit(shown.chain)
      : await this.#deps.verifyForeign(meshId, shown.genesis, shown.chain);
    return member && equal(member.id, id) ? member : undefined;
  }

  async #receiveAnswer(
    shown: Shown,
    responder: RemoteMember,
    payload: Uint8Array,
    now: Ms,
  ): Promise<HandshakeAction[] | undefined> {
    const { crypto, local } = this.#deps;
    const { responderEphemeral, state } = shown;
    const answer = await consumeAnswer(crypto, local.keys, responder.keys, responderEphemeral, state, payload);
    if (!answer) return undefined;
    this.#agreed = true;
    this.#sending = undefined;
    this.#forgetSecrets();
    const { verdict, secrets } = answer;
    if (!verdict.accepted) {
      wipeSession(secrets);
      return this.#fail(verdict.code, verdict.message, true, verdict.record);
    }
    const joined = verdict.chain ? { chain: verdict.chain, genesis: shown.genesis } : undefined;
    return [this.#established(responder, secrets, sessionOf(verdict), now, true, joined)];
  }

  #established(
    peer: RemoteMember,
    secrets: SessionSecrets,
    remote: { readonly remoteIndex: number; readonly aead: DataSession["aead"] },
    now: Ms,
    confirmed: boolean,
    joined: Established["joined"],
  ): HandshakeAction {
    return {
      type: "established",
      session: {
        pattern: this.#purpose.kind,
        role: "initiator",
        peer,
        endpoint: this.endpoint,
        data: {
          localIndex: this.index,
          ...remote,
          sendKey: secrets.dataInitiator,
          receiveKey: secrets.dataResponder,
          hopSendKey: secrets.hopInitiator,
          hopReceiveKey: secrets.hopResponder,
        },
        controlSendKey: secrets.controlInitiator,
        controlReceiveKey: secrets.controlResponder,
        sessionId: secrets.sessionId,
        took: now - this.#started,
        confirmed,
        joined,
      },
    };
  }

  #send(message: number, payload: Uint8Array, macKey: Uint8Array, now: Ms): HandshakeAction[] {
    const datagrams = this.#split(message, payload, macKey);
    const isFirst = message === MESSAGE.k1 || message === MESSAGE.f1;
    const outbox = new Outbox(datagrams, now, isFirst ? this.#presence : "heard");
    this.#sending = { message, payload, macKey, outbox };
    return this.#emit(outbox.first);
  }

  #split(message: number, payload: Uint8Array, macKey: Uint8Array): Uint8Array[] {
    return split(this.#deps.crypto, { message, exchange: this.#id }, payload, macKey, this.#cookie, this.endpoint);
  }

  #emit(payloads: readonly Uint8Array[]): HandshakeAction[] {
    return payloads.map((payload) => ({ type: "send", datagram: { endpoint: this.endpoint, payload } }));
  }

  #fail(code: string, message: string, told: boolean, record?: Uint8Array): HandshakeAction[] {
    // A refusal that was told stays, to acknowledge the message that told it; everything else ends here.
    if (!told) this.wipe();
    return [{ type: "failed", exchange: this.exchange, peer: this.peerId, code, message, told, record }];
  }
}

const sessionOf = (v: Extract<Verdict, { accepted: true }>): { remoteIndex: number; aead: DataSession["aead"] } => ({
  remoteIndex: v.index,
  aead: v.aead,
});
