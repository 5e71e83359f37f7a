/** The messages' layouts (SPEC.md, "Messages"). Sealed parts are their plaintext and a 16-byte tag. */
import { bytes, reserved, struct } from "../../base/struct.ts";
import { FragmentHeader, MAX_DATAGRAM, RelayHeader } from "../frame.ts";

/** Number of a message in the fragment header. */
export const MESSAGE = { k1: 1, k2: 2, k3: 3, unknown: 4, f1: 17, f2: 18, f3: 19, f4: 20 } as const;

/** What a fragment carries at most: with its header it fills the largest datagram. */
export const FRAGMENT_PAYLOAD = MAX_DATAGRAM - FragmentHeader.size;
/** The same on a way through the mesh, where a relay header comes before it. */
export const RELAYED_PAYLOAD = FRAGMENT_PAYLOAD - RelayHeader.size;
export const MAX_FRAGMENTS = 32;

export const TAG = 16; // of AES-256-GCM
const BISCUIT = 141;

/** Known peer, initiator to responder; 2392 bytes, two fragments. */
export const InitHello = struct("init_hello", {
  sender: "u32le", //              0  initiator's session index
  ephemeralX25519: bytes(32), //   4
  ephemeralMlKem: bytes(1184), // 36
  ciphertext: bytes(1088), //   1220  to the responder's static ML-KEM key
  sealed: bytes(68 + TAG), //   2308  HelloSecret
});

export const HelloSecret = struct("hello_secret", {
  certificateHash: bytes(32), // of the initiator's leaf certificate
  nonce: bytes(32),
  aes256Gcm: "u16le", // MB/s
  chacha20Poly1305: "u16le",
});

/** Known peer, responder to initiator; 2373 bytes, two fragments. */
export const RespHello = struct("resp_hello", {
  ephemeralX25519: bytes(32),
  ciphertextEphemeral: bytes(1088), // to the initiator's ephemeral ML-KEM key
  ciphertextStatic: bytes(1088), //    to the initiator's static ML-KEM key
  sealed: bytes(8 + TAG), //           ReplySecret
  biscuit: bytes(BISCUIT),
});

export const ReplySecret = struct("reply_secret", {
  sender: "u32le", // responder's session index
  aead: "u8", //      AEAD_ID
  reserved: reserved(3),
});

/** Known peer, initiator to responder; 157 bytes. */
export const InitConf = struct("init_conf", {
  biscuit: bytes(BISCUIT),
  sealed: bytes(TAG), // nothing, sealed: the key confirmation
});

/** Known peer, responder to initiator, instead of K2: "I do not know your certificate". */
export const Unknown = struct("unknown", {
  sealed: bytes(TAG), // nothing, sealed
});

/** What the responder hands to the initiator instead of remembering it; sealed under its own rotating key. */
export const BiscuitSecret = struct("biscuit_secret", {
  chain: bytes(64), // KdfChain.save()
  certificateHash: bytes(32),
  initiator: "u32le",
  responder: "u32le",
  number: "u64le", // rises with every biscuit this process makes
  aead: "u8",
});

/** First contact, initiator to responder; 1252 bytes, two fragments. */
export const FirstHello = struct("first_hello", {
  sender: "u32le",
  ephemeralX25519: bytes(32),
  ephemeralMlKem: bytes(1184),
  nonce: bytes(32),
});

/** First contact, responder to initiator; sealed [genesis, chain] follows. */
export const FirstReply = struct("first_reply", {
  ephemeralX25519: bytes(32),
  ciphertext: bytes(1088), // to the initiator's ephemeral ML-KEM key
});

/** First contact, initiator to responder; the sealed identity follows. */
export const FirstIdentity = struct("first_identity", {
  ciphertext: bytes(1088), //      to the responder's static ML-KEM key
  sealed: bytes(16 + TAG), //      Purpose
});

export const Purpose = struct("purpose", {
  purpose: "u8", // PURPOSE
  reserved: reserved(3),
  aes256Gcm: "u16le",
  chacha20Poly1305: "u16le",
  inviteId: bytes(8), // zero for a member
});
export const PURPOSE = { member: 1, join: 2 } as const;

/** First contact, responder to initiator; the sealed answer follows. */
export const FirstAnswer = struct("first_answer", {
  ciphertext: bytes(1088), // to the initiator's static ML-KEM key
});

/** F3 is a whole number of these long, so that its length tells the depth of a chain and not whose it is. */
export const IDENTITY_STEP = 4 * FRAGMENT_PAYLOAD;

export interface MessageBytes {
  readonly least: number;
  readonly most: number;
  readonly step: number;
}
const fixed = (size: number): MessageBytes => ({ least: size, most: size, step: 1 });
const upTo32 = (least: number, step = 1): MessageBytes => ({ least, most: MAX_FRAGMENTS * FRAGMENT_PAYLOAD, step });

/** How long a message may be: anything else is dropped before it takes room. */
export const MESSAGE_BYTES: ReadonlyMap<number, MessageBytes> = new Map([
  [MESSAGE.k1, fixed(InitHello.size)],
  [MESSAGE.k2, fixed(RespHello.size)],
  [MESSAGE.k3, fixed(InitConf.size)],
  [MESSAGE.unknown, fixed(Unknown.size)],
  [MESSAGE.f1, fixed(FirstHello.size)],
  [MESSAGE.f2, upTo32(FirstReply.size + TAG)],
  [MESSAGE.f3, upTo32(IDENTITY_STEP, IDENTITY_STEP)],
  [MESSAGE.f4, upTo32(FirstAnswer.size + TAG)],
]);

export const AEAD_ID = { "aes-256-gcm": 1, "chacha20-poly1305": 2 } as const;

/** Acknowledges fragments of one message; keyed as the message itself. */
export const Acknowledge = struct("acknowledge", {
  type: "u8", //         0  FRAME.acknowledge
  version: "u8", //      1
  message: "u8", //      2
  reserved: reserved(3),
  instance: "u16le", //  6
  exchange: bytes(8), // 8
  bitmap: "u32le", //   16  bit i: fragment i has arrived
  padding: reserved(4),
  mac: bytes(8), //     24
});

/** "Prove that you are there": never larger than what it answers. */
export const CookieReply = struct("cookie_reply", {
  type: "u8", //         0  FRAME.cookie
  version: "u8", //      1
  reserved: reserved(6),
  exchange: bytes(8), // 8
  cookie: bytes(8), //  16
  mac: bytes(8), //     24
});
