/** For commands that read or write a whole store. */
import { constants } from "node:os";
import { loadAddon } from "../dataplane/addon.io.ts";
import { removeUnfinished } from "../store/unfinished.io.ts";
import { keepTrim, type Trimming } from "../trimming.io.ts";
import type { Globals } from "./command.ts";
import { consoleLog } from "./context.ts";

/** From here on memory stays the same however large the store is, and an interrupt leaves nothing unfinished behind. */
export function beginLongWork(args: Globals): Trimming {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      removeUnfinished();
      process.exit(128 + constants.signals[signal]);
    });
  return keepTrim(loadAddon().addon, consoleLog(args));
}
