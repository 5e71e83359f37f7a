/** The receiving half of a stream: segments in any order become messages in order, within a bounded buffer. */
import { concat } from "../../base/bytes.ts";
import { type Acknowledgement, type Segment, WINDOW } from "./frame.ts";

export type Arrival =
  | { readonly messages: readonly Uint8Array[] }
  | { readonly refused: "unknown" | "window" | "size" };

export class StreamReceiver {
  readonly #messageMax: number;
  #stream = 0;
  #next = 0;
  #early = new Map<number, { readonly payload: Uint8Array; readonly last: boolean }>();
  #parts: Uint8Array[] = [];
  #size = 0;
  #owes = false;

  /** `messageMax`: bytes of the longest message that is taken. */
  constructor(messageMax: number) {
    this.#messageMax = messageMax;
  }

  /** Another stream than the one in use is begun when its sender says that it is new, and refused as unknown otherwise. */
  accept(s: Segment): Arrival {
    if (s.stream !== this.#stream) {
      if (!s.open) return { refused: "unknown" };
      this.#begin(s.stream);
    }
    this.#owes = true;
    if (s.number < this.#next) return { messages: [] };
    if (s.number >= this.#next + WINDOW) return { refused: "window" };
    if (!this.#early.has(s.number)) this.#early.set(s.number, { payload: s.payload.slice(), last: s.last });
    return this.#collect();
  }

  /** What is to be reported, once after each batch that brought segments. */
  acknowledgement(): Acknowledgement | undefined {
    if (!this.#owes) return undefined;
    this.#owes = false;
    const highest = Math.max(-1, ...this.#early.keys()) - this.#next - 1;
    const bitmap = new Uint8Array(highest < 0 ? 0 : (highest >> 3) + 1);
    for (const number of this.#early.keys()) {
      const bit = number - this.#next - 1;
      bitmap[bit >> 3] = (bitmap[bit >> 3] as number) | (1 << (bit & 7));
    }
    return { stream: this.#stream, next: this.#next, bitmap };
  }

  #begin(stream: number): void {
    this.#stream = stream;
    this.#next = 0;
    this.#early = new Map();
    this.#parts = [];
    this.#size = 0;
  }

  #collect(): Arrival {
    const messages: Uint8Array[] = [];
    for (let s = this.#early.get(this.#next); s; s = this.#early.get(this.#next)) {
      this.#early.delete(this.#next++);
      this.#parts.push(s.payload);
      this.#size += s.payload.length;
      if (this.#size > this.#messageMax) {
        this.#begin(0);
        this.#owes = false;
        return { refused: "size" };
      }
      if (!s.last) continue;
      messages.push(concat(...this.#parts));
      this.#parts = [];
      this.#size = 0;
    }
    return { messages };
  }
}
