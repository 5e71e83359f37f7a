/** An AEAD of @noble/ciphers behind our port. */
import type { gcm } from "@noble/ciphers/aes.js";
import type { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { Aead } from "./provider.ts";

const TAG_LENGTH = 16;

/** `value()`, or undefined when it throws: noble reports by exceptions what a peer may have sent. */
export function attempt<T>(value: () => T): T | undefined {
  try {
    return value();
  } catch {
    return undefined;
  }
}

export function nobleAead(cipher: typeof gcm | typeof chacha20poly1305): Aead {
  return {
    seal: (key, nonce, aad, plaintext) => cipher(key, nonce, aad).encrypt(plaintext),
    open: (key, nonce, aad, sealed) => {
      const opener = cipher(key, nonce, aad); // outside: a key of a wrong length is our own mistake
      return sealed.length < TAG_LENGTH ? undefined : attempt(() => opener.decrypt(sealed));
    },
  };
}
