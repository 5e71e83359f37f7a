/**
 * Every domain-separation label, in one place: no two uses of a key or hash may share one. ASCII, at most 255 bytes (they
 * serve as ML-DSA contexts too). No label is the beginning of another, so label ‖ data is unambiguous; a test checks it.
 * A label is frozen once released: changing one changes every id, signature or key made with it.
 */
import { utf8 } from "../base/bytes.ts";

/** What it is for; where it is used. */
export const LABEL = {
  // hashes that name things (ARCHITECTURE.md, Identity)
  nodeId: utf8("trellis/1 node-id"), //                     SHA-256(label ‖ four public keys)
  meshId: utf8("trellis/1 mesh-id"), //                     SHA-256(label ‖ genesis)
  overlayLabel: utf8("trellis/1 overlay-label"), //         SHA-256(label ‖ mesh id ‖ node id), first 8 bytes
  // signatures: the composite context, one for each kind of statement
  genesis: utf8("trellis/1 genesis"), //                    root keys over the genesis
  certificate: utf8("trellis/1 certificate"), //            member certificate
  revocation: utf8("trellis/1 revocation"), //              revocation record
  // invites
  inviteToken: utf8("trellis/1 invite-token"), //           checksum and issuer hash of a token
  inviteKey: utf8("trellis/1 invite-psk"), //               pre-shared key of the join handshake, from the invite secret
  // handshake: protocol name, then key-schedule and signature labels (runtime/mesh/handshake/SPEC.md)
  handshake: utf8("trellis/1 handshake x25519+ml-kem-768 ed25519+ml-dsa-65 aes-256-gcm hkdf-sha-256"),
  handshakeInitiator: utf8("trellis/1 initiator-signs"), //  the initiator's signature over the transcript
  handshakeResponder: utf8("trellis/1 responder-signs"), //  the responder's
  firstMac: utf8("trellis/1 first-mac"), //                 fragment key of messages to a responder without state
  nonceMac: utf8("trellis/1 nonce-mac"), //                 fragment key of F2, from whom F1 calls and its nonce
  // discovery (runtime/mesh/discovery/SPEC.md)
  beacon: utf8("trellis/1 beacon"), //                      SHA-256(label ‖ genesis): what beacons are sealed under
  biscuit: utf8("trellis/1 biscuit"), //                    the responder's sealed state
} as const;

/** Steps of the key schedule (SPEC.md): names of `mixKey` inputs and of keys that leave the chain. */
export const STEP = {
  hello: utf8("hello"), //            es, ss of the responder's static keys
  nonce: utf8("nonce"), //            K1's nonce
  ephemeral: utf8("ephemeral"), //    ee, ss of the initiator's ephemeral keys
  responder: utf8("responder"), //    es, ss of the responder's static keys (F)
  initiator: utf8("initiator"), //    se, ss of the initiator's static keys
  preShared: utf8("pre-shared"), //   the invite's secret, or 32 zero bytes
  sealHello: utf8("seal hello"),
  sealUnknown: utf8("seal unknown"),
  sealReply: utf8("seal reply"),
  sealConfirm: utf8("seal confirm"),
  sealPurpose: utf8("seal purpose"),
  sealIdentity: utf8("seal identity"),
  sealAnswer: utf8("seal answer"),
  mac: utf8("fragment mac"),
  dataInitiator: utf8("data i>r"),
  dataResponder: utf8("data r>i"),
  controlInitiator: utf8("control i>r"),
  controlResponder: utf8("control r>i"),
  hopInitiator: utf8("hop i>r"),
  hopResponder: utf8("hop r>i"),
  sessionId: utf8("session id"),
} as const;

export type LabelName = keyof typeof LABEL;
