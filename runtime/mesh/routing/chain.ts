/**
 * Hash chains: how a link's state changes without a signature (SPEC.md, Chains). A list commits to element 0; whoever shows
 * element k proves that the list's origin has said "state number k", and nobody else can go on from there.
 */
import { concat, equal } from "../../base/bytes.ts";
import { LABEL } from "../../crypto/labels.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { ELEMENT_BYTES, TAG_BYTES } from "./link-list.ts";

/** The last element's number. */
export const STEPS_MAX = 255;

/** What sets one chain apart from every other. `sequence` is epoch and number of the list, 8 bytes. */
export const chainTag = (
  crypto: CryptoProvider,
  mesh: Uint8Array,
  origin: Uint8Array,
  sequence: Uint8Array,
  neighbour: Uint8Array,
): Uint8Array => crypto.sha256(concat(LABEL.linkChain, mesh, origin, sequence, neighbour)).slice(0, TAG_BYTES);

/** From element `from` back to element `to`, which is the same or before. */
export function walkBack(
  crypto: CryptoProvider,
  tag: Uint8Array,
  element: Uint8Array,
  from: number,
  to: number,
): Uint8Array {
  const input = new Uint8Array(TAG_BYTES + 1 + ELEMENT_BYTES); // with its padding one block of SHA-256
  input.set(tag);
  let current = element;
  for (let k = from; k > to; k--) {
    input[TAG_BYTES] = k;
    input.set(current, TAG_BYTES + 1);
    current = crypto.sha256(input);
  }
  return current;
}

/** Whether `element` is number `step` of the chain whose number `known` is `knownElement`. At most STEPS_MAX hashes. */
export const follows = (
  crypto: CryptoProvider,
  tag: Uint8Array,
  element: Uint8Array,
  step: number,
  knownElement: Uint8Array,
  known: number,
): boolean => step > known && equal(walkBack(crypto, tag, element, step, known), knownElement);
