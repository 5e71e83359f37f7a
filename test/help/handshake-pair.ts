/** Handshake machines on a small virtual network: datagrams take 10 ms, and a test may lose, change or copy them. */
import { toHex } from "../../runtime/base/bytes.ts";
import { type Endpoint, endpointKey } from "../../runtime/base/endpoint.ts";
import { Meter } from "../../runtime/base/meter.ts";
import type { RandomBytes } from "../../runtime/base/random.ts";
import type { Ms } from "../../runtime/base/time.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import { generateKeys, type NodeKeys } from "../../runtime/identity/keys.ts";
import { Handshakes } from "../../runtime/mesh/handshake/machine.ts";
import type {
  Admission,
  Directory,
  Established,
  HandshakeAction,
  LocalNode,
  RemoteMember,
} from "../../runtime/mesh/handshake/ports.ts";
import type { Datagram } from "../../runtime/mesh/types.ts";

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
  confirmsSent: number;
}

export interface Packet {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly payload: Uint8Array;
}

/** What becomes of a datagram on its way: nothing, itself, or others. */
export type Wire = (packet: Packet) => readonly Packet[];

export const MESH_ID = new Uint8Array(32).fill(7);
const GENESIS = new TextEncoder().encode("genesis");
const LATENCY: Ms = 10;

export class Net {
  readonly crypto: CryptoProvider;
  readonly random: RandomBytes;
  readonly parties = new Map<string, Party>();
  readonly sent: Packet[] = [];
  wire: Wire = (p) => [p];
  now: Ms = 1000;
  #queue: { at: Ms; order: number; packet: Packet }[] = [];
  #order = 0;

  readonly #shown: number;

  /** `shown`: bytes of a chain, where its size matters. */
  constructor(crypto: CryptoProvider, random: RandomBytes, shown = 32) {
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
    options: { member?: boolean; admission?: Admission; rates?: LocalNode["rates"]; posesAs?: Uint8Array } = {},
  ): Promise<Party> {
    const keys = await generateKeys(this.crypto, this.random);
    const chain = new Uint8Array(this.#shown);
    chain.set(keys.id);
    const certificateHash = this.crypto.sha256(chain);
    const endpoint = { address: `10.0.0.${this.parties.size + 1}`, port: 51_820 };
    const member: RemoteMember = {
      id: keys.id,
      address: `fd00::${this.parties.size + 1}`,
      name,
      keys: keys.public,
      certificateHash,
    };
    const known = new Map<string, RemoteMember>();
    const everyone = (id: Uint8Array): RemoteMember | undefined =>
      [...this.parties.values()].map((p) => p.member).find((m) => toHex(m.id) === toHex(id.subarray(0, 32)));
    const directory: Directory = {
      byCertificateHash: (hash) => known.get(toHex(hash)),
      admit: async (bytes) => {
        const found = everyone(bytes);
        if (found) known.set(toHex(found.certificateHash), found);
        return found;
      },
    };
    const meter = new Meter();
    const isMember = options.member ?? true;
    const rates = options.rates ?? { aes256Gcm: 1000, chacha20Poly1305: 500 };
    const machine = new Handshakes(
      {
        crypto: this.crypto,
        random: this.random,
        local: {
          keys: { ...keys, id: options.posesAs ?? keys.id },
          rates,
          membership: isMember ? { meshId: MESH_ID, genesis: GENESIS, chain, certificateHash } : undefined,
        },
        directory: isMember ? directory : undefined,
        admission: options.admission,
        verifyForeign: async (_mesh, _genesis, bytes) => everyone(bytes),
        meter,
        isProven: () => false,
        isFree: () => true,
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
      confirmsSent: 0,
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
        party.sessions.push(action.session);
        if (action.session.confirmed) this.#confirm(party, action.session);
      } else if (action.type === "repeated") {
        const session = party.sessions.find((s) => s.data.localIndex === action.localIndex);
        if (session) this.#confirm(party, session);
      } else party.failures.push(action);
    }
  }

  /** The stand-in for a sealed frame under the new session: nine bytes that only this net understands. */
  #confirm(party: Party, session: Established): void {
    party.confirmsSent++;
    const payload = new Uint8Array(9);
    payload[0] = 0xff;
    new DataView(payload.buffer).setUint32(1, session.data.remoteIndex);
    this.post({ from: party.endpoint, to: session.endpoint, payload });
  }

  post(packet: Packet): void {
    this.sent.push(packet);
    for (const p of this.wire(packet)) this.#queue.push({ at: this.now + LATENCY, order: this.#order++, packet: p });
  }

  async run(until: Ms): Promise<void> {
    const end = this.now + until;
    for (;;) {
      const next = this.#queue.sort((a, b) => a.at - b.at || a.order - b.order)[0];
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
    if (payload[0] === 0xff) party.machine.confirmed(new DataView(payload.buffer, payload.byteOffset).getUint32(1));
    else {
      const datagram: Datagram = { endpoint: from, payload: payload.slice() };
      this.perform(party, await party.machine.receive(datagram, this.now));
    }
  }
}
