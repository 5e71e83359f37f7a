/** Flows as people read them: which of them, how fast, in 80 columns. Pure: `flows` and `top` ask the daemon. */
import { TrellisError } from "../base/errors.ts";
import { age, shorten, size, table } from "./show.ts";

interface Carried {
  readonly packets: number;
  readonly bytes: number;
}

export interface FlowIds {
  readonly peer: string;
  readonly remote: string;
  readonly local: string;
  readonly protocol: string;
  readonly localPort: number | null;
  readonly remotePort: number | null;
  readonly echoId: number | null;
  readonly opener: "in" | "out";
  readonly rule: number | null;
  readonly verdict: "allowed" | "denied";
  readonly reason: string | null;
}

export interface FlowView extends FlowIds {
  readonly received: Carried;
  readonly sent: Carried;
  readonly ageMs: number;
  readonly idleMs: number;
}

const WORDS: Readonly<Record<string, (f: FlowIds) => boolean>> = {
  in: (f) => f.opener === "in",
  out: (f) => f.opener === "out",
  allowed: (f) => f.verdict === "allowed",
  denied: (f) => f.verdict === "denied",
};

/**
 * Whether a flow is meant by `words`, all of which must fit: a peer's name or address, a protocol, a port, `in` or `out` by
 * who opened it, `allowed` or `denied`. Throws `usage/filter` for what can be none of these.
 */
export function flowFilter(words: string): (f: FlowIds) => boolean {
  const tests = words
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((word) => {
      if (!/^[0-9a-z.:-]+$/.test(word))
        throw new TrellisError("usage/filter", `"${word}" is no peer, protocol, port or verdict`, {
          hint: "for example --filter b,tcp,22,denied",
        });
      const known = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
      const named = (f: FlowIds): boolean => [f.peer, f.remote, f.protocol].includes(word);
      const port = /^\d+$/.test(word) ? Number(word) : undefined;
      return (
        known ??
        ((f: FlowIds): boolean =>
          named(f) || ([f.localPort, f.remotePort].includes(port ?? null) && port !== undefined))
      );
    });
  return (f) => tests.every((test) => test(f));
}

/** The port that was asked for, and the one it was asked from. */
const portsOf = (f: FlowIds): readonly [asked: number | null, from: number | null] =>
  f.opener === "in" ? [f.localPort, f.remotePort] : [f.remotePort, f.localPort];

export function serviceOf(f: FlowIds): string {
  const [asked] = portsOf(f);
  return asked === null ? f.protocol : `${f.protocol} ${asked}`;
}

export function verdictOf({ rule, verdict, reason }: FlowIds): string {
  if (rule !== null) return `${verdict === "denied" ? "deny " : "rule "}${rule}`;
  return verdict === "denied" ? `deny ${reason}` : "default";
}

const NAME_MAX = 13;

export const flowTable = (flows: readonly FlowView[]): string[] =>
  flows.length === 0
    ? ["no flows"]
    : table(
        ["peer", "by", "service", "from", "received", "sent", "idle", "verdict"],
        flows.map((f) => [
          shorten(f.peer, NAME_MAX),
          f.opener === "in" ? "it" : "us",
          serviceOf(f),
          String(portsOf(f)[1] ?? "-"),
          size(f.received.bytes),
          size(f.sent.bytes),
          age(f.idleMs),
          verdictOf(f),
        ]),
      );

export interface Rate {
  readonly peer: string;
  /** Undefined for all of a peer's. */
  readonly service: string | undefined;
  readonly flows: number;
  /** Bits and packets per second. */
  readonly receivedBits: number;
  readonly sentBits: number;
  readonly packets: number;
}

/** What no two flows share. */
const keyOf = (f: FlowView): string =>
  JSON.stringify([f.remote, f.local, f.protocol, f.localPort, f.remotePort, f.echoId, f.opener, f.verdict]);

/** What flowed between two looks `seconds` apart, the fastest first; by peer, or by peer and service. */
export function rates(
  before: readonly FlowView[],
  after: readonly FlowView[],
  seconds: number,
  byService: boolean,
): Rate[] {
  const known = new Map(before.map((f) => [keyOf(f), f]));
  const sums = new Map<string, Rate>();
  for (const flow of after.filter((f) => f.verdict === "allowed")) {
    const earlier = known.get(keyOf(flow));
    // A flow that began anew in between counts from zero.
    const old = earlier && earlier.ageMs <= flow.ageMs ? earlier : undefined;
    const service = byService ? serviceOf(flow) : undefined;
    const key = JSON.stringify([flow.peer, service]);
    const sum = sums.get(key);
    const perSecond = (now: number, then: number | undefined): number => Math.max(0, now - (then ?? 0)) / seconds;
    sums.set(key, {
      peer: flow.peer,
      service,
      flows: (sum?.flows ?? 0) + 1,
      receivedBits: (sum?.receivedBits ?? 0) + 8 * perSecond(flow.received.bytes, old?.received.bytes),
      sentBits: (sum?.sentBits ?? 0) + 8 * perSecond(flow.sent.bytes, old?.sent.bytes),
      packets:
        (sum?.packets ?? 0) +
        perSecond(flow.received.packets + flow.sent.packets, old && old.received.packets + old.sent.packets),
    });
  }
  const speed = (r: Rate): number => r.receivedBits + r.sentBits;
  return [...sums.values()].sort((a, b) => speed(b) - speed(a) || (a.peer < b.peer ? -1 : 1));
}

const bits = (perSecond: number): string => `${size(perSecond).replace("B", "bit")}/s`;

const RATE_NAME_MAX = 20;

export const rateTable = (all: readonly Rate[]): string[] =>
  all.length === 0
    ? ["no flows"]
    : table(
        ["peer", ...(all[0]?.service === undefined ? [] : ["service"]), "received", "sent", "packets/s", "flows"],
        all.map((r) => [
          shorten(r.peer, RATE_NAME_MAX),
          ...(r.service === undefined ? [] : [r.service]),
          bits(r.receivedBits),
          bits(r.sentBits),
          r.packets.toFixed(0),
          String(r.flows),
        ]),
      );
