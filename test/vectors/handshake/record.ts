/**
 * Handshakes recorded with the portable provider and seeded randomness (the counter stream of test/help/seeded.ts), so
 * that the same seed gives the same datagrams. `bun test/vectors/handshake/record.ts` writes the files beside it: only when
 * the wire version changes.
 */
import { concat, toHex, utf8 } from "../../../runtime/base/bytes.ts";
import { noble } from "../../../runtime/crypto/noble.ts";
import type { CryptoProvider } from "../../../runtime/crypto/provider.ts";
import type { NodeSecrets } from "../../../runtime/identity/keys.ts";
import { FRAME, SealedHeader } from "../../../runtime/mesh/frame.ts";
import type { Admission, Established } from "../../../runtime/mesh/handshake/ports.ts";
import { MESH_ID, Net, type Packet, type Party, type Wire } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";
import type { SecretsHex, Transcript } from "../handshake-decoder.ts";

export const KINDS = [
  "known-peer",
  "unknown-certificate",
  "first-contact",
  "member-revoked",
  "join-accepted",
  "join-refused",
] as const;
export type Kind = (typeof KINDS)[number];

/** The transcript, and what both machines made of it; `result` is what the decoder must find. */
export interface Vector extends Omit<Transcript, "inviteSecret"> {
  readonly kind: Kind;
  readonly seed: string;
  readonly inviteSecret: string | null;
  readonly keys: Readonly<Record<string, string>> | null;
  readonly refused: string | null;
}

const INVITE = { inviteId: new Uint8Array(8).fill(0x1d), secret: new Uint8Array(16).fill(0x5e) };

/** Remembers the secret of every public key that was computed: that is how ephemeral secrets get into the record. */
function remembering(secretOf: Map<string, string>): CryptoProvider {
  const { x25519, mlKem768 } = noble;
  return {
    ...noble,
    x25519: {
      ...x25519,
      publicKey: (secret) => {
        const key = x25519.publicKey(secret);
        secretOf.set(toHex(key), toHex(secret));
        return key;
      },
    },
    mlKem768: {
      ...mlKem768,
      publicKey: async (seed) => {
        const key = await mlKem768.publicKey(seed);
        secretOf.set(toHex(key), toHex(seed));
        return key;
      },
    },
  };
}

const secretsHex = (s: NodeSecrets): SecretsHex => ({
  ed25519: toHex(s.ed25519),
  mlDsa65: toHex(s.mlDsa65),
  x25519: toHex(s.x25519),
  mlKem768: toHex(s.mlKem768),
});

const keysHex = (s: Established): Record<string, string> => ({
  "data i>r": toHex(s.data.sendKey),
  "data r>i": toHex(s.data.receiveKey),
  "control i>r": toHex(s.controlSendKey),
  "control r>i": toHex(s.controlReceiveKey),
  "session id": toHex(s.sessionId),
});

export async function record(kind: Kind): Promise<Vector> {
  const seed = `handshake vector ${kind}`;
  const secretOf = new Map<string, string>();
  const net = new Net(remembering(secretOf), seededRandom(seed));
  const joins = kind.startsWith("join");
  const joiner: { id: Uint8Array } = { id: new Uint8Array(32) };
  const admission: Admission = {
    secretOf: () => INVITE.secret,
    admit: async () =>
      kind === "join-accepted"
        ? { accepted: true, chain: joiner.id }
        : { accepted: false, code: "invite/used", message: "used up" },
  };
  const b = await net.add("responder", { admission });
  const a = await net.add("initiator", { member: !joins });
  joiner.id = a.keys.id;
  if (kind === "known-peer") net.introduce(a, b);
  if (kind === "member-revoked") b.ended.set(toHex(a.keys.id), "revoked");
  net.wire = losing();
  net.perform(a, await begin(kind, a, b, net.now));
  await net.run(2000);
  const session = a.sessions[0];
  if (session && b.sessions[0]) net.sent.push(...data(a, session), ...data(b, b.sessions[0]));
  const exchange = toHex(net.sent[0]?.payload.subarray(8, 16) as Uint8Array);
  const wire = net.sent
    .map((p) => p.payload)
    .filter((d) => kind !== "unknown-certificate" || toHex(d.subarray(8, 16)) === exchange);
  const first = (message: number, from: number, to: number): string => {
    const parts = wire.filter((d) => d[0] === 1 && d[2] === message);
    const joined = Buffer.concat([0, 1].map((i) => parts.find((d) => d[3] === i)?.subarray(32) ?? new Uint8Array(0)));
    return secretOf.get(joined.subarray(from, to).toString("hex")) ?? "";
  };
  const known = kind === "known-peer" || kind === "unknown-certificate";
  return {
    kind,
    seed,
    pattern: known ? "K" : "F",
    meshId: toHex(MESH_ID),
    responderId: toHex(b.keys.id),
    initiator: secretsHex(a.keys.secrets),
    responder: secretsHex(b.keys.secrets),
    ephemeral: { x25519: first(known ? 1 : 17, 4, 36), mlKem768: first(known ? 1 : 17, 36, 1220) },
    inviteSecret: joins ? toHex(INVITE.secret) : null,
    datagrams: wire.map(toHex),
    keys: session && kind !== "unknown-certificate" ? keysHex(session) : null,
    refused: refusal(kind, a),
  };
}

/** Drops the first fragment that is made with a cookie, so that every record has a report, a hole and its filling. */
function losing(): Wire {
  let lost = false;
  return (p) => {
    const loses = !lost && p.payload[0] === FRAME.handshake && p.payload.subarray(16, 24).some((b) => b !== 0);
    lost ||= loses;
    return loses ? [] : [p];
  };
}

function refusal(kind: Kind, { failures: [failure] }: Party): string | null {
  if (kind === "unknown-certificate") return "unknown";
  return failure ? `${failure.code} ${failure.message}` : null;
}

/** One data frame as the data path would seal it: what the peer reads is the sender's name. */
function data(from: Party, { data: { remoteIndex, sendKey, aead }, endpoint }: Established): Packet[] {
  const header = SealedHeader.encode({ type: FRAME.data, flags: 0, receiver: remoteIndex, counter: 0n });
  const payload = concat(header, noble.aead[aead].seal(sendKey, new Uint8Array(12), header, utf8(from.name)));
  return [{ from: from.endpoint, to: endpoint, payload }];
}

function begin(kind: Kind, a: Party, b: Party, now: number): ReturnType<Party["machine"]["connect"]> {
  if (kind === "known-peer" || kind === "unknown-certificate") return a.machine.connect(b.member, b.endpoint, now);
  if (kind === "first-contact" || kind === "member-revoked") return a.machine.contact(b.member.id, b.endpoint, now);
  return a.machine.join({ meshId: MESH_ID, issuerId: b.keys.id, ...INVITE }, "initiator", b.endpoint, now);
}

if (import.meta.main) {
  for (const kind of KINDS) {
    await Bun.write(`${import.meta.dir}/${kind}.json`, `${JSON.stringify(await record(kind), null, 1)}\n`);
  }
}
