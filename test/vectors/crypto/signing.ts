/** Checks one published ML-DSA signature, for signers that repeat it and for hedged ones that cannot. */
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { same } from "./case.ts";
import { type Bytes, NotOffered, orRefused, type PrivateKey, type Signed, type Subject } from "./subject.ts";

const publicKeyOf = (key: PrivateKey): Bytes =>
  ml_dsa65.getPublicKey("seed" in key ? ml_dsa65.keygen(key.seed).secretKey : key.expanded);

/**
 * A signer that hedges must accept the published signature and its own, which must hold for the reference too. One that
 * cannot take the key or sign this kind must accept the published signature at least, where it verifies this kind.
 */
export async function checkSigning(
  subject: Subject,
  key: PrivateKey,
  signed: Signed,
  random: Bytes,
  published: Bytes,
): Promise<string | undefined> {
  const accepts = (signature: Bytes) => orRefused(() => subject.verify(publicKeyOf(key), signed, signature));
  const made = await orRefused(() => subject.sign(key, signed, random)).catch(async (thrown: unknown) => {
    if (!(thrown instanceof NotOffered)) throw thrown;
    if (!(await accepts(published))) return "refuses the published signature";
    throw new NotOffered(`${thrown.message} (the published signature was verified)`);
  });
  if (!made) return "sign: refused";
  if (typeof made === "string") return made;
  if (made.repeatable) return same("signature", made.signature, published);
  if (!(await accepts(published))) return "refuses the published signature";
  if (!(await accepts(made.signature))) return "refuses its own signature";
  return referenceAccepts(publicKeyOf(key), signed, made.signature) ? undefined : "noble refuses its signature";
}

function referenceAccepts(publicKey: Bytes, signed: Signed, signature: Bytes): boolean {
  if (signed.kind !== "pure") throw new Error("only pure ML-DSA is signed without being repeatable");
  return ml_dsa65.verify(signature, signed.message, publicKey, { context: signed.context });
}
