/** What is being written and has not got its name yet: a command that is interrupted takes it away before it ends. */
import { rmSync } from "node:fs";

const paths = new Set<string>();

/** `path`: a file or directory that `work` makes, and that is of no use should it not come to its end. */
export async function unfinished<T>(path: string, work: () => Promise<T>): Promise<T> {
  paths.add(path);
  try {
    return await work();
  } finally {
    paths.delete(path);
  }
}

/** As the last thing that the process does. */
export function removeUnfinished(): void {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
}
