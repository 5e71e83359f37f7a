/**
 * One process at a time owns a directory: flock(2) on a file in it. The kernel lets go when the process ends, however it
 * ends, so nothing stale can stay behind. A file with a pid in it would take a guess at who is alive, and two processes
 * that both take over a stale one is a race that flock does not have. It is called through `bun:ffi` and not through the
 * addon, because a gateway without the addon needs it as well.
 */
import { dlopen } from "bun:ffi";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

const LOCK_EX = 2;
const LOCK_NB = 4;

export type LockOutcome =
  | { readonly release: () => void; readonly holder?: undefined }
  /** Somebody else has it: a process id, or undefined in the moment before it is written. */
  | { readonly release?: undefined; readonly holder: number | undefined };

/** Does not wait. The file stays, also after `release`: removing it would let two processes lock two files of one name. */
export function tryLock(path: string): LockOutcome {
  const fd = openSync(path, "a+", 0o600); // closed on exec, so a child that outlives us does not keep it
  if (!holdOpen(fd)) {
    closeSync(fd);
    const pid = Number(readFileSync(path, "utf8"));
    return { holder: pid > 0 ? pid : undefined };
  }
  writeHolder(fd);
  return { release: () => closeSync(fd) };
}

/** Takes an open file for this process, until it closes it; false when another has it, or its file system knows no locks. */
export const holdOpen = (fd: number): boolean => flock(fd, LOCK_EX | LOCK_NB) === 0;

/** For people who are told who has it; a full disk is no reason not to have it. */
function writeHolder(fd: number): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, String(process.pid));
  } catch {
    // the lock holds without a name on it
  }
}

let symbol: ((fd: number, operation: number) => number) | undefined;

function flock(fd: number, operation: number): number {
  symbol ??= dlopen("libc.so.6", { flock: { args: ["i32", "i32"], returns: "i32" } }).symbols.flock;
  return symbol(fd, operation);
}
