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
} as const;

export type LabelName = keyof typeof LABEL;
