/**
 * Messages larger than a datagram, in fragments of our own. Fragments of one encoding share its `instance`, the first two
 * bytes of the message's SHA-256; so parts of two encodings are never joined, and a joined message is checked before
 * anything is computed from it.
 */
import { concat, toHex } from "../../base/bytes.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { FRAME, FragmentHeader, MAX_DATAGRAM, WIRE_VERSION } from "../frame.ts";
import { setMac } from "./mac.ts";

export const FRAGMENT_PAYLOAD = MAX_DATAGRAM - FragmentHeader.size;
export const MAX_FRAGMENTS = 32;

export type Fragment = NonNullable<ReturnType<typeof parseFragment>>;

export interface MessageName {
  readonly message: number;
  readonly exchange: Uint8Array; // 8 bytes
}

export const instanceOf = (crypto: CryptoProvider, payload: Uint8Array): number => {
  const digest = crypto.sha256(payload);
  return (digest[0] as number) | ((digest[1] as number) << 8);
};

/** The datagrams of a message. Throws RangeError beyond 32 fragments: a bug of the caller. */
export function split(
  crypto: CryptoProvider,
  name: MessageName,
  payload: Uint8Array,
  macKey: Uint8Array,
  cookie: Uint8Array,
): Uint8Array[] {
  const count = Math.max(1, Math.ceil(payload.length / FRAGMENT_PAYLOAD));
  if (count > MAX_FRAGMENTS)
    throw new RangeError(`a message of ${payload.length} bytes does not fit ${MAX_FRAGMENTS} fragments`);
  const instance = instanceOf(crypto, payload);
  return Array.from({ length: count }, (_, index) => {
    const header = FragmentHeader.encode({
      type: FRAME.handshake,
      version: WIRE_VERSION,
      message: name.message,
      index,
      count,
      instance,
      exchange: name.exchange,
      cookie,
      mac: new Uint8Array(8),
    });
    return setMac(macKey, concat(header, payload.subarray(index * FRAGMENT_PAYLOAD, (index + 1) * FRAGMENT_PAYLOAD)));
  });
}

/** Header and payload, or undefined for anything malformed. The mac is not looked at. */
export function parseFragment(datagram: Uint8Array) {
  const header = FragmentHeader.decode(datagram);
  if (!header || header.type !== FRAME.handshake || header.version !== WIRE_VERSION) return undefined;
  const payload = datagram.subarray(FragmentHeader.size);
  const whole = header.index < header.count - 1;
  if (header.count < 1 || header.count > MAX_FRAGMENTS || header.index >= header.count) return undefined;
  if (payload.length > FRAGMENT_PAYLOAD || (whole && payload.length !== FRAGMENT_PAYLOAD)) return undefined;
  return { ...header, payload, datagram };
}

/** Variants kept per fragment: an attacker on the wire who sends forged ones must not displace the true one. */
const VARIANTS = 3;

interface Slot {
  readonly source: string;
  readonly count: number;
  readonly instance: number;
  readonly parts: Uint8Array[][];
}

/** A fixed number of messages in the making; the oldest goes first, and no source holds more than its share. */
export class Reassembly {
  readonly #crypto: CryptoProvider;
  readonly #limit: number;
  readonly #perSource: number;
  readonly #slots = new Map<string, Slot>();
  readonly #bySource = new Map<string, number>();

  constructor(crypto: CryptoProvider, limit: number, perSource: number) {
    this.#crypto = crypto;
    this.#limit = limit;
    this.#perSource = perSource;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Whole messages that this fragment completes (several only when somebody forged variants), and what has arrived. */
  add(f: Fragment, source: string): { readonly whole: Uint8Array[]; readonly bitmap: number } {
    const key = `${toHex(f.exchange)}${f.message}.${f.instance}.${f.count}`;
    const slot = this.#slots.get(key) ?? this.#open(key, source, f);
    if (!slot) return { whole: [], bitmap: 0 };
    const variants = slot.parts[f.index] as Uint8Array[];
    const known = variants.some((v) => toHex(v) === toHex(f.payload));
    if (!known && variants.length < VARIANTS) variants.push(f.payload.slice());
    const bitmap = slot.parts.reduce((bits, v, i) => (v.length > 0 ? bits | (1 << i) : bits), 0) >>> 0;
    if (slot.parts.some((v) => v.length === 0)) return { whole: [], bitmap };
    const whole = combinations(slot.parts).filter((m) => instanceOf(this.#crypto, m) === slot.instance);
    return { whole, bitmap };
  }

  /** Forgets a message that was dealt with. */
  done(f: Fragment): void {
    this.#close(`${toHex(f.exchange)}${f.message}.${f.instance}.${f.count}`);
  }

  #open(key: string, source: string, f: Fragment): Slot | undefined {
    if ((this.#bySource.get(source) ?? 0) >= this.#perSource) {
      const own = [...this.#slots].find(([, s]) => s.source === source);
      if (own) this.#close(own[0]);
    }
    if (this.#slots.size >= this.#limit) this.#close(this.#slots.keys().next().value as string);
    const slot: Slot = {
      source,
      count: f.count,
      instance: f.instance,
      parts: Array.from({ length: f.count }, () => []),
    };
    this.#slots.set(key, slot);
    this.#bySource.set(source, (this.#bySource.get(source) ?? 0) + 1);
    return slot;
  }

  #close(key: string): void {
    const slot = this.#slots.get(key);
    if (!slot) return;
    this.#slots.delete(key);
    const left = (this.#bySource.get(slot.source) ?? 1) - 1;
    if (left > 0) this.#bySource.set(slot.source, left);
    else this.#bySource.delete(slot.source);
  }
}

/** At most `VARIANTS`² candidates are tried, so that forged variants cannot make us hash for long. */
function combinations(parts: readonly (readonly Uint8Array[])[]): Uint8Array[] {
  let rows: Uint8Array[][] = [[]];
  for (const variants of parts) {
    rows = rows.flatMap((row) => variants.map((v) => [...row, v])).slice(0, VARIANTS * VARIANTS);
  }
  return rows.map((row) => concat(...row));
}
