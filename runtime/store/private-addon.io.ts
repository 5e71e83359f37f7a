/**
 * Addons that travel inside the executable. The loader wants a file: it gets one in a fresh folder that only we can enter,
 * and the folder goes once the file is mapped. (Left alone the runtime would leave it under a name that others can guess.)
 * `/tmp` may be mounted noexec, so `/run` is asked first.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What the addon exports. Throws the loader's last error. */
export function loadExtracted(inside: string): unknown {
  const bytes = readFileSync(inside);
  let last: unknown;
  for (const parent of ["/run", tmpdir()]) {
    let folder: string | undefined;
    try {
      folder = mkdtempSync(join(parent, "trellis-"));
      const file = join(folder, "addon.node");
      writeFileSync(file, bytes, { mode: 0o700 });
      return openAddon(file);
    } catch (error) {
      last = error;
    } finally {
      if (folder) rmSync(folder, { recursive: true, force: true });
    }
  }
  throw last;
}

/** What the addon at `path` exports. */
export function openAddon(path: string): unknown {
  const holder: { exports: unknown } = { exports: {} };
  process.dlopen(holder as NodeModule, path);
  return holder.exports;
}
