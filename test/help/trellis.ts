/** The program as it stands here, with no settings but those of the command line. */
import { join } from "node:path";

const MAIN = join(import.meta.dir, "../../runtime/main.ts");

export const trellisLine = (stateDir: string, ...args: readonly string[]): string[] => [
  process.execPath,
  ...[MAIN, "--config", "/dev/null", "--state-dir", stateDir],
  ...args,
];
