/**
 * A file layer that forgets what was not synced. From a recording of a program's system calls (`strace -f -y -xx`) it knows
 * every write, sync, rename and removal in a directory, and makes the directory as a power cut at any of them may leave it:
 *
 * - of a file's bytes written since its last fsync or fdatasync any beginning may be there, with zeros behind it up to where
 *   they would have gone (a file system may store the length before the data);
 * - of the names made, renamed and removed since the directory's last fsync any number may be there, in their order. That
 *   a file was synced says nothing about its name.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

interface Inode {
  bytes: Buffer;
  /** Length that is durable. */
  synced: number;
}
type NameChange = (names: Map<string, Inode>) => void;

export interface Recorded {
  readonly call: string;
  readonly args: string;
  readonly result: string;
}

/** One line per call that ended well, in the order in which they ended. */
export function parseTrace(text: string): Recorded[] {
  const open = new Map<string, string>();
  const out: Recorded[] = [];
  for (const line of text.split("\n")) {
    const [, pid = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(rest);
    if (unfinished) open.set(pid, unfinished[1] as string);
    else {
      const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
      const whole = resumed ? `${open.get(pid) ?? ""}${resumed[1]}` : rest;
      const call = /^(\w+)\((.*)\)\s+= (\S+)/.exec(whole);
      if (call && !call[3]?.startsWith("-1"))
        out.push({
          call: call[1] as string,
          args: call[2] as string,
          result: whole.slice(whole.lastIndexOf(" = ") + 3),
        });
    }
  }
  return out;
}

const unhex = (text: string): Buffer => Buffer.from(text.replaceAll("\\x", ""), "hex");
/** Strings, and the paths that belong to descriptors, as they stand in a call. */
const strings = (args: string): Buffer[] =>
  [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((m) => unhex(m[1] as string));
const pathOfFd = (text: string): string => {
  const named = /^\d+<([^>]*)>/.exec(text)?.[1] ?? "";
  return named.includes("\\x") ? unhex(named).toString() : named;
};

export class FileLayer {
  readonly #directory: string;
  #names = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #pending: NameChange[] = [];

  /** What is in the directory now is durable. */
  constructor(directory: string) {
    this.#directory = directory;
    for (const name of readdirSync(directory)) {
      const bytes = readFileSync(join(directory, name));
      this.#names.set(name, { bytes, synced: bytes.length });
    }
    this.#durable = new Map(this.#names);
  }

  /** Whether the call changed anything here. */
  apply({ call, args, result }: Recorded): boolean {
    const [first = "", second = ""] = strings(args).map(String);
    if (call === "openat" || call === "open") return args.includes("O_CREAT") && this.#create(pathOfFd(result), args);
    if (call === "write") return this.#write(pathOfFd(args), strings(args)[0] as Buffer, Number.parseInt(result, 10));
    if (call === "fdatasync" || call === "fsync") return this.#sync(pathOfFd(args));
    if (call.startsWith("rename")) return this.#rename(first, second);
    return call.startsWith("unlink") && this.#remove(first);
  }

  /** The directory after a cut, written to `to`; `random` in [0, 1) draws what survived. */
  materialize(to: string, random: () => number): void {
    const names = new Map(this.#durable);
    for (const change of this.#pending.slice(0, Math.floor(random() * (this.#pending.length + 1)))) change(names);
    mkdirSync(to, { recursive: true });
    for (const [name, inode] of names) {
      const kept = inode.synced + Math.floor(random() * (inode.bytes.length - inode.synced + 1));
      const zeros = random() < 0.5 ? 0 : Math.floor(random() * (inode.bytes.length - kept + 1));
      writeFileSync(join(to, name), Buffer.concat([inode.bytes.subarray(0, kept), Buffer.alloc(zeros)]));
    }
  }

  /** Whether names are at stake. */
  get unsyncedNames(): boolean {
    return this.#pending.length > 0;
  }

  get unsynced(): boolean {
    return this.unsyncedNames || [...this.#names.values()].some((i) => i.synced < i.bytes.length);
  }

  #inside = (path: string): boolean => dirname(path) === this.#directory;

  #change(change: NameChange): boolean {
    change(this.#names);
    this.#pending.push(change);
    return true;
  }

  #create(path: string, args: string): boolean {
    if (!this.#inside(path)) return false;
    const known = this.#names.get(basename(path));
    if (known && !args.includes("O_TRUNC")) return false;
    const inode: Inode = { bytes: Buffer.alloc(0), synced: 0 };
    return this.#change((names) => names.set(basename(path), inode));
  }

  #write(path: string, data: Buffer, length: number): boolean {
    const inode = this.#inside(path) ? this.#names.get(basename(path)) : undefined;
    if (!inode) return false;
    inode.bytes = Buffer.concat([inode.bytes, data.subarray(0, length)]);
    return true;
  }

  #sync(path: string): boolean {
    if (path === this.#directory) {
      this.#durable = new Map(this.#names);
      this.#pending = [];
      return true;
    }
    const inode = this.#inside(path) ? this.#names.get(basename(path)) : undefined;
    if (inode) inode.synced = inode.bytes.length;
    return inode !== undefined;
  }

  #rename(from: string, to: string): boolean {
    if (!this.#inside(from) || !this.#inside(to)) return false;
    return this.#change((names) => {
      const inode = names.get(basename(from));
      names.delete(basename(from));
      if (inode) names.set(basename(to), inode);
    });
  }

  #remove(path: string): boolean {
    return this.#inside(path) && this.#change((names) => names.delete(basename(path)));
  }
}
