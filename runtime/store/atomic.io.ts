/** Writing files so that a power cut at any instruction leaves the old content or the new, whole. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, type FileHandle, lstat, mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TrellisError } from "../base/errors.ts";
import { type Files, isFileName } from "./files.ts";
import { holdOpen } from "./lock.io.ts";
import { unfinished } from "./unfinished.io.ts";

const TEMPORARY = /^\..+\.[0-9a-f]{16}\.tmp$/;
const PRIVATE_DIRECTORY = 0o700;
export const PRIVATE_FILE = 0o600;
/** Bytes that are read of a large file at once. */
const PART = 256 * 1024;

/** All of it, or its parts in order. */
type Content = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Temporary file in the same directory, write, fsync, rename, fsync of the directory. The file has mode 0600 from its first
 * byte on; `foreign`: in a place that may have no modes, such as a memory stick. Throws `store/full`, `store/read-only`, `store/denied` or `store/write`; the old content stays then.
 */
export async function writeAtomic(path: string, content: Content, place: "own" | "foreign" = "own"): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}.tmp`);
  try {
    await unfinished(temporary, () => writeDurably(temporary, path, content, place));
    await syncDirectory(dirname(path));
  } catch (cause) {
    await unlink(temporary).catch(() => {}); // it may not exist; what matters is the first error
    throw writeError(path, cause);
  }
}

/** Whoever removes what killed writers have left (`removeCutOff`) sees by the lock that this one lives: up to the file's own name. */
async function writeDurably(
  temporary: string,
  path: string,
  content: Content,
  place: "own" | "foreign",
): Promise<void> {
  const file = await open(temporary, "wx", PRIVATE_FILE);
  try {
    if (place === "foreign") holdOpen(file.fd);
    for await (const part of content instanceof Uint8Array ? [content] : content) await file.writeFile(part);
    if (place === "own") await file.chmod(PRIVATE_FILE); // the umask may have taken bits
    await file.sync();
    await rename(temporary, path);
  } finally {
    await file.close();
  }
}

/** Both names in one directory. */
export async function renameDurably(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
    await syncDirectory(dirname(to));
  } catch (cause) {
    throw writeError(to, cause);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The content, or undefined when there is no such file; other errors throw `store/read`. */
export async function readOptional(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw readError(path, cause);
  }
}

/** A file in parts, however large it is. Throws `store/read`. */
export async function* readParts(path: string): AsyncGenerator<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(PART));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (cause) {
    throw readError(path, cause);
  } finally {
    await file?.close();
  }
}

function readError(path: string, cause: unknown): TrellisError {
  const denied = codeOf(cause) === "EACCES" || codeOf(cause) === "EPERM";
  return new TrellisError("store/read", `cannot read ${path}${denied ? ": permission denied" : ""}`, {
    cause,
    ...(denied ? { hint: AS_OWNER } : {}),
  });
}

/** Durable removal; nothing happens when there is no such file. */
export async function removeDurably(path: string): Promise<void> {
  try {
    await unlink(path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw writeError(path, cause);
  }
}

/**
 * Makes the directory, 0700, or checks the one that is there. Throws `store/not-a-directory`, `store/owner` when it is
 * another user's, `store/mode` when others may enter it, or what `writeAtomic` throws when it cannot be made.
 */
export async function ensurePrivateDirectory(path: string, user = process.getuid?.() ?? 0): Promise<void> {
  try {
    const made = await mkdir(path, { recursive: true, mode: PRIVATE_DIRECTORY });
    if (made !== undefined) await chmod(path, PRIVATE_DIRECTORY);
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") throw writeError(path, cause); // something that is no directory: told below
  }
  const is = await lstat(path);
  if (!is.isDirectory()) throw new TrellisError("store/not-a-directory", `${path} is not a directory`);
  if (is.uid !== user)
    throw new TrellisError("store/owner", `${path} belongs to user ${is.uid}, not to ${user}`, {
      hint: "run trellis as its owner, or choose another --state-dir",
    });
  if ((is.mode & 0o077) !== 0)
    throw new TrellisError("store/mode", `${path} is open to other users (mode ${(is.mode & 0o777).toString(8)})`, {
      hint: `it holds secret keys: chmod 700 ${path}`,
    });
}

/** Removes what writers that were cut off have left. Only for the one process that owns the directory. */
export async function removeLeftovers(path: string): Promise<number> {
  const left = (await readdir(path)).filter((name) => TEMPORARY.test(name));
  for (const name of left) await unlink(join(path, name));
  return left.length;
}

/**
 * The same in a directory of others, for one kind of file: `isOurs` tells it by its first bytes, none of them if the writer was killed before the first.
 * What a process still writes stays, and what cannot be looked at; how many went.
 */
export async function removeCutOff(path: string, isOurs: (start: Uint8Array) => boolean): Promise<number> {
  const left = (await readdir(path).catch(() => [])).filter((name) => TEMPORARY.test(name));
  let removed = 0;
  for (const name of left) if (await removeIfCutOff(join(path, name), isOurs)) removed++;
  return removed;
}

const START = 64; // bytes that tell a file's kind

async function removeIfCutOff(path: string, isOurs: (start: Uint8Array) => boolean): Promise<boolean> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if (!(await file.stat()).isFile() || !holdOpen(file.fd)) return false;
    const { bytesRead, buffer } = await file.read(new Uint8Array(START));
    if (!isOurs(buffer.subarray(0, bytesRead))) return false;
    await unlink(path);
    return true;
  } catch {
    return false; // another user's, or gone by now
  } finally {
    await file?.close();
  }
}

/**
 * The private directory `path` as files, all 0600. Opening makes or checks the directory and removes leftovers, so it is for
 * its one owner (lock.io.ts).
 */
export async function openFiles(path: string): Promise<Files> {
  await ensurePrivateDirectory(path);
  await removeLeftovers(path);
  return {
    read: viewFile(path),
    write: async (name, content) => writeAtomic(at(path, name), content),
    remove: async (name) => removeDurably(at(path, name)),
    list: async () => (await readdir(path)).filter(isFileName).sort(),
  };
}

/** Reads files of a directory that another process may own and that need not exist. */
export const viewFile =
  (path: string): Files["read"] =>
  async (name) =>
    readOptional(at(path, name));

function at(path: string, name: string): string {
  if (!isFileName(name)) throw new TrellisError("store/name", `"${name}" is no file name`);
  return join(path, name);
}

const codeOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;

const AS_OWNER = "run trellis as the owner of the directory, or as root";

const WHY: Readonly<Record<string, readonly [code: string, what: string, hint: string]>> = {
  ENOSPC: ["store/full", "the disk is full", "free some space; what was stored before is unharmed"],
  EDQUOT: ["store/full", "the quota is used up", "free some space; what was stored before is unharmed"],
  EROFS: ["store/read-only", "the file system is read-only", "remount it, or choose another --state-dir"],
  ENOENT: ["store/write", "there is no such directory", "make it first; is the medium mounted?"],
  EACCES: ["store/denied", "permission denied", AS_OWNER],
  EPERM: ["store/denied", "permission denied", AS_OWNER],
};

/** What went wrong while `path` was written, for people: the medium, or what gave the content. */
export function writeError(path: string, cause: unknown): TrellisError {
  if (cause instanceof TrellisError) return cause;
  const [code, what, hint] = WHY[codeOf(cause) ?? ""] ?? ["store/write", "the write failed", undefined];
  return new TrellisError(code, `cannot write ${path}: ${what}`, hint === undefined ? { cause } : { cause, hint });
}
