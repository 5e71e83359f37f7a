/** Frames of the reliable stream between two neighbours. They travel inside sealed control frames, which may be lost. */
import { reserved, struct } from "../../base/struct.ts";
import { MAX_DATAGRAM, RelayHeader, SealedHeader } from "../frame.ts";

/** First byte of a control frame's plaintext; everything from 0xa0 on is a CBOR map (`session/message.ts`). */
export const STREAM_FRAME = { segment: 1, acknowledge: 2, reset: 3 } as const;

/** Segments that may be under way or out of order at a time. */
export const WINDOW = 256;

export const SegmentHeader = struct("segment_header", {
  type: "u8", //        0  STREAM_FRAME.segment
  flags: "u8", //       1  SEGMENT_FLAG; unknown bits are refused
  reserved: reserved(2), // 2
  stream: "u32le", //   4  chosen at random by the sender, not zero; another one begins anew
  number: "u32le", //   8  counts segments from 0
}); //                 12  bytes; 1 to SEGMENT_PAYLOAD bytes follow

export const SEGMENT_FLAG = {
  last: 1, // the message ends here
  open: 2, // nothing of this stream has been acknowledged yet: who does not know the stream may begin it
} as const;

/** Also the reset ("I do not know this stream"), with `next` 0 and no bitmap. */
export const StreamAcknowledge = struct("stream_acknowledge", {
  type: "u8", //        0  STREAM_FRAME.acknowledge or .reset
  reserved: reserved(3), // 1
  stream: "u32le", //   4
  next: "u32le", //     8  every segment below has arrived, this one has not
}); //                 12  bytes; a bitmap of at most WINDOW / 8 bytes follows: bit n of it is segment next + 1 + n

const TAG_BYTES = 16;
export const SEGMENT_PAYLOAD = MAX_DATAGRAM - RelayHeader.size - SealedHeader.size - TAG_BYTES - SegmentHeader.size;

export interface Segment {
  readonly stream: number;
  readonly number: number;
  readonly last: boolean;
  readonly open: boolean;
  readonly payload: Uint8Array;
}

export interface Acknowledgement {
  readonly stream: number;
  readonly next: number;
  readonly bitmap: Uint8Array;
}

export function encodeSegment(s: Segment): Uint8Array {
  const flags = (s.last ? SEGMENT_FLAG.last : 0) | (s.open ? SEGMENT_FLAG.open : 0);
  const head = SegmentHeader.encode({ type: STREAM_FRAME.segment, flags, stream: s.stream, number: s.number });
  const frame = new Uint8Array(SegmentHeader.size + s.payload.length);
  frame.set(head);
  frame.set(s.payload, SegmentHeader.size);
  return frame;
}

/** Undefined for anything malformed. The payload is a view into `frame`. */
export function decodeSegment(frame: Uint8Array): Segment | undefined {
  const header = SegmentHeader.decode(frame);
  if (!header || header.type !== STREAM_FRAME.segment || header.stream === 0) return undefined;
  if ((header.flags & ~(SEGMENT_FLAG.last | SEGMENT_FLAG.open)) !== 0) return undefined;
  const payload = frame.subarray(SegmentHeader.size);
  if (payload.length < 1 || payload.length > SEGMENT_PAYLOAD) return undefined;
  const { stream, number, flags } = header;
  return { stream, number, last: (flags & SEGMENT_FLAG.last) !== 0, open: (flags & SEGMENT_FLAG.open) !== 0, payload };
}

export function encodeAcknowledgement(a: Acknowledgement): Uint8Array {
  const head = StreamAcknowledge.encode({ type: STREAM_FRAME.acknowledge, stream: a.stream, next: a.next });
  const frame = new Uint8Array(StreamAcknowledge.size + a.bitmap.length);
  frame.set(head);
  frame.set(a.bitmap, StreamAcknowledge.size);
  return frame;
}

export function decodeAcknowledgement(frame: Uint8Array): Acknowledgement | undefined {
  const header = StreamAcknowledge.decode(frame);
  const bitmap = frame.subarray(StreamAcknowledge.size);
  if (!header || header.type !== STREAM_FRAME.acknowledge || bitmap.length > WINDOW / 8) return undefined;
  return { stream: header.stream, next: header.next, bitmap };
}

export const encodeReset = (stream: number): Uint8Array =>
  StreamAcknowledge.encode({ type: STREAM_FRAME.reset, stream, next: 0 });

/** The stream that the other side does not know. */
export function decodeReset(frame: Uint8Array): number | undefined {
  if (frame.length !== StreamAcknowledge.size) return undefined;
  const header = StreamAcknowledge.decode(frame);
  return header?.type === STREAM_FRAME.reset && header.next === 0 ? header.stream : undefined;
}
