/** Every domain-separation label, in one place: no two uses of a key or a hash may share one. ASCII. */
import { utf8 } from "../base/bytes.ts";

export const LABEL = {
  nodeId: utf8("trellis/1 node id"),
  overlayLabel: utf8("trellis/1 overlay label"),
  meshId: utf8("trellis/1 mesh id"),
  certificate: utf8("trellis/1 member certificate"),
  revocation: utf8("trellis/1 revocation"),
  genesis: utf8("trellis/1 genesis"),
  protocol: utf8("trellis/1 handshake X25519+ML-KEM-768 Ed25519+ML-DSA-65 AES-256-GCM SHA-256"),
  initiator: utf8("trellis/1 handshake initiator"),
  responder: utf8("trellis/1 handshake responder"),
  firstMac: utf8("trellis/1 mac first"),
} as const;

/** Labels of keys that leave the key schedule (SPEC.md, "Key schedule"). */
export const KEY = {
  helloSeal: utf8("hello seal"),
  replySeal: utf8("reply seal"),
  confirmSeal: utf8("confirm seal"),
  purposeSeal: utf8("purpose seal"),
  identitySeal: utf8("identity seal"),
  answerSeal: utf8("answer seal"),
  mac: utf8("fragment mac"),
  dataInitiator: utf8("data i>r"),
  dataResponder: utf8("data r>i"),
  controlInitiator: utf8("control i>r"),
  controlResponder: utf8("control r>i"),
  sessionId: utf8("session id"),
} as const;
