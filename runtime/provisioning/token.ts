/**
 * The `TR2:` invite token: all that a joiner is given. Binary, then base45, so that a QR code takes it in alphanumeric mode.
 *
 *   0 version 1 | mesh id 32 | issuer's node id 32 | invite id 8 | secret 16 | expires u32be, Unix minutes |
 *   endpoints: count u8, then for each kind u8 (4 or 6), address 4 or 16, port u16be | checksum 4
 */

import { decodeBase45, encodeBase45 } from "../base/base45.ts";
import { concat, equal } from "../base/bytes.ts";
import type { Endpoint } from "../base/endpoint.ts";
import { TrellisError } from "../base/errors.ts";
import { formatIp, parseIp } from "../base/ip.ts";
import { bytes, struct } from "../base/struct.ts";
import type { UnixSeconds } from "../base/time.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";

export const TOKEN_PREFIX = "TR2:";
export const MAX_ENDPOINTS = 4;

export interface InviteToken {
  readonly meshId: Uint8Array; //   32 bytes
  readonly issuerId: Uint8Array; // 32
  readonly inviteId: Uint8Array; // 8
  readonly secret: Uint8Array; //   16
  readonly expires: UnixSeconds; // whole minutes
  readonly endpoints: readonly Endpoint[]; // one to four
}

const Head = struct("invite_token", {
  version: "u8",
  meshId: bytes(32),
  issuerId: bytes(32),
  inviteId: bytes(8),
  secret: bytes(16),
  expiresMinutes: "u32be",
  endpoints: "u8",
});
const CHECKSUM = 4;

export function encodeToken(crypto: CryptoProvider, token: InviteToken): string {
  if (token.endpoints.length < 1 || token.endpoints.length > MAX_ENDPOINTS) {
    throw new TrellisError(
      "invite/endpoints",
      `an invite names 1 to ${MAX_ENDPOINTS} endpoints, not ${token.endpoints.length}`,
    );
  }
  const head = Head.encode({
    version: 1,
    meshId: token.meshId,
    issuerId: token.issuerId,
    inviteId: token.inviteId,
    secret: token.secret,
    expiresMinutes: Math.floor(token.expires / 60),
    endpoints: token.endpoints.length,
  });
  const body = concat(head, ...token.endpoints.map(encodeEndpoint));
  return TOKEN_PREFIX + encodeBase45(concat(body, checksum(crypto, body)));
}

/** Throws `invite/not-a-token`, `invite/damaged` or `invite/version`, each with what to do. */
export function parseToken(crypto: CryptoProvider, text: string): InviteToken {
  const trimmed = text.trim();
  if (!trimmed.toUpperCase().startsWith(TOKEN_PREFIX)) {
    throw new TrellisError("invite/not-a-token", `an invite token begins with ${TOKEN_PREFIX}`, {
      hint: "quote the whole token: it may contain spaces and dollar signs",
    });
  }
  const data = decodeBase45(trimmed.slice(TOKEN_PREFIX.length).toUpperCase());
  const body = data?.subarray(0, -CHECKSUM);
  const head = body && Head.decode(body);
  if (head && head.version !== 1) {
    throw new TrellisError("invite/version", `the token has version ${head.version}, this program reads version 1`, {
      hint: "update the older of the two gateways",
    });
  }
  if (!data || !body || !head || !equal(checksum(crypto, body), data.subarray(-CHECKSUM))) throw damaged();
  const endpoints = decodeEndpoints(body.subarray(Head.size), head.endpoints);
  if (!endpoints) throw damaged();
  const { meshId, issuerId, inviteId, secret } = head;
  return { meshId, issuerId, inviteId, secret, expires: head.expiresMinutes * 60, endpoints };
}

const damaged = (): TrellisError =>
  new TrellisError("invite/damaged", "the token is truncated or mistyped", {
    hint: "copy or scan it whole; quote it, since it may contain spaces and dollar signs",
  });

const checksum = (crypto: CryptoProvider, body: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.inviteToken, body).subarray(0, CHECKSUM);

function encodeEndpoint(e: Endpoint): Uint8Array {
  const address = parseIp(e.address);
  if (!address) throw new TrellisError("invite/endpoints", `"${e.address}" is no IP address that others could reach`);
  return concat(Uint8Array.of(address.length === 4 ? 4 : 6), address, Uint8Array.of(e.port >> 8, e.port & 0xff));
}

function decodeEndpoints(data: Uint8Array, count: number): Endpoint[] | undefined {
  if (count < 1 || count > MAX_ENDPOINTS) return undefined;
  const out: Endpoint[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const length = data[at] === 4 ? 4 : data[at] === 6 ? 16 : 0;
    if (length === 0 || data.length < at + length + 3) return undefined;
    const port = ((data[at + length + 1] as number) << 8) | (data[at + length + 2] as number);
    out.push({ address: formatIp(data.subarray(at + 1, at + 1 + length)), port });
    at += length + 3;
  }
  return at === data.length ? out : undefined;
}
