/**
 * The known-peer pattern: three messages, KEM-authenticated, hybrid in every position. Pure steps; who calls them when is
 * the machine's part. Letters: e ephemeral, s static, first the initiator's key, then the responder's.
 */
import { concat, wipe } from "../../base/bytes.ts";
import type { RandomBytes } from "../../base/random.ts";
import type { KdfChain } from "../../crypto/kdf-chain.ts";
import { STEP } from "../../crypto/labels.ts";
import type { AeadName, CryptoProvider } from "../../crypto/provider.ts";
import type { NodeKeys, PublicKeys } from "../../identity/keys.ts";
import type { AeadRates } from "../types.ts";
import { AEAD_ID, HelloSecret, InitConf, InitHello, ReplySecret, RespHello, Unknown } from "./message.ts";
import { chooseAead, finish, openStep, type SessionSecrets, sealStep, startChain } from "./schedule.ts";

const NOTHING = new Uint8Array(0);

export interface Ephemeral {
  readonly x25519: Uint8Array; // secret, 32 bytes
  readonly mlKem768: Uint8Array; // seed, 64 bytes
}

export interface HelloState {
  readonly payload: Uint8Array;
  readonly chain: KdfChain;
  readonly ephemeral: Ephemeral;
  /** Key of K2's fragments. */
  readonly macKey: Uint8Array;
}

export interface Target {
  readonly meshId: Uint8Array;
  readonly id: Uint8Array;
  readonly keys: PublicKeys;
}

/** K1. Undefined when the peer's keys are malformed. */
export async function createHello(
  crypto: CryptoProvider,
  random: RandomBytes,
  self: { readonly certificateHash: Uint8Array; readonly rates: AeadRates; readonly index: number },
  peer: Target,
  exchange: Uint8Array,
): Promise<HelloState | undefined> {
  const ephemeral: Ephemeral = { x25519: random(32), mlKem768: random(64) };
  const es = crypto.x25519.agree(ephemeral.x25519, peer.keys.x25519);
  const kem = await crypto.mlKem768.encapsulate(peer.keys.mlKem768, random(32));
  if (!es || !kem) return undefined;
  const nonce = random(32);
  const open = {
    sender: self.index,
    ephemeralX25519: crypto.x25519.publicKey(ephemeral.x25519),
    ephemeralMlKem: await crypto.mlKem768.publicKey(ephemeral.mlKem768),
    ciphertext: kem.ciphertext,
  };
  const chain = startChain(crypto, "K", peer.meshId, peer.id, exchange);
  mixOpenHello(chain, InitHello.encode({ ...open, sealed: new Uint8Array(84) }));
  chain.mixKey(STEP.hello, es, kem.secret);
  const secret = HelloSecret.encode({ certificateHash: self.certificateHash, nonce, ...self.rates });
  const sealed = sealStep(crypto, chain, STEP.sealHello, secret);
  chain.mixKey(STEP.nonce, nonce);
  wipe(secret);
  return {
    payload: InitHello.encode({ ...open, sealed }),
    chain,
    ephemeral,
    macKey: chain.deriveKey(STEP.mac, 16),
  };
}

const mixOpenHello = (chain: KdfChain, payload: Uint8Array): void =>
  chain.mixHash(payload.subarray(0, InitHello.offsets.sealed));

export interface OpenedHello {
  readonly hello: NonNullable<ReturnType<typeof InitHello.decode>>;
  readonly certificateHash: Uint8Array;
  readonly rates: AeadRates;
  readonly chain: KdfChain;
  readonly macKey: Uint8Array;
}

/** The responder's reading of K1; undefined when it was not made for us. */
export async function consumeHello(
  crypto: CryptoProvider,
  self: { readonly meshId: Uint8Array; readonly keys: NodeKeys },
  payload: Uint8Array,
  exchange: Uint8Array,
): Promise<OpenedHello | undefined> {
  const hello = payload.length === InitHello.size ? InitHello.decode(payload) : undefined;
  if (!hello || hello.sender === 0) return undefined;
  const es = crypto.x25519.agree(self.keys.secrets.x25519, hello.ephemeralX25519);
  const ss = await crypto.mlKem768.decapsulate(self.keys.secrets.mlKem768, hello.ciphertext);
  if (!es || !ss) return undefined;
  const chain = startChain(crypto, "K", self.meshId, self.keys.id, exchange);
  mixOpenHello(chain, payload);
  chain.mixKey(STEP.hello, es, ss);
  const plaintext = openStep(crypto, chain, STEP.sealHello, hello.sealed);
  const secret = plaintext && HelloSecret.decode(plaintext);
  if (!secret) {
    chain.wipe();
    return undefined;
  }
  const { certificateHash, aes256Gcm, chacha20Poly1305 } = secret;
  chain.mixKey(STEP.nonce, secret.nonce);
  return {
    hello,
    certificateHash,
    rates: { aes256Gcm, chacha20Poly1305 },
    chain,
    macKey: chain.deriveKey(STEP.mac, 16),
  };
}

/**
 * The answer to a certificate that is unknown, has ended or was revoked. Only who made K1 can read it and only who was
 * called can make it; it says no more than the missing K2 would.
 */
export function createUnknown(crypto: CryptoProvider, { chain }: OpenedHello): Uint8Array {
  const sealed = sealStep(crypto, chain, STEP.sealUnknown, NOTHING);
  chain.wipe();
  return Unknown.encode({ sealed });
}

/** Whether `payload` is that answer to our K1; the state stays usable. */
export function isUnknown(crypto: CryptoProvider, state: HelloState, payload: Uint8Array): boolean {
  const chain = state.chain.fork();
  const opened = payload.length === Unknown.size ? openStep(crypto, chain, STEP.sealUnknown, payload) : undefined;
  chain.wipe();
  return opened !== undefined;
}

export interface ReplyState {
  /** K2 without its biscuit. */
  readonly body: Uint8Array;
  /** The chain as K3 needs it: to be sealed into the biscuit, then wiped. */
  readonly chain: KdfChain;
  readonly aead: AeadName;
}

/** K2. Undefined when the initiator's keys are malformed. */
export async function createReply(
  crypto: CryptoProvider,
  random: RandomBytes,
  self: { readonly rates: AeadRates; readonly index: number },
  peer: PublicKeys,
  opened: OpenedHello,
): Promise<ReplyState | undefined> {
  const { chain, hello } = opened;
  const secret = random(32);
  const ee = crypto.x25519.agree(secret, hello.ephemeralX25519);
  const se = crypto.x25519.agree(secret, peer.x25519);
  const ephemeralKem = await crypto.mlKem768.encapsulate(hello.ephemeralMlKem, random(32));
  const staticKem = await crypto.mlKem768.encapsulate(peer.mlKem768, random(32));
  if (!ee || !se || !ephemeralKem || !staticKem) return undefined;
  const open = concat(crypto.x25519.publicKey(secret), ephemeralKem.ciphertext, staticKem.ciphertext);
  wipe(secret);
  chain.mixHash(open);
  chain.mixKey(STEP.ephemeral, ee, ephemeralKem.secret);
  chain.mixKey(STEP.initiator, se, staticKem.secret);
  const aead = chooseAead(opened.rates, self.rates);
  const sealed = sealStep(
    crypto,
    chain,
    STEP.sealReply,
    ReplySecret.encode({ sender: self.index, aead: AEAD_ID[aead] }),
  );
  return { body: concat(open, sealed), chain, aead };
}

export interface Agreed {
  readonly confirmation: Uint8Array;
  readonly secrets: SessionSecrets;
  readonly remoteIndex: number;
  readonly aead: AeadName;
}

/** The initiator's reading of K2, and K3. Undefined when K2 is not the answer to our K1; the state stays usable then. */
export async function consumeReply(
  crypto: CryptoProvider,
  self: NodeKeys,
  state: HelloState,
  payload: Uint8Array,
): Promise<Agreed | undefined> {
  const reply = payload.length === RespHello.size ? RespHello.decode(payload) : undefined;
  if (!reply) return undefined;
  const ee = crypto.x25519.agree(state.ephemeral.x25519, reply.ephemeralX25519);
  const se = crypto.x25519.agree(self.secrets.x25519, reply.ephemeralX25519);
  const ss = await crypto.mlKem768.decapsulate(state.ephemeral.mlKem768, reply.ciphertextEphemeral);
  const si = await crypto.mlKem768.decapsulate(self.secrets.mlKem768, reply.ciphertextStatic);
  if (!ee || !se || !ss || !si) return undefined;
  const chain = state.chain.fork(); // a forged K2 must not cost us the exchange
  chain.mixHash(payload.subarray(0, RespHello.offsets.sealed));
  chain.mixKey(STEP.ephemeral, ee, ss);
  chain.mixKey(STEP.initiator, se, si);
  const plaintext = openStep(crypto, chain, STEP.sealReply, reply.sealed);
  const secret = plaintext && ReplySecret.decode(plaintext);
  const aead = secret && aeadOf(secret.aead);
  if (!secret || secret.sender === 0 || !aead) {
    chain.wipe();
    return undefined;
  }
  const sealed = sealStep(crypto, chain, STEP.sealConfirm, NOTHING);
  const confirmation = InitConf.encode({ biscuit: reply.biscuit, sealed });
  return { confirmation, secrets: finish(chain), remoteIndex: secret.sender, aead };
}

export const aeadOf = (id: number): AeadName | undefined =>
  (Object.keys(AEAD_ID) as AeadName[]).find((name) => AEAD_ID[name] === id);

/** The responder's reading of K3 on the chain that its biscuit brought back. */
export function consumeConfirmation(
  crypto: CryptoProvider,
  chain: KdfChain,
  sealed: Uint8Array,
): SessionSecrets | undefined {
  return openStep(crypto, chain, STEP.sealConfirm, sealed) ? finish(chain) : undefined;
}

export const wipeEphemeral = (e: Ephemeral): void => wipe(e.x25519, e.mlKem768);
