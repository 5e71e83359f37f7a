/**
 * A gateway as one sealed file: every file of its state directory (keys, certificate, root where it lies there, roster, revocations, invites, policy) and its
 * store. In it, one after the other: length of the name (u8), of the content (u32be), name, content; the store last, its archive up to the end.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ByteReader } from "../base/byte-reader.ts";
import { concat, utf8 } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { exportStore, importStore } from "../store/archive.ts";
import { ensurePrivateDirectory, readParts, removeCutOff, renameDurably, writeAtomic } from "../store/atomic.io.ts";
import { openStore } from "../store/open-store.io.ts";
import type { Store } from "../store/store.ts";
import { unfinished } from "../store/unfinished.io.ts";
import { KEYS, type OwnHome } from "./home.io.ts";
import { isSealedStart, openStream, sealStream } from "./sealed-stream.ts";

const STORE = "store";
const LENGTHS = 5;
/** Of what ends with the stream: nobody knows it before. */
const UNTIL_END = 0xffff_ffff;
/** Of a file. The largest is the roster: a thousand members, each with a chain of 15 kB. */
const FILE_MAX = 64 * 1024 ** 2;

/** What goes into a backup, in clear: secret. */
export interface Contents {
  /** Names of files, and `store` where there is one. */
  readonly holds: readonly string[];
  /** About so many. */
  readonly bytes: number;
  readonly parts: AsyncIterable<Uint8Array>;
  /** To be called, however far it was read. */
  close(): Promise<void>;
}

/**
 * As things stand now: each file as it was written last, and of the store what was acknowledged. Who writes both roster and revocations writes these first, and they
 * are read last: so nobody is a member here again. Throws what `Files.read` throws.
 */
export async function contentsOf(home: OwnHome, store: Store | undefined): Promise<Contents> {
  const files = await Array.fromAsync(home.files());
  const snapshot = store?.snapshot(); // last: nothing can fail any more before somebody closes it
  return {
    holds: [...files.map(({ name }) => name), ...(snapshot ? [STORE] : [])],
    bytes: files.reduce((sum, { content }) => sum + content.length, snapshot?.bytes ?? 0),
    parts: (async function* () {
      for (const { name, content } of files) yield concat(entryHead(name, content.length), content);
      if (!snapshot) return;
      yield entryHead(STORE, UNTIL_END);
      yield* exportStore(snapshot);
    })(),
    close: async () => await snapshot?.close(),
  };
}

/** Of a gateway that does not run. Throws what `openStore` throws too. */
export async function contentsAtRest(home: OwnHome): Promise<Contents> {
  const store = existsSync(home.store) ? (await openStore(home.store)).store : undefined;
  const contents = await contentsOf(home, store);
  return {
    ...contents,
    async close() {
      await contents.close();
      await store?.close();
    },
  };
}

/** Told how many bytes are done; the next ones wait for it. */
export type Step = (done: number) => Promise<void>;

/** Throws `backup/exists`: nothing is overwritten. */
export function refuseExisting(path: string): void {
  if (existsSync(path))
    throw new TrellisError("backup/exists", `${path} is there already`, { hint: "choose another name" });
}

/** `at`: of the contents. What a backup to the same directory has left that was killed goes first. Throws what `writeAtomic` throws. */
export async function writeBackup(
  crypto: CryptoProvider,
  random: RandomBytes,
  path: string,
  passphrase: string,
  contents: AsyncIterable<Uint8Array>,
  at: Step,
): Promise<void> {
  await removeCutOff(dirname(path), isSealedStart);
  await writeAtomic(path, sealStream(crypto, random, passphrase, counted(contents, at)), "foreign");
}

/**
 * Into a directory that holds no gateway; gives what the backup held. Nothing counts before all of it was read: until then it lies apart. Throws `backup/in-use`,
 * `backup/no-file`, those of `openStream` and of writing. `at`: of the file.
 */
export async function restoreBackup(
  crypto: CryptoProvider,
  home: OwnHome,
  path: string,
  passphrase: string,
  at: Step,
): Promise<readonly string[]> {
  const apart = join(home.path, "restoring");
  const cutOff = existsSync(apart);
  if ((await home.keys()) || (existsSync(home.store) && !cutOff))
    throw new TrellisError("backup/in-use", `${home.path} holds a gateway already`, {
      hint: "use another --state-dir, or move this one away",
    });
  if (!existsSync(path))
    throw new TrellisError("backup/no-file", `there is no ${path}`, { hint: "is the medium mounted?" });
  if (cutOff) for (const left of [apart, home.store]) await rm(left, { recursive: true, force: true });
  await ensurePrivateDirectory(apart);
  const store = join(apart, STORE);
  const plain = new ByteReader(openStream(crypto, passphrase, counted(readParts(path), at)));
  const reading = unfinished(apart, () => readBackup(plain, store)).finally(() => plain.close());
  const read = await reading.catch(async (thrown: unknown) => {
    await rm(apart, { recursive: true, force: true });
    throw thrown;
  });
  // The keys last, and until then what shows that this is no gateway yet: a restore that was cut off can be made again.
  if (read.hasStore) await renameDurably(store, home.store);
  for (const [name, content] of [...read.files].sort(([a], [b]) => Number(a === KEYS) - Number(b === KEYS)))
    await home.restoreFile(name, content);
  await rm(apart, { recursive: true, force: true });
  return [...read.files.keys(), ...(read.hasStore ? [STORE] : [])];
}

interface Restored {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly hasStore: boolean;
}

async function readBackup(reader: ByteReader, path: string): Promise<Restored> {
  const files = new Map<string, Uint8Array>();
  while (!(await reader.atEnd())) {
    const { name, length } = await readHead(reader);
    if (name === STORE && length === UNTIL_END) {
      await fillStore(path, reader.rest());
      return { files, hasStore: true };
    }
    const content = length > FILE_MAX ? undefined : await reader.take(length);
    if (!content) throw notOurs();
    files.set(name, content.slice());
  }
  return { files, hasStore: false };
}

async function readHead(reader: ByteReader): Promise<{ readonly name: string; readonly length: number }> {
  const lengths = await reader.take(LENGTHS);
  const view = lengths && new DataView(lengths.buffer, lengths.byteOffset);
  const length = view?.getUint32(1) ?? 0;
  const name = view && (await reader.take(view.getUint8(0)));
  if (!name) throw notOurs();
  return { name: new TextDecoder().decode(name), length };
}

async function fillStore(path: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const { store } = await openStore(path);
  try {
    await importStore(store, archive);
  } finally {
    await store.close();
  }
}

function entryHead(name: string, length: number): Uint8Array {
  const lengths = new Uint8Array(LENGTHS);
  lengths[0] = utf8(name).length;
  new DataView(lengths.buffer).setUint32(1, length);
  return concat(lengths, utf8(name));
}

async function* counted(parts: AsyncIterable<Uint8Array>, at: Step): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const part of parts) {
    yield part;
    done += part.length;
    await at(done);
  }
}

const notOurs = (): TrellisError =>
  new TrellisError("backup/damaged", "what was sealed is no gateway", { hint: "was it made by another release?" });
