/**
 * Time is injected. `Ms` counts milliseconds of a monotonic clock whose zero means nothing; wall-clock seconds are
 * `UnixSeconds` and never decide anything on the wire.
 */
export type Ms = number;
export type UnixSeconds = number;

export const seconds = (n: number): Ms => n * 1000;
export const minutes = (n: number): Ms => n * 60_000;
export const hours = (n: number): Ms => n * 3_600_000;

export interface Clock {
  /** Monotonic milliseconds. */
  now(): Ms;
  /** The system's idea of the date; may be wrong by years on a gateway without a battery. */
  unix(): UnixSeconds;
}
