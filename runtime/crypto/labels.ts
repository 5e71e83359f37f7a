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
  linkList: utf8("trellis/1 link-list"), //                 what a gateway says of its neighbours
  // routing (runtime/mesh/routing/SPEC.md)
  linkListTag: utf8("trellis/1 list-tag"), //               name of a link list's content
  linkChain: utf8("trellis/1 link-chain"), //               what sets a hash chain apart
  linkDigest: utf8("trellis/1 link-digest"), //             digests of what is known
  // records (runtime/sync/SPEC.md)
  recordBatch: utf8("trellis/1 record-batch"), //           an author over the root of a batch
  recordLeaf: utf8("trellis/1 record-leaf"), //             SHA-256(label ‖ author ‖ record)
  recordNode: utf8("trellis/1 record-node"), //             SHA-256(label ‖ left ‖ right)
  batchId: utf8("trellis/1 batch-id"), //                   SHA-256(label ‖ signed statement of a batch)
  recordSlot: utf8("trellis/1 record-slot"), //             SHA-256(label ‖ author ‖ kind ‖ key): where a record is stored
  recordSeal: utf8("trellis/1 record-seal"), //             key of one record, from the epoch's
  recordSalt: utf8("trellis/1 record-salt"), //             what goes into that key
  recordChunk: utf8("trellis/1 record-chunk"), //           SHA-256(label ‖ sealed part of a large value)
  syncRange: utf8("trellis/1 sync-range"), //               fingerprint of a range of records
  epoch: utf8("trellis/1 group-epoch"), //                  a member over a group key's commitment
  epochId: utf8("trellis/1 epoch-id"), //                   SHA-256(label ‖ statement)
  epochKey: utf8("trellis/1 epoch-key"), //                 SHA-256(label ‖ group key): the commitment
  revocationName: utf8("trellis/1 name-of-revocation"), //  SHA-256(label ‖ claim), first 16 bytes
  rendezvous: utf8("trellis/1 rendezvous"), //              SHA-256(label ‖ genesis): what members share at brokers of others
  brokerTopic: utf8("trellis/1 broker-topic"), //           names of topics there
  envelope: utf8("trellis/1 envelope"), //                  key of one envelope
  letter: utf8("trellis/1 letter"), //                      key between two members, in one direction
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
