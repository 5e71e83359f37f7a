/**
 * What goes into a backup, piece by piece over the control socket, while the gateway runs: who asks seals it and writes it, so the passphrase never comes here and
 * the file lies where and as whom they want it. In clear: whoever may ask may read the state directory as well. A command that was ended asks no
 * more, and what was kept for it goes.
 */
import { randomUUID } from "node:crypto";
import { TrellisError } from "../base/errors.ts";
import { type Ms, seconds } from "../base/time.ts";
import type { Contents } from "../provisioning/backup.io.ts";
import type { JsonObject } from "./protocol.ts";
import type { Handler } from "./server.io.ts";

/** Until then who writes to a slow medium asks again. */
const PATIENCE: Ms = seconds(60);
/** Each keeps what the store held when it began. One more takes the place of the one that was not asked for longest: most likely it was broken off. */
const OPEN_MAX = 4;
/** Bytes of an answer, but for its last part. */
const PIECE = 256 * 1024;

interface Open {
  readonly contents: Contents;
  readonly parts: AsyncIterator<Uint8Array>;
  limit: Timer | undefined;
}

export function backupMethods(
  contentsNow: () => Promise<Contents>,
  patience: Ms = PATIENCE,
): Readonly<Record<string, Handler>> {
  const open = new Map<string, Open>();

  const close = async (id: string): Promise<void> => {
    const one = open.get(id);
    open.delete(id);
    clearTimeout(one?.limit);
    await one?.contents.close();
  };
  const wait = (id: string, one: Open): void => {
    clearTimeout(one.limit);
    open.delete(id);
    open.set(id, one); // behind all others
    one.limit = setTimeout(() => void close(id), patience).unref();
  };
  const openOf = (p: JsonObject): { readonly id: string; readonly one: Open } => {
    const id = String(p.id);
    const one = open.get(id);
    if (one) return { id, one };
    throw new TrellisError("backup/gone", "the daemon knows of no such backup any more", { hint: "begin again" });
  };

  return {
    "backup-open": async () => {
      const [oldest] = open.keys();
      if (oldest !== undefined && open.size >= OPEN_MAX) await close(oldest);
      const contents = await contentsNow();
      const id = randomUUID();
      const one: Open = { contents, parts: contents.parts[Symbol.asyncIterator](), limit: undefined };
      wait(id, one);
      return { id, holds: contents.holds, bytes: contents.bytes };
    },
    "backup-read": async (p) => {
      const { id, one } = openOf(p);
      wait(id, one);
      const piece = await nextPiece(one.parts).catch(async (thrown: unknown) => {
        await close(id);
        throw thrown;
      });
      if (piece.end) await close(id);
      return { data: piece.bytes.toString("base64"), end: piece.end };
    },
    "backup-close": async (p) => {
      await close(String(p.id));
      return {};
    },
  };
}

async function nextPiece(parts: AsyncIterator<Uint8Array>): Promise<{ readonly bytes: Buffer; readonly end: boolean }> {
  const pieces: Uint8Array[] = [];
  for (let size = 0; size < PIECE; ) {
    const { done, value } = await parts.next();
    if (done) return { bytes: Buffer.concat(pieces), end: true };
    pieces.push(value);
    size += value.length;
  }
  return { bytes: Buffer.concat(pieces), end: false };
}
