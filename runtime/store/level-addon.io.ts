/**
 * Where Level's native part comes from. In a source tree the package finds its own prebuilt one. The executable carries
 * the one for its machine: `native/compile.ts` puts this file in the place of the package's search (`binding.js`).
 */
import { loadExtracted } from "./private-addon.io.ts";

let inside: string | undefined;

/** Called by the executable's entry point. */
export function embedLevel(file: string): void {
  inside = file;
}

/** The package's native part. Throws what the loader throws. */
export function levelAddon(): unknown {
  if (inside === undefined) throw new Error("the executable was built without the store's engine");
  return loadExtracted(inside);
}
