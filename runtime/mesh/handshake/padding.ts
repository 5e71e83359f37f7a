/**
 * Fills F3 up to a whole number of steps, so that who listens and holds every certificate cannot tell callers apart by
 * the length of their chains. Layout: u16 length of the content, the content, zero bytes.
 */
import { concat } from "../../base/bytes.ts";
import { IDENTITY_STEP } from "./message.ts";

const PREFIX = 2;

/** `around`: bytes of the message beside what is padded here. */
export function pad(content: Uint8Array, around: number): Uint8Array {
  const least = around + PREFIX + content.length;
  const zeros = new Uint8Array(Math.ceil(least / IDENTITY_STEP) * IDENTITY_STEP - least);
  return concat(Uint8Array.of(content.length & 0xff, content.length >> 8), content, zeros);
}

/** The content; undefined when what follows it is not zero. */
export function unpad(padded: Uint8Array): Uint8Array | undefined {
  const [low = 0, high = 0] = padded;
  const end = PREFIX + (low | (high << 8));
  if (end > padded.length || padded.subarray(end).some((b) => b !== 0)) return undefined;
  return padded.subarray(PREFIX, end);
}
