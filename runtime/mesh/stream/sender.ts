/**
 * The sending half of a stream: messages in order, in numbered segments, repeated until they are acknowledged.
 * Retransmission time-out by RFC 6298 (with a shorter minimum: neighbours are near), loss by time order as in RFC 8985
 * (RACK), congestion window by RFC 5681.
 */
import type { Ms } from "../../base/time.ts";
import { type Acknowledgement, encodeSegment, SEGMENT_PAYLOAD, WINDOW } from "./frame.ts";

/** ms. The first is RFC 6298's: who starts beside others answers late, and what is repeated then makes it later. */
const TIMEOUT = { first: 1000, min: 50, max: 3000 } as const;
/** Where nothing is acknowledged it doubles up to this only, and one segment goes at a time: when the way is mended that is soon known, and it costs little. */
const PROBE: Ms = 1000;
/** Time-outs in a row after which the other counts as silent. */
const SILENT = 3;
/** Congestion window in segments: RFC 6928's start; a lossy radio link must not be throttled to a standstill. */
const FLYING = { first: 10, min: 4 } as const;
/** How much younger an acknowledged segment must be before an older one counts as lost, at least. */
const REORDER_MIN: Ms = 2;
const NUMBER_MAX = 0xffff_ffff;

interface Sent {
  readonly number: number;
  readonly payload: Uint8Array;
  readonly last: boolean;
  sentAt: Ms;
  repeated: boolean;
  arrived: boolean;
  lost: boolean;
}

export class StreamSender {
  readonly stream: number;
  /** Segments from the oldest that is not acknowledged on. */
  #segments: Sent[] = [];
  #next = 0;
  #opened = false;
  readonly #messages: Uint8Array[] = [];
  #offset = 0; // into the first message
  #queued = 0;
  #window: number = FLYING.first;
  #threshold = WINDOW;
  /** A loss among segments below this was answered already. */
  #recovering = 0;
  #smoothed: Ms | undefined;
  #variation: Ms = 0;
  #timeout: Ms = TIMEOUT.first;
  /** Time-outs since the last acknowledgement of something new. */
  #timeouts = 0;
  /** When the youngest segment known to have arrived was sent. */
  #youngest: Ms = Number.NEGATIVE_INFINITY;

  /** `stream`: random, not zero. */
  constructor(stream: number) {
    this.stream = stream;
  }

  /** Bytes of messages that nobody has acknowledged. */
  get backlog(): number {
    return this.#queued + this.#segments.reduce((sum, s) => sum + s.payload.length, 0);
  }

  /** Smoothed (RFC 6298); undefined before the first. */
  get roundTrip(): Ms | undefined {
    return this.#smoothed;
  }

  /** Whether the stream has no numbers left; the caller begins a new one. */
  get exhausted(): boolean {
    return this.#next >= NUMBER_MAX;
  }

  /** When `tick` has something to do. */
  get due(): Ms | undefined {
    let oldest: Ms | undefined;
    for (const s of this.#segments) {
      if (isFlying(s) && (oldest === undefined || s.sentAt < oldest)) oldest = s.sentAt;
    }
    return oldest === undefined ? undefined : oldest + this.#timeout;
  }

  push(message: Uint8Array): void {
    this.#messages.push(message);
    this.#queued += message.length;
  }

  /** What may be sent now. */
  frames(now: Ms): Uint8Array[] {
    const out: Uint8Array[] = [];
    let flying = this.#segments.filter(isFlying).length;
    for (const s of this.#segments) {
      if (flying >= this.#window) break;
      if (!s.lost) continue;
      s.lost = false;
      s.repeated = true;
      s.sentAt = now;
      flying++;
      out.push(this.#encode(s));
    }
    for (; flying < this.#window && this.#messages.length > 0 && this.#segments.length < WINDOW; flying++) {
      if (this.exhausted) break;
      const s = this.#cut(now);
      this.#segments.push(s);
      out.push(this.#encode(s));
    }
    return out;
  }

  /** Takes an acknowledgement of this stream; one of what was never sent is ignored. */
  acknowledge(a: Acknowledgement, now: Ms): void {
    const base = this.#segments[0]?.number ?? this.#next;
    if (a.next > this.#next) return;
    this.#opened = true;
    let newly = 0;
    let sample: Ms | undefined;
    for (const s of this.#segments) {
      if (s.arrived || !covers(a, s.number)) continue;
      s.arrived = true;
      s.lost = false;
      newly++;
      if (!s.repeated) sample = now - s.sentAt; // Karn: a repeated one does not tell which copy arrived
      if (!s.repeated || now - s.sentAt >= (this.#smoothed ?? 0) / 2)
        this.#youngest = Math.max(this.#youngest, s.sentAt);
    }
    if (newly === 0) return;
    this.#timeouts = 0;
    if (a.next > base) this.#segments = this.#segments.filter((s) => s.number >= a.next);
    if (sample !== undefined) this.#measure(sample);
    this.#resetTimeout();
    this.#grow(newly);
    this.#detectLoss();
  }

  /** The retransmission timer (RFC 6298, section 5): all that flies counts as lost, and the timer doubles. */
  tick(now: Ms): void {
    if ((this.due ?? Number.POSITIVE_INFINITY) > now) return;
    const flying = this.#loseFlying();
    if (++this.#timeouts === 1) this.#threshold = Math.max(flying / 2, FLYING.min);
    this.#window = this.#timeouts < SILENT ? FLYING.min : 1;
    this.#recovering = this.#next;
    this.#timeout = Math.max(this.#timeout, Math.min(this.#timeout * 2, PROBE));
  }

  /** The other said something. When it had been silent it may hear us again as well, and what it has not acknowledged is not waited for. */
  heard(now: Ms): void {
    const due = this.due;
    if (this.#timeouts >= SILENT && due !== undefined && now >= due - this.#timeout + TIMEOUT.min) this.#loseFlying();
  }

  /** Gives how many flew. */
  #loseFlying(): number {
    const flying = this.#segments.filter(isFlying);
    for (const s of flying) s.lost = true;
    return flying.length;
  }

  #cut(now: Ms): Sent {
    const message = this.#messages[0] as Uint8Array;
    const payload = message.subarray(this.#offset, this.#offset + SEGMENT_PAYLOAD);
    this.#offset += payload.length;
    this.#queued -= payload.length;
    const last = this.#offset >= message.length;
    if (last) {
      this.#messages.shift();
      this.#offset = 0;
    }
    return { number: this.#next++, payload, last, sentAt: now, repeated: false, arrived: false, lost: false };
  }

  #encode({ number, payload, last }: Sent): Uint8Array {
    return encodeSegment({ stream: this.stream, number, payload, last, open: !this.#opened });
  }

  #measure(sample: Ms): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = sample;
      this.#variation = sample / 2;
    } else {
      this.#variation += (Math.abs(this.#smoothed - sample) - this.#variation) / 4;
      this.#smoothed += (sample - this.#smoothed) / 8;
    }
  }

  /** Progress ends the doubling, even when only repeated segments arrived, which give no sample. */
  #resetTimeout(): void {
    if (this.#smoothed === undefined) return;
    const wanted = this.#smoothed + 4 * this.#variation;
    this.#timeout = Math.min(Math.max(wanted, TIMEOUT.min), TIMEOUT.max);
  }

  #grow(newly: number): void {
    const more = this.#window < this.#threshold ? newly : newly / this.#window;
    this.#window = Math.min(this.#window + more, WINDOW);
  }

  #detectLoss(): void {
    const reordering = Math.max((this.#smoothed ?? 0) / 4, REORDER_MIN);
    let worst = -1;
    for (const s of this.#segments) {
      if (!isFlying(s) || s.sentAt + reordering >= this.#youngest) continue;
      s.lost = true;
      worst = s.number;
    }
    if (worst < this.#recovering) return;
    this.#threshold = Math.max(this.#window / 2, FLYING.min);
    this.#window = this.#threshold;
    this.#recovering = this.#next;
  }
}

const isFlying = (s: Sent): boolean => !s.arrived && !s.lost;

function covers(a: Acknowledgement, number: number): boolean {
  if (number < a.next) return true;
  const bit = number - a.next - 1;
  return bit >= 0 && ((a.bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}
