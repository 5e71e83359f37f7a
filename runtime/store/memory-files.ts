/** Files that live as long as the process: for simulations and tests. */
import { TrellisError } from "../base/errors.ts";
import { type Files, isFileName } from "./files.ts";

export class MemoryFiles implements Files {
  readonly #content = new Map<string, Uint8Array>();

  async read(name: string): Promise<Uint8Array | undefined> {
    return this.#content.get(checked(name))?.slice();
  }

  async write(name: string, content: Uint8Array): Promise<void> {
    this.#content.set(checked(name), content.slice());
  }

  async remove(name: string): Promise<void> {
    this.#content.delete(checked(name));
  }

  async list(): Promise<readonly string[]> {
    return [...this.#content.keys()].sort();
  }
}

function checked(name: string): string {
  if (!isFileName(name)) throw new TrellisError("store/name", `"${name}" is no file name`);
  return name;
}
