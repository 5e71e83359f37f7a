/** Somebody on the wire: hears everything, keeps it, and sends what it likes under any address. It holds no keys. */
import { concat } from "../../runtime/base/bytes.ts";
import type { Endpoint } from "../../runtime/base/endpoint.ts";
import type { Ms } from "../../runtime/base/time.ts";
import type { Chance } from "./network/link.ts";
import type { Packet } from "./network/packet.ts";
import type { World } from "./world.ts";

/** What may be done to a copy of a datagram. */
export type Trick = (packet: Packet, chance: Chance) => Packet;

const below = (chance: Chance, n: number): number => Math.floor(chance() * n);

/** An address of its own, where nobody answers. */
const ELSEWHERE: Endpoint = { address: "203.0.113.66", port: 6666 };

export const TRICKS = {
  replay: (p) => p,
  flip: (p, chance) => {
    const at = below(chance, p.payload.length);
    const bit = 1 << below(chance, 8);
    return { ...p, payload: p.payload.with(at, (p.payload[at] ?? 0) ^ bit) };
  },
  truncate: (p, chance) => ({ ...p, payload: p.payload.slice(0, below(chance, p.payload.length)) }),
  extend: (p, chance) => ({ ...p, payload: concat(p.payload, new Uint8Array(1 + below(chance, 40)).fill(1)) }),
  /** As if the sender had moved. */
  redirect: (p) => ({ ...p, from: ELSEWHERE }),
  /** Back to who sent it, in the name of who was meant. */
  reflect: (p) => ({ ...p, from: p.to, to: p.from }),
} as const satisfies Record<string, Trick>;

export type TrickName = keyof typeof TRICKS;

export class Adversary {
  readonly heard: Packet[] = [];
  readonly #world: World;
  readonly #chance: Chance;

  /** Begins to listen; everything still passes. */
  constructor(world: World, chance: Chance) {
    this.#world = world;
    this.#chance = chance;
    world.wire = (packet) => {
      this.heard.push(packet);
      return [packet];
    };
  }

  /** From now on `percent` of all datagrams are followed by a copy with a trick, `after` to `after + spread` ms later. */
  meddle(tricks: readonly TrickName[], percent: number, after: Ms, spread: Ms): void {
    const world = this.#world;
    world.wire = (packet, now) => {
      this.heard.push(packet);
      if (this.#chance() * 100 < percent) {
        const trick = TRICKS[tricks[below(this.#chance, tricks.length)] as TrickName];
        const copy = trick(packet, this.#chance);
        world.at(now + after + this.#chance() * spread, () => world.inject(copy));
      }
      return [packet];
    };
  }

  /** Copies with a trick arrive before their originals, wherever `of` says so. */
  race(trick: TrickName, of: (packet: Packet) => boolean): void {
    const world = this.#world;
    world.wire = (packet, now) => {
      this.heard.push(packet);
      if (!of(packet)) return [packet];
      const copy = TRICKS[trick](packet, this.#chance);
      world.at(now, () => world.inject(copy));
      return [packet];
    };
  }

  rest(): void {
    this.#world.wire = (packet) => {
      this.heard.push(packet);
      return [packet];
    };
  }
}
