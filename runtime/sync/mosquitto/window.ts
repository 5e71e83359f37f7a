/** Whether local publications wait in Mosquitto's queue for us, so that they come later than what we published after them. */

/** Unacknowledged messages that Mosquitto may have sent us: a batch of records holds as many. */
export const WINDOW = 256;

export class Window {
  readonly #size: number;
  #came = 0;
  #acknowledged = 0;
  #congested = false;

  constructor(size = WINDOW) {
    this.#size = size;
  }

  /** Whether some may have waited when it made its last answer to us. */
  get congested(): boolean {
    return this.#congested;
  }

  /** Of what is sent now, for `answered`. */
  get mark(): number {
    return this.#acknowledged;
  }

  came(): void {
    this.#came++;
  }

  acknowledged(): void {
    this.#acknowledged++;
  }

  /** To what was sent at `mark`. Of all that came before the answer, Mosquitto knew so many to be dealt with: if there was room, nothing waited. */
  answered(mark: number): void {
    this.#congested = this.#came - mark >= this.#size;
  }
}
