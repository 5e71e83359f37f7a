/**
 * Bytes of any length under a passphrase: head (8 bytes, with a version), cost of scrypt as a power of two (u8), salt (16), then frames: length of what is sealed (u32be) and
 * it, AES-256-GCM, nonce = the frame's number, bound to all of the head and to whether it is the last. So frames that were changed,
 * moved, or left out at the end do not open.
 */
import { concat, equal, utf8 } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { COST, passphraseKey } from "../identity/seal-root.ts";

const HEAD = concat(utf8("TRBACKU"), Uint8Array.of(1));
const SALT = 16;
const HEAD_SIZE = HEAD.length + 1 + SALT;
const FRAME = 64 * 1024;
const TAG = 16;

export async function* sealStream(
  crypto: CryptoProvider,
  random: RandomBytes,
  passphrase: string,
  plain: AsyncIterable<Uint8Array>,
  cost = COST.log2,
): AsyncGenerator<Uint8Array> {
  const salt = random(SALT);
  const head = concat(HEAD, Uint8Array.of(cost), salt);
  const key = await passphraseKey(passphrase, salt, cost);
  const aead = crypto.aead["aes-256-gcm"];
  let number = 0;
  const frame = (bytes: Uint8Array, last: boolean): Uint8Array => {
    const sealed = aead.seal(key, nonceOf(number++), aadOf(head, last), bytes);
    return concat(u32(sealed.length), sealed);
  };
  yield head;
  let rest: Uint8Array = new Uint8Array(0);
  for await (const part of plain) {
    const all = concat(rest, part);
    let at = 0;
    for (; all.length - at > FRAME; at += FRAME) yield frame(all.subarray(at, at + FRAME), false);
    rest = all.slice(at);
  }
  yield frame(rest, true);
}

/** Throws `backup/damaged` and `backup/passphrase`; nothing of a stream that is not whole is given. */
export async function openStream(crypto: CryptoProvider, passphrase: string, sealed: Uint8Array): Promise<Uint8Array> {
  const head = sealed.subarray(0, HEAD_SIZE);
  const cost = head[HEAD.length] ?? 0;
  const known = head.length === HEAD_SIZE && equal(head.subarray(0, HEAD.length), HEAD);
  if (!known || cost < COST.min || cost > COST.max) throw damaged();
  const key = await passphraseKey(passphrase, head.subarray(HEAD.length + 1), cost);
  const aead = crypto.aead["aes-256-gcm"];
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.length);
  const out: Uint8Array[] = [];
  for (let at = HEAD_SIZE; at < sealed.length; ) {
    const length = at + 4 > sealed.length ? 0 : view.getUint32(at);
    const end = at + 4 + length;
    if (length < TAG || length > FRAME + TAG || end > sealed.length) throw damaged();
    const plain = aead.open(key, nonceOf(out.length), aadOf(head, end === sealed.length), sealed.subarray(at + 4, end));
    if (!plain && out.length > 0) throw damaged();
    if (!plain)
      throw new TrellisError("backup/passphrase", "the passphrase does not open the backup, or its file was changed");
    out.push(plain);
    at = end;
  }
  if (out.length === 0) throw damaged();
  return concat(...out);
}

function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(number));
  return nonce;
}

const aadOf = (head: Uint8Array, last: boolean): Uint8Array => concat(head, Uint8Array.of(last ? 1 : 0));

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}

const damaged = (): TrellisError =>
  new TrellisError("backup/damaged", "this is no whole backup of a gateway", { hint: "take another copy" });
