/**
 * Opens the store of a gateway, whatever state it is in: a damaged one is set aside, and what can be read of it goes into
 * a new one. The rest comes back from peers.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { toHex } from "../base/bytes.ts";
import { messageOf, TrellisError } from "../base/errors.ts";
import { ensurePrivateDirectory, renameDurably } from "./atomic.io.ts";
import { unseal } from "./checked.ts";
import { LevelEngine, readDamaged } from "./level.io.ts";
import { RANGE_NAMES, rangeOf } from "./ranges.ts";
import { type Change, Store, type StoreOptions } from "./store.ts";

export interface SetAside {
  /** Where the damaged one lies. */
  readonly path: string;
  readonly reason: string;
  /** Entries that were carried over. */
  readonly kept: number;
}

export interface OpenedStore {
  readonly store: Store;
  readonly setAside: SetAside | undefined;
}

const SLICE = 200;

/**
 * `path`: a directory in one that only we can enter and that we hold the lock of. Reads every entry once. Throws
 * `store/newer` and what else the engine throws but `store/damaged`.
 *
 * A store is made under another name and gets its own when it is complete, since the engine does not survive a power cut
 * in the moment in which it makes one: `.new` is being made, `.next` is complete and waits for the place of a damaged one.
 */
export async function openStore(path: string, options: StoreOptions = {}): Promise<OpenedStore> {
  await ensurePrivateDirectory(dirname(path));
  if (!existsSync(path) && existsSync(`${path}.next`)) await renameDurably(`${path}.next`, path);
  for (const left of [`${path}.new`, `${path}.next`]) await rm(left, { recursive: true, force: true });
  if (!existsSync(path)) {
    const made = await make(path, options);
    await made.close();
    await renameDurably(`${path}.new`, path);
  }
  try {
    return { store: await openSound(path, options), setAside: undefined };
  } catch (thrown) {
    if (!(thrown instanceof TrellisError) || thrown.code !== "store/damaged") throw thrown;
    return replaceDamaged(path, reasonOf(thrown), options);
  }
}

const make = async (path: string, options: StoreOptions): Promise<Store> =>
  Store.open(await LevelEngine.open(`${path}.new`), options);

async function openSound(path: string, options: StoreOptions): Promise<Store> {
  const engine = await LevelEngine.open(path);
  try {
    const store = await Store.open(engine, options);
    const { problems } = await store.verify();
    if (problems.length > 0) throw new TrellisError("store/damaged", problems.join("; "));
    return store;
  } catch (thrown) {
    await engine.close();
    throw thrown;
  }
}

async function replaceDamaged(path: string, reason: string, options: StoreOptions): Promise<OpenedStore> {
  const successor = await make(path, options);
  const kept = await salvage(path, successor);
  await successor.close();
  await renameDurably(`${path}.new`, `${path}.next`);
  const aside = `${path}.damaged`;
  await rm(aside, { recursive: true, force: true }); // one is kept, for who wants to look: a gateway has no room for more
  await renameDurably(path, aside);
  await renameDurably(`${path}.next`, path);
  return { store: await openSound(path, options), setAside: { path: aside, reason, kept } };
}

/** Copies every entry that is whole, as it was last. */
async function salvage(path: string, into: Store): Promise<number> {
  const newest = new Map<string, bigint>();
  let slice: Change[] = [];
  for (const { key, sequence, value: sealed } of readDamaged(path)) {
    const name = toHex(key);
    if ((newest.get(name) ?? -1n) > sequence) continue;
    const range = rangeOf(key);
    const value = sealed && unseal(key, sealed);
    if (!range || (sealed && !value)) continue;
    newest.set(name, sequence);
    slice.push({ range, key: key.subarray(1), value });
    if (slice.length < SLICE) continue;
    await into.commit(slice);
    slice = [];
  }
  await into.commit(slice);
  return RANGE_NAMES.reduce((sum, name) => sum + into.usage(name).entries, 0);
}

const reasonOf = (thrown: TrellisError): string =>
  thrown.cause === undefined ? thrown.message : `${thrown.message}: ${messageOf(thrown.cause)}`;
