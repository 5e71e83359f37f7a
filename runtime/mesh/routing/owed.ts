/** What a neighbour is still to be told of one kind, from when on, and whether somebody else has told it meanwhile. */
import type { Ms } from "../../base/time.ts";

interface Debt {
  at: Ms;
  covered: boolean;
}

export class Owed<T> {
  readonly #apart: { readonly first: Ms; readonly most: Ms };
  readonly #debts = new Map<T, Debt>();
  /** No debt is due before. */
  #next: Ms = Number.POSITIVE_INFINITY;
  #taken: Ms = Number.NEGATIVE_INFINITY;
  #pause: Ms;

  /** `apart`: between two times at which something is taken; doubled while debts keep coming, up to `most`. */
  constructor(apart: { readonly first: Ms; readonly most: Ms }) {
    this.#apart = apart;
    this.#pause = apart.first;
  }

  /** When `take` is worth while. */
  get due(): Ms {
    return this.#debts.size === 0 ? Number.POSITIVE_INFINITY : Math.max(this.#next, this.#taken + this.#pause);
  }

  /** Not before `at`, or as soon as what it replaces. */
  add(item: T, at: Ms): void {
    this.#debts.set(item, { at: Math.min(at, this.#debts.get(item)?.at ?? at), covered: false });
    this.#next = Math.min(this.#next, at);
  }

  delete(item: T): void {
    this.#debts.delete(item);
  }

  /** One more has told it. The second word is enough, so that no single liar can silence others. */
  cover(item: T): void {
    const debt = this.#debts.get(item);
    if (debt?.covered) this.#debts.delete(item);
    else if (debt) debt.covered = true;
  }

  /** At most `max` of what is due. */
  take(now: Ms, max: number): T[] {
    const out: T[] = [];
    this.#next = Number.POSITIVE_INFINITY;
    for (const [item, { at }] of this.#debts) {
      if (at <= now && out.length < max) out.push(item);
      else this.#next = Math.min(this.#next, at);
    }
    for (const item of out) this.#debts.delete(item);
    const { first, most } = this.#apart;
    this.#pause = now - this.#taken <= 2 * this.#pause ? Math.min(2 * this.#pause, most) : first;
    this.#taken = now;
    return out;
  }
}
