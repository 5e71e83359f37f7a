/** The last so many of something, by name. */
export class Recent<T> {
  readonly #max: number;
  readonly #items = new Map<string, T>();

  constructor(max: number) {
    this.#max = max;
  }

  get(name: string): T | undefined {
    return this.#items.get(name);
  }

  set(name: string, item: T): void {
    this.#items.delete(name);
    if (this.#items.size >= this.#max) this.#items.delete(this.#items.keys().next().value as string);
    this.#items.set(name, item);
  }
}
