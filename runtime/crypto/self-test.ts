/**
 * Known answers that a provider must give before it is used: a runtime built without a primitive, or one that computes it
 * wrongly, is found at start and not in the middle of a handshake. Takes a few milliseconds (native) to 60 (noble).
 */
import { equal, fromHex, toHex, utf8 } from "../base/bytes.ts";
import { messageOf } from "../base/errors.ts";
import type { CryptoProvider } from "./provider.ts";

const hex = (text: string): Uint8Array => fromHex(text) as Uint8Array;
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);

const KEY = counting(32);
const NONCE = counting(12);
const SEED = counting(64);
const MESSAGE = utf8("trellis");
const EMPTY = new Uint8Array(0);

/** Each row: the primitive, and a computation whose result in hex must be the one given. */
interface KnownAnswer {
  readonly primitive: string;
  readonly wanted: string;
  compute(crypto: CryptoProvider): Promise<Uint8Array | undefined> | Uint8Array | undefined;
}

const KNOWN_ANSWERS: readonly KnownAnswer[] = [
  {
    primitive: "SHA-256", // FIPS 180-4 example: "abc"
    wanted: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    compute: (c) => c.sha256(utf8("a"), utf8("bc")),
  },
  {
    primitive: "HMAC-SHA-256", // RFC 4231 §4.3
    wanted: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    compute: (c) => c.hmacSha256(utf8("Jefe"), utf8("what do ya want "), utf8("for nothing?")),
  },
  {
    primitive: "HKDF-SHA-256", // RFC 5869 A.1
    wanted: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    compute: (c) =>
      c.hkdfExpand(c.hkdfExtract(counting(13), new Uint8Array(22).fill(0x0b)), hex("f0f1f2f3f4f5f6f7f8f9"), 42),
  },
  {
    primitive: "AES-256-GCM",
    wanted: "3370b377a98cb17ce6026ddf8cad0c2a3f75bd1944572c",
    compute: (c) => sealedAndOpened(c, "aes-256-gcm"),
  },
  {
    primitive: "ChaCha20-Poly1305",
    wanted: "fd896d6c457ed6b30d2424b68e7d3e52acea91b3ff5b1b",
    compute: (c) => sealedAndOpened(c, "chacha20-poly1305"),
  },
  {
    primitive: "X25519", // RFC 7748 §5.2, first vector
    wanted: "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    compute: (c) =>
      c.x25519.agree(
        hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
        hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
      ),
  },
  {
    primitive: "Ed25519", // RFC 8032 §7.1 TEST 1
    wanted:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    compute: (c) => {
      const secret = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
      const signature = c.ed25519.sign(secret, EMPTY);
      return c.ed25519.verify(c.ed25519.publicKey(secret), EMPTY, signature) ? signature : undefined;
    },
  },
  {
    primitive: "ML-KEM-768",
    wanted: "cbadd5a6242ebe963f5501eb0160310d4d114838153a682d6ab85b29403ac66f",
    compute: lattices,
  },
  {
    primitive: "ML-DSA-65",
    wanted: "d666806e11cee19a7c989f7445f90dd419cf4d2d51db8c0fdb4c0f0a542238c9",
    compute: signed,
  },
];

/** The sealed bytes, when they open again and do not with a changed tag. */
function sealedAndOpened(c: CryptoProvider, name: "aes-256-gcm" | "chacha20-poly1305"): Uint8Array | undefined {
  const aead = c.aead[name];
  const sealed = aead.seal(KEY, NONCE, MESSAGE, MESSAGE);
  const opened = aead.open(KEY, NONCE, MESSAGE, sealed);
  const forged = sealed.with(sealed.length - 1, (sealed.at(-1) as number) ^ 1);
  const refused = aead.open(KEY, NONCE, MESSAGE, forged) === undefined;
  return opened && equal(opened, MESSAGE) && refused ? sealed : undefined;
}

/**
 * SHA-256 over the public key of a fixed seed and the secret that a made-up ciphertext is rejected with (FIPS 203
 * Algorithm 18, J(z ‖ c)), when a fresh encapsulation comes back and a key with coefficients of 4095 is refused.
 */
async function lattices(c: CryptoProvider): Promise<Uint8Array | undefined> {
  const key = await c.mlKem768.publicKey(SEED);
  const fresh = await c.mlKem768.encapsulate(key, KEY);
  const back = fresh && (await c.mlKem768.decapsulate(SEED, fresh.ciphertext));
  const rejected = await c.mlKem768.decapsulate(SEED, counting(1088));
  const malformed = await c.mlKem768.encapsulate(new Uint8Array(1184).fill(0xff), KEY);
  if (!fresh || !back || !rejected || malformed || !equal(fresh.secret, back)) return undefined;
  return c.sha256(key, rejected);
}

/** SHA-256 over the public key of a fixed seed, when a fresh signature holds under its context and under no other. */
async function signed(c: CryptoProvider): Promise<Uint8Array | undefined> {
  const key = await c.mlDsa65.publicKey(KEY);
  const signature = await c.mlDsa65.sign(KEY, MESSAGE, NONCE);
  const holds = await c.mlDsa65.verify(key, MESSAGE, NONCE, signature);
  const holdsElsewhere = await c.mlDsa65.verify(key, MESSAGE, EMPTY, signature);
  return holds && !holdsElsewhere ? c.sha256(key) : undefined;
}

export interface Failure {
  readonly primitive: string;
  readonly reason: string;
}

/** What `crypto` does not do, or does wrongly; empty when all is well. Never throws. */
export async function selfTest(crypto: CryptoProvider): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  for (const { primitive, wanted, compute } of KNOWN_ANSWERS) {
    try {
      const got = await compute(crypto);
      if (!got || toHex(got) !== wanted) failures.push({ primitive, reason: "gives a wrong answer" });
    } catch (thrown) {
      failures.push({ primitive, reason: messageOf(thrown) });
    }
  }
  return failures;
}
