/**
 * The first-contact pattern: four messages between two nodes of which neither has the other's keys. An ephemeral hybrid
 * exchange comes first; inside it the responder shows its chain, then the initiator, under the invite's secret when it
 * joins; both static KEM keys and both composite signatures authenticate.
 */
import { concat } from "../../base/bytes.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../../base/cbor.ts";
import type { RandomBytes } from "../../base/random.ts";
import { signHybrid, verifyHybrid } from "../../crypto/hybrid-signature.ts";
import type { KdfChain } from "../../crypto/kdf-chain.ts";
import { LABEL, STEP } from "../../crypto/labels.ts";
import type { AeadName, CryptoProvider } from "../../crypto/provider.ts";
import type { NodeKeys, PublicKeys } from "../../identity/keys.ts";
import type { AeadRates } from "../types.ts";
import { aeadOf, type Ephemeral } from "./known-peer.ts";
import { nonceMacKey } from "./mac.ts";
import { AEAD_ID, FirstAnswer, FirstHello, FirstIdentity, FirstReply, PURPOSE, Purpose, TAG } from "./message.ts";
import { pad, unpad } from "./padding.ts";
import { finish, openStep, type SessionSecrets, sealStep, startChain, wipeSession } from "./schedule.ts";

const NO_SECRET = new Uint8Array(32);
const CODE = /^[a-z-]{1,32}\/[a-z-]{1,32}$/;
export const MESSAGE_MAX = 500; // characters of a refusal
/** Bytes of a revocation record that goes with one: F4 has 32 fragments. A longer one is left out. */
export const RECORD_MAX = 32_768;

export interface Callee {
  readonly meshId: Uint8Array;
  readonly id: Uint8Array;
}

export interface FirstHelloState {
  readonly payload: Uint8Array;
  readonly chain: KdfChain;
  readonly ephemeral: Ephemeral;
  /** Key of F2's fragments. */
  readonly macKey: Uint8Array;
}

/** F1. */
export async function createFirstHello(
  crypto: CryptoProvider,
  random: RandomBytes,
  index: number,
  callee: Callee,
  exchange: Uint8Array,
): Promise<FirstHelloState> {
  const ephemeral: Ephemeral = { x25519: random(32), mlKem768: random(64) };
  const nonce = random(32);
  const payload = FirstHello.encode({
    sender: index,
    ephemeralX25519: crypto.x25519.publicKey(ephemeral.x25519),
    ephemeralMlKem: await crypto.mlKem768.publicKey(ephemeral.mlKem768),
    nonce,
  });
  const chain = startChain(crypto, "F", callee.meshId, callee.id, exchange);
  chain.mixHash(payload);
  return { payload, chain, ephemeral, macKey: nonceMacKey(crypto, callee.meshId, callee.id, nonce) };
}

export interface FirstReplyState {
  readonly payload: Uint8Array;
  readonly chain: KdfChain;
  /** The responder's ephemeral X25519 secret, for `se`. */
  readonly ephemeral: Uint8Array;
  readonly initiatorIndex: number;
  readonly initiatorEphemeral: Uint8Array;
  /** Key of F2's fragments, then of F3's and F4's. */
  readonly replyMacKey: Uint8Array;
  readonly macKey: Uint8Array;
}

/** The responder's reading of F1, and F2. */
export async function createFirstReply(
  crypto: CryptoProvider,
  random: RandomBytes,
  self: Callee & { readonly genesis: Uint8Array; readonly chain: Uint8Array },
  payload: Uint8Array,
  exchange: Uint8Array,
): Promise<FirstReplyState | undefined> {
  const hello = payload.length === FirstHello.size ? FirstHello.decode(payload) : undefined;
  if (!hello || hello.sender === 0) return undefined;
  const secret = random(32);
  const ee = crypto.x25519.agree(secret, hello.ephemeralX25519);
  const kem = await crypto.mlKem768.encapsulate(hello.ephemeralMlKem, random(32));
  if (!ee || !kem) return undefined;
  const open = concat(crypto.x25519.publicKey(secret), kem.ciphertext);
  const chain = startChain(crypto, "F", self.meshId, self.id, exchange);
  chain.mixHash(payload);
  chain.mixHash(open);
  chain.mixKey(STEP.ephemeral, ee, kem.secret);
  const sealed = sealStep(crypto, chain, STEP.sealReply, encodeCbor([self.genesis, self.chain]));
  return {
    payload: concat(open, sealed),
    chain,
    ephemeral: secret,
    initiatorIndex: hello.sender,
    initiatorEphemeral: hello.ephemeralX25519.slice(),
    replyMacKey: nonceMacKey(crypto, self.meshId, self.id, hello.nonce),
    macKey: chain.deriveKey(STEP.mac, 16),
  };
}

export interface Shown {
  readonly genesis: Uint8Array;
  readonly chain: Uint8Array;
  readonly state: KdfChain;
  readonly responderEphemeral: Uint8Array;
  /** Key of F3's and F4's fragments. */
  readonly macKey: Uint8Array;
}

/** The initiator's reading of F2: what the responder shows, not yet believed. */
export async function consumeFirstReply(
  crypto: CryptoProvider,
  state: FirstHelloState,
  payload: Uint8Array,
): Promise<Shown | undefined> {
  const reply = FirstReply.decode(payload);
  if (!reply) return undefined;
  const ee = crypto.x25519.agree(state.ephemeral.x25519, reply.ephemeralX25519);
  const ss = await crypto.mlKem768.decapsulate(state.ephemeral.mlKem768, reply.ciphertext);
  if (!ee || !ss) return undefined;
  const chain = state.chain.fork();
  chain.mixHash(payload.subarray(0, FirstReply.size));
  chain.mixKey(STEP.ephemeral, ee, ss);
  const plaintext = openStep(crypto, chain, STEP.sealReply, payload.subarray(FirstReply.size));
  const shown = plaintext && byteList(plaintext, 2);
  if (!shown) {
    chain.wipe();
    return undefined;
  }
  const [genesis, responderChain] = shown as [Uint8Array, Uint8Array];
  return {
    genesis,
    chain: responderChain,
    state: chain,
    responderEphemeral: reply.ephemeralX25519.slice(),
    macKey: chain.deriveKey(STEP.mac, 16),
  };
}

export type Caller =
  | { readonly purpose: "member"; readonly chain: Uint8Array }
  | { readonly purpose: "join"; readonly inviteId: Uint8Array; readonly secret: Uint8Array; readonly name: string };

/** F3: who calls, proven by signature, by the invite's secret, and to the responder's static keys only. */
export async function createIdentity(
  crypto: CryptoProvider,
  random: RandomBytes,
  self: { readonly keys: NodeKeys; readonly rates: AeadRates },
  caller: Caller,
  responder: PublicKeys,
  state: KdfChain,
  ephemeral: Ephemeral,
): Promise<Uint8Array | undefined> {
  const es = crypto.x25519.agree(ephemeral.x25519, responder.x25519);
  const kem = await crypto.mlKem768.encapsulate(responder.mlKem768, random(32));
  if (!es || !kem) return undefined;
  state.mixHash(kem.ciphertext);
  state.mixKey(STEP.responder, es, kem.secret);
  const joins = caller.purpose === "join";
  const purpose = Purpose.encode({
    purpose: PURPOSE[caller.purpose],
    ...self.rates,
    inviteId: joins ? caller.inviteId : new Uint8Array(8),
  });
  const sealedPurpose = sealStep(crypto, state, STEP.sealPurpose, purpose);
  state.mixKey(STEP.preShared, preShared(crypto, joins ? caller.secret : undefined));
  const s = await signHybrid(crypto, self.keys.secrets, state.transcript, LABEL.handshakeInitiator);
  const p = self.keys.public;
  const who: Cbor[] = joins ? [p.ed25519, p.mlDsa65, p.x25519, p.mlKem768, caller.name] : [caller.chain];
  const identity = pad(encodeCbor([s.ed25519, s.mlDsa65, who]), FirstIdentity.size + TAG);
  const sealedIdentity = sealStep(crypto, state, STEP.sealIdentity, identity);
  return concat(kem.ciphertext, sealedPurpose, sealedIdentity);
}

const preShared = (crypto: CryptoProvider, secret: Uint8Array | undefined): Uint8Array =>
  secret ? crypto.hmacSha256(secret, LABEL.inviteKey) : NO_SECRET.slice();

export interface OpenedPurpose {
  readonly purpose: "member" | "join";
  readonly inviteId: Uint8Array;
  readonly rates: AeadRates;
  readonly state: KdfChain;
  readonly sealedIdentity: Uint8Array;
}

/** The responder's reading of F3's first part. */
export async function consumePurpose(
  crypto: CryptoProvider,
  self: NodeKeys,
  state: FirstReplyState,
  payload: Uint8Array,
): Promise<OpenedPurpose | undefined> {
  const message = FirstIdentity.decode(payload);
  if (!message) return undefined;
  const es = crypto.x25519.agree(self.secrets.x25519, state.initiatorEphemeral);
  const ss = await crypto.mlKem768.decapsulate(self.secrets.mlKem768, message.ciphertext);
  if (!es || !ss) return undefined;
  const chain = state.chain.fork();
  chain.mixHash(message.ciphertext);
  chain.mixKey(STEP.responder, es, ss);
  const plaintext = openStep(crypto, chain, STEP.sealPurpose, message.sealed);
  const p = plaintext && Purpose.decode(plaintext);
  const purpose = p && purposeOf(p.purpose, p.inviteId);
  if (!p || !purpose) {
    chain.wipe();
    return undefined;
  }
  const rates: AeadRates = { aes256Gcm: p.aes256Gcm, chacha20Poly1305: p.chacha20Poly1305 };
  const sealedIdentity = payload.subarray(FirstIdentity.size);
  return { purpose, inviteId: p.inviteId.slice(), rates, state: chain, sealedIdentity };
}

function purposeOf(purpose: number, inviteId: Uint8Array): "member" | "join" | undefined {
  if (purpose === PURPOSE.join) return "join";
  return purpose === PURPOSE.member && inviteId.every((b) => b === 0) ? "member" : undefined;
}

export type OpenedIdentity =
  /** `verify`: whether the signature over the transcript holds under these keys. */
  | { readonly purpose: "member"; readonly chain: Uint8Array; verify(keys: PublicKeys): Promise<boolean> }
  | { readonly purpose: "join"; readonly keys: PublicKeys; readonly name: string; verify(): Promise<boolean> };

/** The second part, under the secret: undefined when the caller does not have it. */
export function consumeIdentity(
  crypto: CryptoProvider,
  opened: OpenedPurpose,
  secret: Uint8Array | undefined,
): OpenedIdentity | undefined {
  const { state, purpose } = opened;
  state.mixKey(STEP.preShared, preShared(crypto, secret));
  const signed = state.transcript;
  const plaintext = openStep(crypto, state, STEP.sealIdentity, opened.sealedIdentity);
  const content = plaintext && unpad(plaintext);
  const fields = content && decodeCbor(content);
  if (!Array.isArray(fields) || fields.length !== 3) return undefined;
  const [ed25519, mlDsa65, who] = fields as Cbor[];
  if (!isBytes(ed25519, 64) || !isBytes(mlDsa65, 3309) || !Array.isArray(who)) return undefined;
  const verify = (keys: PublicKeys): Promise<boolean> =>
    verifyHybrid(crypto, keys, signed, LABEL.handshakeInitiator, { ed25519, mlDsa65 });
  const list = who as Cbor[];
  if (purpose === "member") {
    const chain = list[0];
    return list.length === 1 && chain instanceof Uint8Array ? { purpose, chain, verify } : undefined;
  }
  const [ed, dsa, x, kem, name] = list;
  if (list.length !== 5 || !isBytes(ed, 32) || !isBytes(dsa, 1952) || !isBytes(x, 32) || !isBytes(kem, 1184))
    return undefined;
  if (typeof name !== "string") return undefined;
  const keys: PublicKeys = { ed25519: ed, mlDsa65: dsa, x25519: x, mlKem768: kem };
  return { purpose, keys, name, verify: () => verify(keys) };
}

export type Verdict =
  | { readonly accepted: true; readonly index: number; readonly aead: AeadName; readonly chain: Uint8Array | undefined }
  | Refusal;

export interface Refusal {
  readonly accepted: false;
  readonly code: string;
  readonly message: string;
  /** By which the caller was revoked. */
  readonly record?: Uint8Array | undefined;
}

/** F4 and the session's keys. The responder signs only here: whoever gets it has proven membership or the secret. */
export async function createAnswer(
  crypto: CryptoProvider,
  random: RandomBytes,
  self: NodeKeys,
  peer: PublicKeys,
  responderEphemeral: Uint8Array,
  state: KdfChain,
  verdict: Verdict,
): Promise<{ readonly payload: Uint8Array; readonly secrets: SessionSecrets } | undefined> {
  const se = crypto.x25519.agree(responderEphemeral, peer.x25519);
  const kem = await crypto.mlKem768.encapsulate(peer.mlKem768, random(32));
  if (!se || !kem) return undefined;
  state.mixHash(kem.ciphertext);
  state.mixKey(STEP.initiator, se, kem.secret);
  const s = await signHybrid(crypto, self.secrets, state.transcript, LABEL.handshakeResponder);
  const told: Cbor[] = verdict.accepted
    ? [true, verdict.index, AEAD_ID[verdict.aead], verdict.chain ?? null]
    : [false, verdict.code, verdict.message.slice(0, MESSAGE_MAX), ...recordOf(verdict)];
  const sealed = sealStep(crypto, state, STEP.sealAnswer, encodeCbor([s.ed25519, s.mlDsa65, told]));
  return { payload: concat(kem.ciphertext, sealed), secrets: finish(state) };
}

/** The initiator's reading of F4. */
export async function consumeAnswer(
  crypto: CryptoProvider,
  self: NodeKeys,
  responder: PublicKeys,
  responderEphemeral: Uint8Array,
  before: KdfChain,
  payload: Uint8Array,
): Promise<{ readonly verdict: Verdict; readonly secrets: SessionSecrets } | undefined> {
  const message = FirstAnswer.decode(payload);
  if (!message) return undefined;
  const se = crypto.x25519.agree(self.secrets.x25519, responderEphemeral);
  const ss = await crypto.mlKem768.decapsulate(self.secrets.mlKem768, message.ciphertext);
  if (!se || !ss) return undefined;
  const state = before.fork();
  state.mixHash(message.ciphertext);
  state.mixKey(STEP.initiator, se, ss);
  const signed = state.transcript;
  const plaintext = openStep(crypto, state, STEP.sealAnswer, payload.subarray(FirstAnswer.size));
  const verdict = plaintext && (await readAnswer(crypto, responder, signed, plaintext));
  const secrets = finish(state);
  if (verdict) return { verdict, secrets };
  wipeSession(secrets);
  return undefined;
}

async function readAnswer(
  crypto: CryptoProvider,
  responder: PublicKeys,
  signed: Uint8Array,
  plaintext: Uint8Array,
): Promise<Verdict | undefined> {
  const fields = decodeCbor(plaintext);
  if (!Array.isArray(fields) || fields.length !== 3) return undefined;
  const [ed25519, mlDsa65, told] = fields as Cbor[];
  if (!isBytes(ed25519, 64) || !isBytes(mlDsa65, 3309) || !Array.isArray(told)) return undefined;
  const holds = await verifyHybrid(crypto, responder, signed, LABEL.handshakeResponder, { ed25519, mlDsa65 });
  return holds ? verdictOf(told as Cbor[]) : undefined;
}

const recordOf = ({ record }: Refusal): Cbor[] => (record && record.length <= RECORD_MAX ? [record] : []);

function verdictOf(told: readonly Cbor[]): Verdict | undefined {
  if (told[0] === false) {
    const [, code, message, record] = told;
    if (told.length > 4 || typeof code !== "string" || !CODE.test(code) || !isLine(message)) return undefined;
    if (told.length < 4) return { accepted: false, code, message };
    return record instanceof Uint8Array && record.length <= RECORD_MAX
      ? { accepted: false, code, message, record }
      : undefined;
  }
  const [accepted, index, aeadId, chain] = told;
  const aead = typeof aeadId === "number" ? aeadOf(aeadId) : undefined;
  if (told.length !== 4 || accepted !== true || typeof index !== "number" || index < 1 || index > 0xffff_ffff || !aead)
    return undefined;
  if (chain !== null && !(chain instanceof Uint8Array)) return undefined;
  return { accepted, index, aead, chain: chain ?? undefined };
}

/** What people will read: short, and nothing that a terminal would obey. */
const isLine = (v: Cbor | undefined): v is string =>
  typeof v === "string" && v.length <= MESSAGE_MAX && !/\p{C}/u.test(v);

const isBytes = (v: Cbor | undefined, length: number): v is Uint8Array =>
  v instanceof Uint8Array && v.length === length;

function byteList(data: Uint8Array, length: number): Uint8Array[] | undefined {
  const list = decodeCbor(data);
  if (!Array.isArray(list) || list.length !== length) return undefined;
  return list.every((v) => v instanceof Uint8Array) ? (list as Uint8Array[]) : undefined;
}
