/** Handshake machines on a small virtual network: datagrams take 10 ms, and a test may lose, change or copy them. */
import { concat, toHex } from "../../runtime/base/bytes.ts";
import { type Endpoint, endpointKey } from "../../runtime/base/endpoint.ts";
import { Meter } from "../../runtime/base/meter.ts";
import type { RandomBytes } from "../../runtime/base/random.ts";
import { type Ms, seconds } from "../../runtime/base/time.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import { generateKeys, type NodeKeys } from "../../runtime/identity/keys.ts";
import { FRAME, FragmentHeader, SealedHeader } from "../../runtime/mesh/frame.ts";
import { Handshakes } from "../../runtime/mesh/handshake/machine.ts";
import type {
  Admission,
  Directory,
  Established,
  HandshakeAction,
  LocalNode,
  RemoteMember,
} from "../../runtime/mesh/handshake/ports.ts";
import { ControlSession } from "../../runtime/mesh/session/control.ts";
import type { Datagram } from "../../runtime/mesh/types.ts";
import { seededRandom } from "./seeded.ts";

export interface Party {
  readonly name: string;
  readonly keys: NodeKeys;
  readonly member: RemoteMember;
  readonly endpoint: Endpoint;
  readonly machine: Handshakes;
  readonly meter: Meter;
  readonly sessions: Established[];
  readonly failures: Extract<HandshakeAction, { type: "failed" }>[];
  readonly known: Map<string, RemoteMember>;
  /** Whom this party holds to be a member no more, by node id. */
  readonly ended: Map<string, "revoked" | "expired">;
  /** Whose chains it took, and whether the member itself had proven that it is its own. */
  readonly admitted: string[];
  /** Whether it has no room for members. */
  full: boolean;
  /** The control side of its sessions, by own index: as in the mesh, an empty sealed frame confirms. */
  readonly controls: Map<number, ControlSession>;
}

export interface Packet {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly payload: Uint8Array;
}

/** What becomes of a datagram on its way: nothing, itself, or others. */
export type Wire = (packet: Packet) => readonly Packet[];

export const MESH_ID = new Uint8Array(32).fill(7);
const LATENCY: Ms = 10;
const LIMITS = { rejectAfter: seconds(180), rejectUnused: seconds(180) };

/** Bytes that are shown, where their number matters. */
export interface Shown {
  readonly genesis: number;
  readonly chain: number;
}

export const isHandshake = (p: Packet): boolean => (p.payload[0] as number) <= FRAME.cookie;

export class Net {
  readonly crypto: CryptoProvider;
  readonly random: RandomBytes;
  readonly parties = new Map<string, Party>();
  readonly sent: Packet[] = [];
  wire: Wire = (p) => [p];
  now: Ms = 1000;
  /** In order: every datagram takes as long. */
  readonly #queue: { readonly at: Ms; readonly packet: Packet }[] = [];

  readonly #shown: Shown;

  constructor(crypto: CryptoProvider, random: RandomBytes, shown: Shown = { genesis: 7, chain: 32 }) {
    this.crypto = crypto;
    this.random = random;
    this.#shown = shown;
  }

  /**
   * A chain is, here, the node id in a shell: certificates have tests of their own. `posesAs`: an impostor that answers
   * to another's node id with its own chain and keys.
   */
  async add(
    name: string,
    options: {
      member?: boolean;
      admission?: Admission;
      rates?: LocalNode["rates"];
      posesAs?: Uint8Array;
      keys?: NodeKeys;
      /** Bytes of its chain. */
      chain?: number;
      /** Shows the chain of this node id instead of its own. */
      shows?: Uint8Array;
      address?: string;
      isProven?: (source: Endpoint) => boolean;
      isFree?: (index: number) => boolean;
      random?: RandomBytes;
    } = {},
  ): Promise<Party> {
    const keys = options.keys ?? (await generateKeys(this.crypto, this.random));
    const chain = new Uint8Array(options.chain ?? this.#shown.chain);
    chain.set(options.shows ?? keys.id);
    const certificateHash = this.crypto.sha256(chain);
    const endpoint = { address: options.address ?? `10.0.0.${this.parties.size + 1}`, port: 51_820 };
    const member: RemoteMember = {
      id: keys.id,
      address: `fd00::${this.parties.size + 1}`,
      name,
      keys: keys.public,
      certificateHash,
    };
    const known = new Map<string, RemoteMember>();
    const ended = new Map<string, "revoked" | "expired">();
    const everyone = (id: Uint8Array): RemoteMember | undefined =>
      [...this.parties.values()].map((p) => p.member).find((m) => toHex(m.id) === toHex(id.subarray(0, 32)));
    const directory: Directory = {
      byCertificateHash: (hash) => known.get(toHex(hash)),
      admit: async (bytes, proven = false) => {
        const found = everyone(bytes);
        if (found) party.admitted.push(`${found.name}${proven ? ", proven" : ""}`);
        if (!found || party.full || ended.has(toHex(found.id))) return undefined;
        known.set(toHex(found.certificateHash), found);
        return found;
      },
      identify: async (bytes) => {
        const found = everyone(bytes);
        return found && { id: found.id, keys: found.keys, ended: ended.get(toHex(found.id)), record: undefined };
      },
    };
    const meter = new Meter();
    const isMember = options.member ?? true;
    const genesis = new Uint8Array(this.#shown.genesis).fill(1);
    const rates = options.rates ?? { aes256Gcm: 1000, chacha20Poly1305: 500 };
    const machine = new Handshakes(
      {
        crypto: this.crypto,
        random: options.random ?? this.random,
        local: {
          keys: { ...keys, id: options.posesAs ?? keys.id },
          rates,
          membership: isMember ? { meshId: MESH_ID, genesis, chain, certificateHash } : undefined,
        },
        directory: isMember ? directory : undefined,
        admission: options.admission,
        verifyForeign: async (_mesh, _genesis, bytes) => everyone(bytes),
        meter,
        isProven: options.isProven ?? (() => false),
        isFree: options.isFree ?? (() => true),
      },
      this.now,
    );
    const party: Party = {
      name,
      keys,
      member,
      endpoint,
      machine,
      meter,
      sessions: [],
      failures: [],
      known,
      ended,
      admitted: [],
      full: false,
      controls: new Map(),
    };
    this.parties.set(endpointKey(endpoint), party);
    return party;
  }

  introduce(...parties: readonly Party[]): void {
    for (const a of parties)
      for (const b of parties) if (a !== b) a.known.set(toHex(b.member.certificateHash), b.member);
  }

  perform(party: Party, actions: readonly HandshakeAction[]): void {
    for (const action of actions) {
      if (action.type === "send")
        this.post({ from: party.endpoint, to: action.datagram.endpoint, payload: action.datagram.payload });
      else if (action.type === "established") {
        const { session } = action;
        party.sessions.push(session);
        party.controls.set(session.data.localIndex, new ControlSession(this.crypto, session, this.now, LIMITS));
        if (session.confirmed) this.#confirm(party, session.data.localIndex);
      } else if (action.type === "repeated") this.#confirm(party, action.localIndex);
      else party.failures.push(action);
    }
  }

  #confirm(party: Party, localIndex: number): void {
    const control = party.controls.get(localIndex);
    const payload = control?.seal(new Uint8Array(0), this.now);
    if (control && payload) this.post({ from: party.endpoint, to: control.keys.endpoint, payload });
  }

  /** The first sealed frame says that the other side has the keys, and is answered. */
  #open(party: Party, payload: Uint8Array): void {
    const index = SealedHeader.decode(payload)?.receiver ?? 0;
    const control = party.controls.get(index);
    if (!control || "refused" in control.open(payload, this.now)) return;
    party.machine.confirmed(index);
    if (control.confirmed) return;
    control.confirmed = true;
    this.#confirm(party, index);
  }

  post(packet: Packet): void {
    this.sent.push(packet);
    for (const p of this.wire(packet)) this.#queue.push({ at: this.now + LATENCY, packet: p });
  }

  async run(until: Ms): Promise<void> {
    const end = this.now + until;
    for (;;) {
      const [next] = this.#queue;
      const due = [...this.parties.values()].map((p) => p.machine.deadline() ?? Number.POSITIVE_INFINITY);
      const at = Math.min(next?.at ?? Number.POSITIVE_INFINITY, ...due);
      if (at > end) break;
      this.now = Math.max(this.now, at);
      if (next && next.at <= this.now) {
        this.#queue.shift();
        await this.#deliver(next.packet);
      }
      for (const p of this.parties.values()) {
        if ((p.machine.deadline() ?? Number.POSITIVE_INFINITY) <= this.now) this.perform(p, p.machine.tick(this.now));
      }
    }
    this.now = end;
  }

  async #deliver({ from, to, payload }: Packet): Promise<void> {
    const party = this.parties.get(endpointKey(to));
    if (!party) return;
    if (payload[0] === FRAME.control) this.#open(party, payload);
    else {
      const datagram: Datagram = { endpoint: from, payload: payload.slice() };
      this.perform(party, await party.machine.receive(datagram, this.now));
    }
  }
}

/** Whether a packet is a fragment of the message with this number. */
export const isMessage = (p: Packet, message: number): boolean =>
  p.payload[0] === FRAME.handshake && p.payload[2] === message;

/** What actions put on the wire. */
export const sends = (actions: readonly HandshakeAction[]): Uint8Array[] =>
  actions.flatMap((x) => (x.type === "send" ? [x.datagram.payload] : []));

/** A message of at most two fragments, from what was sent. */
export const whole = (sent: readonly Packet[], message: number): Uint8Array =>
  concat(
    ...[0, 1].map((n) => {
      const part = sent.find((p) => isMessage(p, message) && p.payload[3] === n);
      return part ? part.payload.slice(FragmentHeader.size) : new Uint8Array(0);
    }),
  );

export const PATTERNS = ["known peer", "first contact"] as const;

/** `from` calls `to`, at its own or another endpoint. */
export async function call(
  net: Net,
  pattern: (typeof PATTERNS)[number],
  from: Party,
  to: Party,
  at = to.endpoint,
): Promise<void> {
  const calling =
    pattern === "known peer"
      ? from.machine.connect(to.member, at, net.now)
      : from.machine.contact(to.member.id, at, net.now);
  net.perform(from, await calling);
}

/** Two members who know each other. */
export async function pairOn(crypto: CryptoProvider, seed: string): Promise<{ net: Net; a: Party; b: Party }> {
  const net = new Net(crypto, seededRandom(seed));
  const [a, b] = [await net.add("a"), await net.add("b")];
  net.introduce(a, b);
  return { net, a, b };
}
