/** Gateways on a lossy network with a virtual clock. The provider is the native one: real ML-KEM and ML-DSA. */

import { equal } from "../../runtime/base/bytes.ts";
import { Meter } from "../../runtime/base/meter.ts";
import { randomBelow } from "../../runtime/base/random.ts";
import type { Ms } from "../../runtime/base/time.ts";
import { native } from "../../runtime/crypto/native.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import { type Mesh as Genesis, openMesh } from "../../runtime/identity/chain.ts";
import type { MemberIssuer } from "../../runtime/identity/issue.ts";
import type { NodeKeys } from "../../runtime/identity/keys.ts";
import { Roster } from "../../runtime/identity/roster.ts";
import { FRAME } from "../../runtime/mesh/frame.ts";
import type { Admission, RemoteMember, VerifyForeign } from "../../runtime/mesh/handshake/ports.ts";
import { Mesh } from "../../runtime/mesh/mesh.ts";
import { type Adopted, MESH_SETTINGS } from "../../runtime/mesh/ports.ts";
import type { Datagram, MeshAction, MeshEvent, MeshNotice } from "../../runtime/mesh/types.ts";
import { seededRandom } from "../help/seeded.ts";
import { DataModel } from "./data-model.ts";

const RATES = { aes256Gcm: 1000, chacha20Poly1305: 500 };

export interface Gateway {
  readonly id: Uint8Array;
  readonly address: string;
  endpoint: Datagram["endpoint"];
  readonly mesh: Mesh;
  readonly roster: Roster | undefined;
  readonly meter: Meter;
  readonly notices: MeshNotice[];
  readonly actions: MeshAction[];
  readonly data: DataModel;
}

export interface Options {
  readonly crypto?: CryptoProvider;
  readonly dials?: (member: RemoteMember) => boolean;
  readonly admission?: (roster: Roster) => Admission;
}

export class World {
  now: Ms = 0;
  loss = 0;
  /** Sees every datagram that is sent; what it returns is delivered. */
  wire: (datagram: Datagram) => readonly Uint8Array[] = (d) => [d.payload];
  readonly gateways: Gateway[] = [];
  readonly #random;
  readonly #flying: { at: Ms; from: Gateway; to: Gateway; payload: Uint8Array }[] = [];

  /** Data packets every 100 ms from each gateway to each peer, while it is true. */
  load = false;
  opened = 0;
  unopened = 0;
  partitioned: (a: Gateway, b: Gateway) => boolean = () => false;

  constructor(seed: string) {
    this.#random = seededRandom(seed);
  }

  async add(genesis: Genesis, member: MemberIssuer, options: Options = {}): Promise<Gateway> {
    const crypto = options.crypto ?? native;
    const meter = new Meter();
    const roster = Roster.of(crypto, genesis.encoded);
    const own = await roster.admit(member.chain.encoded);
    if (!own) throw new Error("the member's chain does not hold");
    const membership = {
      meshId: genesis.id,
      genesis: genesis.encoded,
      chain: own.chain,
      certificateHash: own.certificateHash,
    };
    const local = { keys: member.keys, rates: RATES, membership };
    const verifyForeign = async (): Promise<undefined> => undefined;
    const adopt = async (): Promise<undefined> => undefined;
    const ports = { crypto, random: this.#random, local, directory: roster, verifyForeign };
    const admission = options.admission?.(roster);
    const settings = { ...MESH_SETTINGS, ...(options.dials ? { dials: options.dials } : {}) };
    const mesh = new Mesh({ ...ports, admission, adopt, settings, meter }, this.now);
    return this.#enter(own.id, own.address, mesh, roster, meter, crypto);
  }

  /** A gateway with keys and nothing else: it can only join. */
  addJoiner(keys: NodeKeys): Gateway {
    const crypto = native;
    const meter = new Meter();
    const adopt = async ({
      chain,
      genesis,
    }: {
      chain: Uint8Array;
      genesis: Uint8Array;
    }): Promise<Adopted | undefined> => {
      const joined = Roster.of(crypto, genesis);
      const own = await joined.admit(chain);
      if (!own) return undefined;
      const membership = { meshId: joined.meshId, genesis, chain, certificateHash: own.certificateHash };
      return { local: { keys, rates: RATES, membership }, directory: joined, admission: undefined };
    };
    const verifyForeign: VerifyForeign = async (meshId, genesis, chain) => {
      const opened = openMesh(crypto, genesis);
      return opened && equal(opened.id, meshId) ? await Roster.of(crypto, genesis).admit(chain) : undefined;
    };
    const local = { keys, rates: RATES, membership: undefined };
    const ports = { crypto, random: this.#random, local, directory: undefined, admission: undefined, verifyForeign };
    const mesh = new Mesh({ ...ports, adopt, settings: MESH_SETTINGS, meter }, this.now);
    return this.#enter(keys.id, "", mesh, undefined, meter, crypto);
  }

  #enter(
    id: Uint8Array,
    address: string,
    mesh: Mesh,
    roster: Roster | undefined,
    meter: Meter,
    crypto: CryptoProvider,
  ): Gateway {
    const endpoint = { address: "10.0.0.1", port: 1000 + this.gateways.length };
    const data = new DataModel(crypto);
    const gateway: Gateway = { id, address, endpoint, mesh, roster, meter, notices: [], actions: [], data };
    this.gateways.push(gateway);
    return gateway;
  }

  async feed(to: Gateway, event: MeshEvent): Promise<void> {
    for (const action of await to.mesh.handle(event, this.now)) {
      if (action.type !== "send") to.actions.push(action);
      to.data.apply(action);
      if (action.type === "notice") to.notices.push(action.notice);
      if (action.type === "send") this.#send(to, action.datagram);
    }
    this.#due.set(to, to.mesh.deadline() ?? Number.POSITIVE_INFINITY);
  }

  connect(from: Gateway, to: Gateway): Promise<void> {
    return this.feed(from, { type: "command", command: { type: "connect", id: to.id, endpoint: to.endpoint } });
  }

  /** Lets `span` milliseconds of the virtual clock pass. */
  async run(span: Ms): Promise<void> {
    const end = this.now + span;
    for (;;) {
      if (this.load && this.now >= this.#nextLoad) this.#sendLoad();
      const due = this.#due.values();
      const next = Math.min(...due, this.#flying[0]?.at ?? end + 1, this.load ? this.#nextLoad : end + 1);
      if (next > end) break;
      this.now = Math.max(this.now, next);
      while (this.#flying[0] && this.#flying[0].at <= this.now) {
        const { from, to, payload } = this.#flying.shift() as {
          from: Gateway;
          to: Gateway;
          payload: Uint8Array;
          at: Ms;
        };
        if (payload[0] === FRAME.data) this.#count(to.data.opens(payload));
        else await this.feed(to, { type: "datagrams", batch: [{ endpoint: from.endpoint, payload }] });
      }
      for (const [g, at] of [...this.#due]) if (at <= this.now) await this.feed(g, { type: "tick" });
    }
    this.now = end;
  }

  #nextLoad: Ms = 0;
  readonly #due = new Map<Gateway, Ms>();

  #sendLoad(): void {
    this.#nextLoad = this.now + 100;
    for (const from of this.gateways)
      for (const { peer, payload } of from.data.packets()) {
        const to = this.gateways.find((g) => g.address === peer);
        if (to) this.#send(from, { endpoint: to.endpoint, payload });
      }
  }

  #count(opened: boolean): void {
    if (opened) this.opened++;
    else this.unopened++;
  }

  #send(from: Gateway, datagram: Datagram): void {
    const to = this.gateways.find((g) => isAt(g, datagram.endpoint));
    if (!to || this.partitioned(from, to)) return;
    for (const payload of this.wire(datagram)) {
      if (randomBelow(this.#random, 100) < this.loss) continue;
      const at = this.now + 5 + randomBelow(this.#random, 20);
      const after = this.#flying.findLastIndex((f) => f.at <= at);
      this.#flying.splice(after + 1, 0, { at, from, to, payload: payload.slice() });
    }
  }
}

const isAt = (g: Gateway, e: Datagram["endpoint"]): boolean =>
  g.endpoint.port === e.port && g.endpoint.address === e.address;
