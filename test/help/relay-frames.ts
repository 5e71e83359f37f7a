/** Relay frames and sessions for tests, from the layout and the runtime's own hash: neither BPF nor C++ has a part in them. */
import { concat } from "../../runtime/base/bytes.ts";
import { parseIp } from "../../runtime/base/ip.ts";
import { sipHash24 } from "../../runtime/crypto/siphash.ts";
import { FRAME, HELLO, HelloFrame, RELAY_TTL, RelayHeader } from "../../runtime/mesh/frame.ts";
import type { DataSession } from "../../runtime/mesh/types.ts";

/** The overlay address of a gateway in the tests' mesh, by a letter a to f or a hex number. */
export const overlay = (name: string): string => `fd11:2222:3333::${name}`;

export const labelOf = (name: string): Uint8Array => (parseIp(overlay(name)) ?? new Uint8Array(16)).slice(8);

const letter = (name: string): number => Number.parseInt(name, 16);

/** What `owner` calls its session with `other`. */
export const indexOf = (owner: string, other: string): number => 0x0100_0000 + letter(owner) * 256 + letter(other);

const key = (size: number, purpose: number, from: string, to: string): Uint8Array =>
  new Uint8Array(size).map((_, i) => purpose + 7 * letter(from) + 31 * letter(to) + i);

export const dataKey = (from: string, to: string): Uint8Array => key(32, 1, from, to);
export const hopKey = (from: string, to: string): Uint8Array => key(16, 2, from, to);

/** The session of `own` with `other`, as the handshake would give it to `own`. */
export const sessionOf = (own: string, other: string): DataSession => ({
  localIndex: indexOf(own, other),
  remoteIndex: indexOf(other, own),
  aead: "aes-256-gcm",
  sendKey: dataKey(own, other),
  receiveKey: dataKey(other, own),
  hopSendKey: hopKey(own, other),
  hopReceiveKey: hopKey(other, own),
});

export interface Hop {
  readonly from: string;
  readonly to: string;
}

/** How a frame is to differ from a good one: fields before the tag is made, and what is done to the header after it. */
export interface Deviation {
  readonly ttl?: number;
  readonly link?: number;
  readonly reserved?: number;
  readonly flip?: number;
}

/** A frame on the hop `from` to `to`, of the flow from `source` to `destination`. */
export function relayFrame(
  hop: Hop,
  source: string,
  destination: string,
  inner: Uint8Array,
  { ttl = RELAY_TTL, link, reserved = 0, flip }: Deviation = {},
): Uint8Array {
  const header = RelayHeader.encode({
    type: FRAME.relay,
    ttl,
    link: link ?? indexOf(hop.to, hop.from),
    destination: labelOf(destination),
    source: labelOf(source),
    tag: new Uint8Array(8),
  });
  header[RelayHeader.offsets.reserved] = reserved;
  header.set(sipHash24(hopKey(hop.from, hop.to), header.subarray(0, RelayHeader.offsets.tag)), RelayHeader.offsets.tag);
  if (flip !== undefined) header[flip] = (header[flip] as number) ^ 1;
  return concat(header, inner);
}

/** The frame that a gateway which came by `frame` on a hop must send on along `next`. */
export function onward(frame: Uint8Array, next: Hop): Uint8Array {
  const header = frame.slice(0, RelayHeader.size);
  header[RelayHeader.offsets.ttl] = (header[RelayHeader.offsets.ttl] as number) - 1;
  new DataView(header.buffer).setUint32(RelayHeader.offsets.link, indexOf(next.to, next.from), true);
  const tagged = header.subarray(0, RelayHeader.offsets.tag);
  header.set(sipHash24(hopKey(next.from, next.to), tagged), RelayHeader.offsets.tag);
  return concat(header, frame.subarray(RelayHeader.size));
}

/** A hello, as it should be but for what is given. */
export interface Hello {
  readonly kind?: number;
  /** ms */
  readonly patience?: number;
  readonly asked?: bigint;
  readonly answered?: bigint;
  readonly link?: number;
  readonly flip?: number;
}

export function helloFrame(hop: Hop, hello: Hello = {}): Uint8Array {
  const { kind = HELLO.ask, patience = 60_000, asked = 1n, answered = 0n, link, flip } = hello;
  const frame = HelloFrame.encode({
    type: FRAME.hello,
    kind,
    patience,
    link: link ?? indexOf(hop.to, hop.from),
    asked,
    answered,
    tag: new Uint8Array(8),
  });
  const { tag } = HelloFrame.offsets;
  frame.set(sipHash24(hopKey(hop.from, hop.to), frame.subarray(0, tag)), tag);
  if (flip !== undefined) frame[flip] = (frame[flip] as number) ^ 1;
  return frame;
}
