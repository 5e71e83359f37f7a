import { toHex } from "./bytes.ts";

/** Hex of byte strings of which the same one often comes several times in a row; nobody writes to them. */
export class RecentHex {
  #bytes: Uint8Array | undefined;
  #hex = "";

  of(bytes: Uint8Array): string {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#hex = toHex(bytes);
    }
    return this.#hex;
  }
}
