/** Gateways on a lossy network with a virtual clock. The provider is the native one: real ML-KEM and ML-DSA. */
import { endpointKey } from "../../runtime/base/endpoint.ts";
import { Meter } from "../../runtime/base/meter.ts";
import { randomBelow } from "../../runtime/base/random.ts";
import type { Ms } from "../../runtime/base/time.ts";
import { native as crypto } from "../../runtime/crypto/native.ts";
import type { Mesh as Genesis } from "../../runtime/identity/chain.ts";
import type { MemberIssuer } from "../../runtime/identity/issue.ts";
import { Roster } from "../../runtime/identity/roster.ts";
import { Mesh } from "../../runtime/mesh/mesh.ts";
import { MESH_SETTINGS } from "../../runtime/mesh/ports.ts";
import type { Datagram, MeshAction, MeshEvent, MeshNotice } from "../../runtime/mesh/types.ts";
import { seededRandom } from "../help/seeded.ts";

const RATES = { aes256Gcm: 1000, chacha20Poly1305: 500 };

export interface Gateway {
  readonly id: Uint8Array;
  readonly address: string;
  readonly endpoint: Datagram["endpoint"];
  readonly mesh: Mesh;
  readonly roster: Roster;
  readonly meter: Meter;
  readonly notices: MeshNotice[];
  readonly actions: MeshAction[];
}

export class World {
  now: Ms = 0;
  loss = 0;
  /** Sees every datagram that is sent; what it returns is delivered. */
  wire: (datagram: Datagram) => readonly Uint8Array[] = (d) => [d.payload];
  readonly gateways: Gateway[] = [];
  readonly #random;
  readonly #flying: { at: Ms; from: Gateway; to: Gateway; payload: Uint8Array }[] = [];

  constructor(seed: string) {
    this.#random = seededRandom(seed);
  }

  async add(genesis: Genesis, member: MemberIssuer): Promise<Gateway> {
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
    const ports = { crypto, random: this.#random, local, directory: roster, admission: undefined, verifyForeign };
    const mesh = new Mesh({ ...ports, adopt, settings: MESH_SETTINGS, meter }, this.now);
    const endpoint = { address: "10.0.0.1", port: 1000 + this.gateways.length };
    const gateway: Gateway = {
      id: own.id,
      address: own.address,
      endpoint,
      mesh,
      roster,
      meter,
      notices: [],
      actions: [],
    };
    this.gateways.push(gateway);
    return gateway;
  }

  async feed(to: Gateway, event: MeshEvent): Promise<void> {
    for (const action of await to.mesh.handle(event, this.now)) {
      to.actions.push(action);
      if (action.type === "notice") to.notices.push(action.notice);
      if (action.type === "send") this.#send(to, action.datagram);
    }
  }

  connect(from: Gateway, to: Gateway): Promise<void> {
    return this.feed(from, { type: "command", command: { type: "connect", id: to.id, endpoint: to.endpoint } });
  }

  /** Lets `span` milliseconds of the virtual clock pass. */
  async run(span: Ms): Promise<void> {
    const end = this.now + span;
    for (;;) {
      this.#flying.sort((a, b) => a.at - b.at);
      const due = this.gateways.map((g) => g.mesh.deadline() ?? Number.POSITIVE_INFINITY);
      const next = Math.min(...due, this.#flying[0]?.at ?? Number.POSITIVE_INFINITY);
      if (next > end) break;
      this.now = Math.max(this.now, next);
      while (this.#flying[0] && this.#flying[0].at <= this.now) {
        const { from, to, payload } = this.#flying.shift() as {
          from: Gateway;
          to: Gateway;
          payload: Uint8Array;
          at: Ms;
        };
        await this.feed(to, { type: "datagrams", batch: [{ endpoint: from.endpoint, payload }] });
      }
      for (const g of this.gateways)
        if ((g.mesh.deadline() ?? end + 1) <= this.now) await this.feed(g, { type: "tick" });
    }
    this.now = end;
  }

  #send(from: Gateway, datagram: Datagram): void {
    const to = this.gateways.find((g) => endpointKey(g.endpoint) === endpointKey(datagram.endpoint));
    if (!to) return;
    for (const payload of this.wire(datagram)) {
      if (randomBelow(this.#random, 100) < this.loss) continue;
      this.#flying.push({ at: this.now + 5 + randomBelow(this.#random, 20), from, to, payload: payload.slice() });
    }
  }
}
