/** The outer frames: the first byte of a UDP payload says what it is. `bpf/` and `native/` get this file as C. */
import { bytes, reserved, struct } from "../base/struct.ts";

export const WIRE_VERSION = 1;

/** The one suite: what every handshake and session uses. */
export const SUITE = "X25519+ML-KEM-768, Ed25519+ML-DSA-65, SHA-256, AES-256-GCM";

/** Largest UDP payload we ever send for control traffic: fits the IPv6 minimum MTU of 1280 with both headers. */
export const MAX_DATAGRAM = 1232;

export const FRAME = {
  handshake: 1, // a fragment of a handshake message
  acknowledge: 2, // which fragments of a handshake message have arrived
  cookie: 3, // "prove that you are at this address"
  data: 4, // a sealed inner packet
  control: 5, // a sealed message between daemons
  relay: 6, // one of the others, on its way through gateways that cannot read it
  hello: 7, // "are you there", between neighbours
} as const;

/** Data and control frames alike; ciphertext and 16-byte tag follow. The whole header is the AAD. */
export const SealedHeader = struct("sealed_header", {
  type: "u8", //           0  FRAME.data or FRAME.control
  flags: "u8", //          1  SEALED_FLAG; unknown bits are refused
  reserved: reserved(2), //   2
  receiver: "u32le", //    4  session index, chosen by the receiver
  counter: "u64le", //     8  AEAD nonce (4 zero bytes, then these 8) and replay counter; starts at 0
}); //                    16  bytes

export const SEALED_FLAG = {
  partialChecksum: 1, // the inner L4 checksum field holds the pseudo-header sum only; the receiver's kernel completes it
  more: 2, // the inner packet goes on in the frame with the next counter
  rest: 4, // it began in a frame before
} as const;

/** One fragment of a handshake message; at most 1200 payload bytes follow. */
export const FragmentHeader = struct("fragment_header", {
  type: "u8", //           0  FRAME.handshake
  version: "u8", //        1  WIRE_VERSION
  message: "u8", //        2  which message of which pattern (SPEC.md table)
  index: "u8", //          3  fragment number, from 0
  count: "u8", //          4  fragments in this message, 1 to 32
  reserved: reserved(1), //   5
  instance: "u16le", //    6  fragments of one encoding of the message share it
  exchange: bytes(8), //   8  chosen at random by the initiator, names the whole exchange
  cookie: bytes(8), //    16  SipHash-2-4 of the source under the responder's rotating secret; zero when none is known
  mac: bytes(8), //       24  SipHash-2-4 over the rest of the datagram; key by message (SPEC.md)
}); //                    32  bytes

/**
 * In front of a frame that travels over several gateways. Each hop checks the tag, lowers `ttl`, and writes `link` and `tag`
 * anew for the next one; the labels and the frame behind stay as they are. The tag admits to a relay's capacity, no more:
 * the ends check what arrives by their own keys.
 */
export const RelayHeader = struct("relay_header", {
  type: "u8", //           0  FRAME.relay
  ttl: "u8", //            1  hops left, this one included; at most RELAY_TTL
  reserved: reserved(2), //   2
  link: "u32le", //        4  index of the session between this hop's two gateways, chosen by its receiver
  destination: bytes(8), //   8  label: the last 8 bytes of the overlay address
  source: bytes(8), //    16  label
  tag: bytes(8), //       24  SipHash-2-4 over the first 24 bytes, with the sender's hop key of that session
}); //                    32  bytes

/** Relays on one way at most: a thousand gateways of which each reaches eight are thirty hops across, in a square of four neighbours each sixty. */
export const RELAY_TTL = 64;

/**
 * Whether a neighbour is alive, and how far away: it is asked, answers with a question of its own, and is told. A question is the
 * asker's clock, so an answer is fresh when the clock in it is near; the tag is that of relayed frames. No more than this is read or
 * kept, so that the data path can do it while the daemon stands still. Each way to the neighbour (link) is asked for itself.
 */
export const HelloFrame = struct("hello_frame", {
  type: "u8", //           0  FRAME.hello
  kind: "u8", //           1  HELLO, with HELLO_STILL where the kernel answers for a daemon that stands still
  patience: "u16le", //    2  ms from a question to when the other counts as silent unless it has answered a later one; not 0
  link: "u32le", //        4  index of the session between the two, chosen by the receiver
  asked: "u64le", //       8  the first question (HELLO_BITS)
  answered: "u64le", //   16  the second question, of who answers; zero in the first frame
  tag: bytes(8), //       24  SipHash-2-4 over the first 24 bytes, with the sender's hop key of that session
}); //                    32  bytes

export const HELLO = { ask: 1, answer: 2, confirm: 3 } as const;
export const HELLO_STILL = 0x80;

/**
 * A question from its highest bits down: time by the asker's clock, in ticks of 1,024 ns from a start that only it knows; what holds of
 * this link at the asker's end (HELLO_TERMS); which of its links this one is; how many of 256 questions it misses that the other sends over this link; number among its questions there.
 */
export const HELLO_BITS = {
  tickShift: 10,
  timeBits: 34,
  termsBits: 2,
  linkBits: 8,
  lostBits: 8,
  numberBits: 12,
} as const;

/** Carries only when no other does; nothing but control may go over it. */
export const HELLO_TERMS = { metered: 1, capped: 2 } as const;
