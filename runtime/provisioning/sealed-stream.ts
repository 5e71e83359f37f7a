/**
 * Bytes of any length under a passphrase: head (8 bytes, with a version), cost of scrypt as a power of two (u8), salt (16), then frames: length of what is sealed (u32be) and
 * it, AES-256-GCM, nonce = the frame's number, bound to all of the head and to whether it is the last. So frames that were changed,
 * moved, or left out at the end do not open.
 */
import { ByteReader } from "../base/byte-reader.ts";
import { concat, equal, utf8 } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { COST, passphraseKey } from "../identity/seal-root.ts";

const HEAD = concat(utf8("TRBACKU"), Uint8Array.of(2));
const SALT = 16;
const HEAD_SIZE = HEAD.length + 1 + SALT;
const FRAME = 64 * 1024;
const TAG = 16;

/** Whether a file with these first bytes is one, of any version, or the beginning of one. */
export const isSealedStart = (start: Uint8Array): boolean => {
  const name = HEAD.subarray(0, -1);
  return start.length < name.length
    ? equal(start, name.subarray(0, start.length))
    : equal(start.subarray(0, name.length), name);
};

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

/**
 * What was sealed, part by part: every part is genuine and in its place, but that nothing is missing is known at the end only. Throws
 * `backup/damaged` and `backup/passphrase`.
 */
export async function* openStream(
  crypto: CryptoProvider,
  passphrase: string,
  sealed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(sealed);
  try {
    yield* openFrames(crypto, passphrase, reader);
  } finally {
    await reader.close();
  }
}

async function* openFrames(crypto: CryptoProvider, passphrase: string, reader: ByteReader): AsyncGenerator<Uint8Array> {
  const head = (await reader.take(HEAD_SIZE))?.slice();
  const cost = head?.[HEAD.length] ?? 0;
  if (!head || !equal(head.subarray(0, HEAD.length), HEAD) || cost < COST.min || cost > COST.max) throw damaged();
  const key = await passphraseKey(passphrase, head.subarray(HEAD.length + 1), cost);
  const aead = crypto.aead["aes-256-gcm"];
  let last = false;
  for (let number = 0; !last; number++) {
    const size = await reader.take(4);
    const length = size ? new DataView(size.buffer, size.byteOffset).getUint32(0) : 0;
    const frame = length < TAG || length > FRAME + TAG ? undefined : await reader.take(length);
    if (!frame) throw damaged();
    last = await reader.atEnd();
    const plain = aead.open(key, nonceOf(number), aadOf(head, last), frame);
    if (!plain && number > 0) throw damaged();
    if (!plain)
      throw new TrellisError("backup/passphrase", "the passphrase does not open the backup, or its file was changed");
    yield plain;
  }
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
