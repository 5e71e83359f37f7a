/**
 * What a link does to packets, as small functions that are chained: each packet goes in at one moment and comes out at
 * none, one or several later ones. A link that remembers (`capacity`) must stand before those that delay, since it
 * expects packets in the order of time. Percentages run from 0 to 100.
 */
import type { Ms } from "../../../runtime/base/time.ts";
import { HEADER_BYTES, type Packet } from "./packet.ts";

export interface Arrival {
  readonly at: Ms;
  readonly packet: Packet;
}

/** Uniform in [0, 1). */
export type Chance = () => number;

export type Link = (packet: Packet, now: Ms) => readonly Arrival[];

/** A link between two addresses, made when the first packet takes it: each direction has a memory of its own. */
export type LinkKind = (chance: Chance) => Link;

/** What comes out of one goes into the next. */
export const chain = (...kinds: readonly LinkKind[]): LinkKind => {
  return (chance) => {
    const links = kinds.map((kind) => kind(chance));
    return (packet, now) =>
      links.reduce<readonly Arrival[]>(
        (under, link) => under.flatMap((a) => link(a.packet, a.at)),
        [{ at: now, packet }],
      );
  };
};

/** `base` to `base + jitter` milliseconds; packets overtake each other by at most `jitter`. */
export const delay =
  (base: Ms, jitter: Ms = 0): LinkKind =>
  (chance) =>
  (packet, now) => [{ at: now + base + (jitter > 0 ? chance() * jitter : 0), packet }];

export const loss =
  (percent: number): LinkKind =>
  (chance) =>
  (packet, now) =>
    chance() * 100 < percent ? [] : [{ at: now, packet }];

/** Some packets take `by` milliseconds longer, so that all sent meanwhile overtake them. */
export const reorder =
  (percent: number, by: Ms): LinkKind =>
  (chance) =>
  (packet, now) => [{ at: chance() * 100 < percent ? now + by : now, packet }];

/** Some packets come a second time, up to `within` milliseconds after the first. */
export const duplicate =
  (percent: number, within: Ms): LinkKind =>
  (chance) =>
  (packet, now) => {
    const first = { at: now, packet };
    return chance() * 100 < percent ? [first, { at: now + chance() * within, packet }] : [first];
  };

/** IP packets longer than `bytes` vanish, and nobody is told. */
export const narrow =
  (bytes: number): LinkKind =>
  () =>
  (packet, now) =>
    packet.payload.length + (packet.to.address.includes(":") ? 48 : 28) > bytes ? [] : [{ at: now, packet }];

/** `bytesPerSecond`, headers included, with a queue of `queueBytes` before it: what does not fit is dropped. */
export const capacity =
  (bytesPerSecond: number, queueBytes: number): LinkKind =>
  () => {
    let free: Ms = 0; // when the last packet of the queue will have left
    return (packet, now) => {
      const size = packet.payload.length + HEADER_BYTES;
      const waiting = (Math.max(0, free - now) / 1000) * bytesPerSecond;
      if (waiting + size > queueBytes) return [];
      free = Math.max(free, now) + (size / bytesPerSecond) * 1000;
      return [{ at: free, packet }];
    };
  };
