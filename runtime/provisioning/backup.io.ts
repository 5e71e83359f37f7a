/**
 * A gateway as one sealed file: every file of its state directory (keys, certificate, root where it lies there, roster, revocations, invites, policy) and its
 * store. In it, one after the other: length of the name (u8), of the content (u32be), name, content; the store last, as its archive.
 */
import { existsSync } from "node:fs";
import { concat, utf8 } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { exportStore, importStore } from "../store/archive.ts";
import { readOptional, writeAtomic } from "../store/atomic.io.ts";
import { openStore } from "../store/open-store.io.ts";
import type { OwnHome } from "./home.io.ts";
import { openStream, sealStream } from "./sealed-stream.ts";

const STORE = "store";

/** Gives what it holds: names of files, and `store` where there is one. Throws `backup/exists` (nothing is overwritten) and what `writeAtomic` and `openStore` throw. */
export async function writeBackup(
  crypto: CryptoProvider,
  random: RandomBytes,
  home: OwnHome,
  path: string,
  passphrase: string,
): Promise<readonly string[]> {
  if (existsSync(path))
    throw new TrellisError("backup/exists", `${path} is there already`, { hint: "choose another name" });
  const holds: string[] = [];
  async function* parts(): AsyncGenerator<Uint8Array> {
    for await (const { name, content } of home.files()) {
      holds.push(name);
      yield entry(name, content);
    }
    if (!existsSync(home.store)) return;
    const { store } = await openStore(home.store);
    try {
      const archive: Uint8Array[] = [];
      for await (const part of exportStore(store)) archive.push(part);
      holds.push(STORE);
      yield entry(STORE, concat(...archive));
    } finally {
      await store.close();
    }
  }
  await writeAtomic(path, sealStream(crypto, random, passphrase, parts()), "foreign");
  return holds;
}

/** Into a directory that holds no gateway; gives what the backup held. Throws `backup/in-use`, `backup/no-file`, those of `openStream` and of writing. */
export async function restoreBackup(
  crypto: CryptoProvider,
  home: OwnHome,
  path: string,
  passphrase: string,
): Promise<readonly string[]> {
  if ((await home.keys()) || existsSync(home.store))
    throw new TrellisError("backup/in-use", `${home.path} holds a gateway already`, {
      hint: "use another --state-dir, or move this one away",
    });
  const sealed = await readOptional(path);
  if (!sealed) throw new TrellisError("backup/no-file", `there is no ${path}`, { hint: "is the medium mounted?" });
  const all = entriesOf(await openStream(crypto, passphrase, sealed));
  const archive = all.find(({ name }) => name === STORE);
  const files = all.filter(({ name }) => name !== STORE);
  if (archive) {
    const { store } = await openStore(home.store);
    try {
      await importStore(store, archive.content);
    } finally {
      await store.close();
    }
  }
  // The keys last: a restore that was cut off is seen as none.
  for (const { name, content } of files.sort((a, b) => Number(a.name === "keys.cbor") - Number(b.name === "keys.cbor")))
    await home.restoreFile(name, content);
  return all.map(({ name }) => name);
}

interface Entry {
  readonly name: string;
  readonly content: Uint8Array;
}

function entry(name: string, content: Uint8Array): Uint8Array {
  const head = new Uint8Array(5);
  head[0] = utf8(name).length;
  new DataView(head.buffer).setUint32(1, content.length);
  return concat(head, utf8(name), content);
}

function entriesOf(plain: Uint8Array): Entry[] {
  const view = new DataView(plain.buffer, plain.byteOffset, plain.length);
  const out: Entry[] = [];
  for (let at = 0; at < plain.length; ) {
    const nameEnd = at + 5 + view.getUint8(at);
    const end = nameEnd + view.getUint32(at + 1);
    out.push({
      name: new TextDecoder().decode(plain.subarray(at + 5, nameEnd)),
      content: plain.subarray(nameEnd, end),
    });
    at = end;
  }
  return out;
}
