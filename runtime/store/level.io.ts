/**
 * The engine: LevelDB (classic-level). What it leaves to us: the directory entry of a new log file is made durable before a
 * write is acknowledged; after a failed write it takes none until it is opened again, which `settle` does once there is room.
 */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ClassicLevel } from "classic-level";
import { messageOf, TrellisError } from "../base/errors.ts";
import { writeError } from "./atomic.io.ts";
import type { Entry, KeyChange, KeyValue, Snapshot } from "./key-value.ts";
import { type Manifest, readBatch, readLog, readManifest } from "./level-log.ts";
import { isWholeTable, readTable, type Versioned } from "./level-table.ts";

type Level = ClassicLevel<Uint8Array, Uint8Array>;

const MB = 1024 ** 2;
/** Small, because a gateway's memory is: a memtable, one that is being written, and blocks that were read. */
const OPTIONS = {
  keyEncoding: "view",
  valueEncoding: "view",
  writeBufferSize: 4 * MB,
  cacheSize: 2 * MB,
  maxFileSize: 2 * MB,
  maxOpenFiles: 100,
  compression: false, // nearly all of it is sealed, and sealed bytes do not shrink
} as const;
/** Ranges are no longer than what the iterator holds at once. */
const READ_AHEAD = 64 * 1024;
/** A write leaves so much room free, so that LevelDB can always tidy up and open again. */
const HEADROOM = 8 * MB;
/** Given up when the disk is too full to open: that takes a table and a manifest. */
const RESERVE = "reserve";
const RESERVE_SIZE = 8 * MB;
/** Name, checksum and lengths that the log puts to each batch. */
const LOG_OVERHEAD = 32;
const TABLE = /^(\d+)\.ldb$/;
const LOG = /^(\d+)\.log$/;

export class LevelEngine implements KeyValue {
  readonly #path: string;
  #db: Level;
  #written = 0;
  #lastTable = 0;
  #lastLog = 0;

  private constructor(path: string, db: Level) {
    this.#path = path;
    this.#db = db;
  }

  /**
   * Opens or makes the store in the directory `path`, and reads every file once. Throws `store/damaged`, `store/full`, `store/in-use`, `store/read-only`,
   * `store/denied`, `store/engine` (the native part cannot be loaded) or `store/write`.
   */
  static async open(path: string): Promise<LevelEngine> {
    await mkdir(path, { recursive: true, mode: 0o700 }).catch((cause) => {
      throw writeError(path, cause);
    });
    checkFiles(path);
    const engine = new LevelEngine(path, await openWithReserve(path));
    engine.#look(); // what is there was paid for earlier
    engine.#written = 0;
    syncDirectory(path);
    syncDirectory(dirname(path));
    await keepReserve(path);
    return engine;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#db.get(key).catch((cause) => {
      throw failure(this.#path, cause, "reading");
    });
  }

  async scan(from: Uint8Array, to: Uint8Array, limit: number): Promise<readonly Entry[]> {
    const found: Entry[] = [];
    try {
      const range = { gte: from, lt: to, limit, highWaterMarkBytes: READ_AHEAD, fillCache: false };
      for await (const [key, value] of this.#db.iterator(range)) found.push({ key, value });
    } catch (cause) {
      throw failure(this.#path, cause, "reading");
    }
    return found;
  }

  snapshot(from: Uint8Array, to: Uint8Array): Snapshot {
    const range = { gte: from, lt: to, highWaterMarkBytes: READ_AHEAD, fillCache: false };
    const iterator = this.#db.iterator(range);
    return {
      next: async (limit) => {
        try {
          return (await iterator.nextv(limit)).map(([key, value]) => ({ key, value }));
        } catch (cause) {
          throw failure(this.#path, cause, "reading");
        }
      },
      close: () => iterator.close(),
    };
  }

  async write(changes: readonly KeyChange[]): Promise<void> {
    const size = changes.reduce((sum, c) => sum + c.key.length + (c.value?.length ?? 0) + LOG_OVERHEAD, 0);
    checkRoom(this.#path, size);
    try {
      const batch = changes.map(({ key, value }) =>
        value ? { type: "put" as const, key, value } : { type: "del" as const, key },
      );
      await this.#db.batch(batch, { sync: true });
      if (this.#look()) syncDirectory(this.#path);
    } catch (cause) {
      throw failure(this.#path, cause);
    }
    this.#written += size;
  }

  async settle(): Promise<void> {
    checkRoom(this.#path, 0);
    await this.#reopen();
  }

  /** Tables that were read are mapped, up to the size of the store: they count as the daemon's memory until it is opened again. */
  async relax(): Promise<void> {
    await this.#reopen();
  }

  async #reopen(): Promise<void> {
    await this.#db.close();
    this.#db = await openWithReserve(this.#path);
    this.#look();
    syncDirectory(this.#path);
    await keepReserve(this.#path);
  }

  async compact(): Promise<void> {
    await this.#db.compactRange(Uint8Array.of(0), Uint8Array.of(0xff)).catch((cause) => {
      throw failure(this.#path, cause);
    });
    this.#look();
  }

  written(): number {
    return this.#written;
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  /** Counts tables that are new, and says whether there is a new log. */
  #look(): boolean {
    let fresh = false;
    let last = this.#lastTable;
    for (const name of readdirSync(this.#path)) {
      const table = Number(TABLE.exec(name)?.[1] ?? 0);
      if (table > this.#lastTable) this.#written += sizeOf(join(this.#path, name));
      last = Math.max(last, table);
      const log = Number(LOG.exec(name)?.[1] ?? 0);
      if (log > this.#lastLog) {
        this.#lastLog = log;
        fresh = true;
      }
    }
    this.#lastTable = last;
    return fresh;
  }
}

/**
 * Throws `store/damaged` unless everything that counts is what was written. LevelDB would read what is not, or make a new store
 * and throw the rest away, or end the process.
 */
function checkFiles(path: string): void {
  const names = readdirSync(path);
  const some = names.some((name) => TABLE.test(name) || LOG.test(name) || name.startsWith("MANIFEST-"));
  if (!some) return; // a new one
  const manifest = manifestOf(path, names);
  if (!manifest) throw damaged(path, new Error("the list of its tables does not hold"));
  for (const number of manifest.tables) {
    const name = names.find((n) => Number(TABLE.exec(n)?.[1]) === number);
    if (!name || !isWholeTable(readFileSync(join(path, name))))
      throw damaged(path, new Error(`table ${number} is not what was written`));
  }
  for (const name of names.filter((n) => Number(LOG.exec(n)?.[1] ?? -1) >= manifest.log))
    if (readLog(readFileSync(join(path, name))).damaged)
      throw damaged(path, new Error(`${name} is not what was written`));
}

function manifestOf(path: string, names: readonly string[]): Manifest | undefined {
  const current = names.includes("CURRENT") ? readFileSync(join(path, "CURRENT"), "utf8") : "";
  const name = /^(MANIFEST-\d+)\n$/.exec(current)?.[1];
  return name !== undefined && names.includes(name) ? readManifest(readFileSync(join(path, name))) : undefined;
}

/** Whatever can be read of a store that does not open, in no order; of one key several, the one with the highest number counts. */
export function* readDamaged(path: string): Generator<Versioned> {
  for (const name of readdirSync(path)) {
    if (TABLE.test(name)) yield* readTable(readFileSync(join(path, name)));
    if (LOG.test(name)) for (const record of readLog(readFileSync(join(path, name))).records) yield* readBatch(record);
  }
}

async function openWithReserve(path: string): Promise<Level> {
  try {
    return await openLevel(path);
  } catch (thrown) {
    const reserve = join(path, RESERVE);
    if (!(thrown instanceof TrellisError) || thrown.code !== "store/full" || !existsSync(reserve)) throw thrown;
    await rm(reserve);
    return openLevel(path);
  }
}

async function openLevel(path: string): Promise<Level> {
  const { ClassicLevel } = await loadLevel();
  const db = new ClassicLevel<Uint8Array, Uint8Array>(path, OPTIONS);
  try {
    await db.open();
  } catch (thrown) {
    throw failure(path, thrown instanceof Error && thrown.cause ? thrown.cause : thrown, "reading");
  }
  return db;
}

/** Loaded when a store is opened: its native part wants a C++ library that a machine may lack. */
async function loadLevel(): Promise<typeof import("classic-level")> {
  try {
    return await import("classic-level");
  } catch (cause) {
    throw new TrellisError("store/engine", "the store's engine cannot be loaded", {
      cause,
      hint: "it needs libstdc++.so.6: apt-get install libstdc++6",
    });
  }
}

async function keepReserve(path: string): Promise<void> {
  const place = join(path, RESERVE);
  if (existsSync(place) || room(path) < HEADROOM + 2 * RESERVE_SIZE) return;
  const temporary = `${place}.new`;
  try {
    const file = await open(temporary, "w", 0o600);
    try {
      // Random, since some file systems store zeros as nothing.
      await file.writeFile(crypto.getRandomValues(new Uint8Array(65_536)));
      for (let size = 65_536; size < RESERVE_SIZE; size += 65_536)
        await file.writeFile(crypto.getRandomValues(new Uint8Array(65_536)));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, place);
  } catch {
    await rm(temporary, { force: true }); // a disk that has no room for it has none to keep either
  }
}

const room = (path: string): number => {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
};

function checkRoom(path: string, size: number): void {
  if (room(path) < HEADROOM + size) throw writeError(path, Object.assign(new Error("no room"), { code: "ENOSPC" }));
}

/** 0 for a table that is gone already: then it was replaced by others, which are counted. */
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** LevelDB tells the system's errors by their text only. */
const SYSTEM: readonly (readonly [text: string, code: string])[] = [
  ["No space left on device", "ENOSPC"],
  ["Disk quota exceeded", "EDQUOT"],
  ["Read-only file system", "EROFS"],
  ["Permission denied", "EACCES"],
];

/** What LevelDB threw, for people. When it reads, whatever is not the system's refusal is damage: a file that is not there or too short. */
function failure(path: string, cause: unknown, doing: "reading" | "writing" = "writing"): TrellisError {
  if (cause instanceof TrellisError) return cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const text = messageOf(cause);
  if (code === "LEVEL_LOCKED")
    return new TrellisError("store/in-use", `another process has ${path} open`, {
      cause,
      hint: "`trellis down` stops a daemon",
    });
  if (code === "LEVEL_ITERATOR_NOT_OPEN")
    return new TrellisError("store/opened-anew", `the store in ${path} was closed while it was read`, {
      cause,
      hint: "try again",
    });
  const system = SYSTEM.find(([words]) => text.includes(words))?.[1];
  if (system) return writeError(path, Object.assign(new Error(text), { code: system }));
  if (code === "LEVEL_CORRUPTION" || (doing === "reading" && code === "LEVEL_IO_ERROR")) return damaged(path, cause);
  return writeError(path, cause);
}

const damaged = (path: string, cause: unknown): TrellisError =>
  new TrellisError("store/damaged", `the store in ${path} is damaged`, {
    cause,
    hint: "it is set aside at the next start, and what peers have comes back",
  });
