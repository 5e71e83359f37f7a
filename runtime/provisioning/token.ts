/**
 * The `TR2:` invite token: all that a joiner is given. Binary, then base45 (RFC 9285), so that a QR code takes it in
 * alphanumeric mode: at most 262 characters, version 10-M holds 311.
 *
 *     version u8 = 1 | shape u8 | uses u16be | mesh id 32 | issuer's node id 32 | invite id 8 | secret 16 |
 *     expires u32be, Unix minutes | endpoints: address 4 or 16, port u16be, each | checksum 4
 *
 * `shape`: bits 0-1 the number of endpoints less one; bit 2 + i whether endpoint i is IPv6; bits 6-7 zero. It gives the
 * length, so a token that was cut off is told from one that was mistyped. The checksum is the first bytes of
 * SHA-256(label ‖ what precedes it). `uses` and `expires` are for people; the issuer's book decides.
 */
import { decodeBase45, encodeBase45, isBase45 } from "../base/base45.ts";
import { concat, equal } from "../base/bytes.ts";
import { type Endpoint, endpointKey } from "../base/endpoint.ts";
import { TrellisError } from "../base/errors.ts";
import { formatIp, parseIp } from "../base/ip.ts";
import { bytes, struct } from "../base/struct.ts";
import type { UnixSeconds } from "../base/time.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";

export const TOKEN_PREFIX = "TR2:";
export const TOKEN_VERSION = 1;
export const ENDPOINTS_MAX = 4;
export const USES_MAX = 65_535;

export interface InviteToken {
  readonly meshId: Uint8Array; //   32 bytes
  readonly issuerId: Uint8Array; // 32
  readonly inviteId: Uint8Array; // 8
  readonly secret: Uint8Array; //   16
  readonly expires: UnixSeconds; // whole minutes
  readonly uses: number; //         1 to 65,535
  readonly endpoints: readonly Endpoint[]; // one to four, without scope
}

const Head = struct("invite_token", {
  version: "u8",
  shape: "u8",
  uses: "u16be",
  meshId: bytes(32),
  issuerId: bytes(32),
  inviteId: bytes(8),
  secret: bytes(16),
  expiresMinutes: "u32be",
});
const CHECKSUM = 4;
const PORT = 2;

/** Throws `invite/endpoints` for none, more than four, or an address that means nothing elsewhere (a scope). */
export function encodeToken(crypto: CryptoProvider, token: InviteToken): string {
  if (token.endpoints.length < 1 || token.endpoints.length > ENDPOINTS_MAX)
    throw new TrellisError(
      "invite/endpoints",
      `an invite names 1 to ${ENDPOINTS_MAX} endpoints, not ${token.endpoints.length}`,
    );
  const addresses = token.endpoints.map(addressOf);
  const head = Head.encode({
    version: TOKEN_VERSION,
    shape: shapeOf(addresses),
    uses: token.uses,
    meshId: token.meshId,
    issuerId: token.issuerId,
    inviteId: token.inviteId,
    secret: token.secret,
    expiresMinutes: Math.floor(token.expires / 60),
  });
  const ports = token.endpoints.map((e) => Uint8Array.of(e.port >> 8, e.port & 0xff));
  const body = concat(head, ...addresses.flatMap((address, i) => [address, ports[i] as Uint8Array]));
  return TOKEN_PREFIX + encodeBase45(concat(body, checksum(crypto, body)));
}

/** Throws `invite/not-a-token`, `invite/other-version`, `invite/truncated` or `invite/damaged`. */
export function parseToken(crypto: CryptoProvider, text: string): InviteToken {
  const encoded = withoutPrefix(text.trim().toUpperCase());
  if (!isBase45(encoded)) throw damaged();
  if (encoded.length < 3) throw truncated();
  const [version, shape] = decodeBase45(encoded.slice(0, 3)) ?? [];
  if (version === undefined || shape === undefined) throw damaged();
  if (version !== TOKEN_VERSION) throw otherVersion();
  const lengths = addressLengths(shape);
  if (!lengths) throw damaged();
  const size = Head.size + lengths.reduce((sum, n) => sum + n + PORT, 0) + CHECKSUM;
  const characters = Math.ceil((3 * size) / 2);
  if (encoded.length < characters) throw truncated();
  const data = encoded.length === characters ? decodeBase45(encoded) : undefined;
  const body = data?.subarray(0, -CHECKSUM);
  const head = body && Head.decode(body);
  if (!data || !body || !head || !equal(checksum(crypto, body), data.subarray(-CHECKSUM))) throw damaged();
  const { meshId, issuerId, inviteId, secret, uses } = head;
  const endpoints = readEndpoints(body.subarray(Head.size), lengths);
  if (uses === 0 || endpoints.some((e) => e.port === 0)) throw damaged();
  return { meshId, issuerId, inviteId, secret, uses, expires: head.expiresMinutes * 60, endpoints };
}

function withoutPrefix(text: string): string {
  if (text.startsWith(TOKEN_PREFIX)) return text.slice(TOKEN_PREFIX.length);
  if (/^TR\d:/.test(text)) throw otherVersion();
  throw new TrellisError("invite/not-a-token", `this is no invite token: one begins with ${TOKEN_PREFIX}`);
}

const QUOTE = "copy or scan it whole, and quote it: it may contain spaces, $ and *";

const truncated = (): TrellisError =>
  new TrellisError("invite/truncated", "the end of the invite token is missing", { hint: QUOTE });

const damaged = (): TrellisError =>
  new TrellisError("invite/damaged", "the invite token is mistyped or damaged", { hint: QUOTE });

const otherVersion = (): TrellisError =>
  new TrellisError(
    "invite/other-version",
    `this program reads ${TOKEN_PREFIX} tokens of version ${TOKEN_VERSION} only`,
    {
      hint: "update the older of the two gateways",
    },
  );

const checksum = (crypto: CryptoProvider, body: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.inviteToken, body).subarray(0, CHECKSUM);

function addressOf(endpoint: Endpoint): Uint8Array {
  const address = parseIp(endpoint.address);
  const hasPort = Number.isInteger(endpoint.port) && endpoint.port > 0 && endpoint.port <= 0xffff;
  if (!address || !hasPort)
    throw new TrellisError("invite/endpoints", `"${endpointKey(endpoint)}" is no endpoint that others could reach`);
  return address;
}

const shapeOf = (addresses: readonly Uint8Array[]): number =>
  addresses.reduce((shape, address, i) => shape | (address.length === 16 ? 4 << i : 0), addresses.length - 1);

/** Bytes of each address, or undefined when a bit is set that means nothing. */
function addressLengths(shape: number): readonly number[] | undefined {
  const count = (shape & 3) + 1;
  if (shape >> (2 + count) !== 0) return undefined;
  return Array.from({ length: count }, (_, i) => (shape & (4 << i) ? 16 : 4));
}

function readEndpoints(data: Uint8Array, lengths: readonly number[]): readonly Endpoint[] {
  let at = 0;
  return lengths.map((length) => {
    const address = formatIp(data.subarray(at, at + length));
    const port = ((data[at + length] as number) << 8) | (data[at + length + 1] as number);
    at += length + PORT;
    return { address, port };
  });
}
