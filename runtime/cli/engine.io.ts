/**
 * How the engine (JavaScriptCore) and its allocator (mimalloc) are to spend memory. They take that from its environment when they start and never again, so a daemon that was started
 * without it starts itself once more, in the same process, before it has read anything else: whoever started it, as a service or by hand, waits for the
 * same process id.
 */
import { embeddedFiles } from "../dataplane/embedded.ts";

/** What is set already counts, whatever it says. */
export const ENGINE: Readonly<Record<string, string>> = {
  // The heap may grow by a quarter between two collections; by default it is three times what lives.
  BUN_JSC_heapGrowthMaxIncrease: "0.25",
  // The optimising compiler waits for what is hot for good (100 times the usual count): at a start it cost a quarter of the CPU time, and the code that it made was hardly run.
  BUN_JSC_thresholdForOptimizeAfterWarmUp: "100000",
  // So does the one before it (20 times): to compile what a start runs some tens of times was a sixth of its CPU time.
  BUN_JSC_thresholdForJITAfterWarmUp: "10000",
  // The last of its compilers wants megabytes for each function and gives little: what is heavy here is native.
  BUN_JSC_useFTLJIT: "0",
  // Freed memory goes back to the kernel at once: what is let go of early shall not lie there for longer.
  MIMALLOC_PURGE_DELAY: "0",
};

/** Returns where the environment is as wanted; otherwise the process begins anew. Throws what `execve(2)` refuses. */
export function settleEngine(): void {
  if (Object.keys(ENGINE).every((name) => process.env[name] !== undefined)) return;
  // The executable has its program inside; Bun is told which one.
  const program = embeddedFiles() ? [] : [...process.execArgv, ...process.argv.slice(1, 2)];
  const line = [process.argv0, ...program, ...process.argv.slice(2)];
  process.execve?.(process.execPath, line, { ...ENGINE, ...process.env });
}
