import { existsSync, rmSync, statSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import { call } from "../api/client.io.ts";
import type { JsonObject } from "../api/protocol.ts";
import { messageOf, TrellisError } from "../base/errors.ts";
import { duration, flag, path, text } from "../config/parsers.ts";
import { command, NONE, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { progressOf } from "./progress.ts";

interface Offer extends JsonObject {
  readonly id: string;
  readonly peerName: string;
  readonly name: string;
  readonly size: number;
}

type Ask = (method: string, params: JsonObject) => Promise<JsonObject>;

export const receive = command({
  name: "receive",
  doc: "take one file that another gateway sends",
  positionals: NONE,
  options: {
    from: option({
      key: "from",
      fallback: undefined,
      unit: "",
      doc: "only from this gateway",
      completes: "peer",
      parse: text,
    }),
    to: option({
      key: "to",
      fallback: ".",
      unit: "",
      doc: "where to: a directory, or the file's new name",
      completes: "file",
      parse: path,
    }),
    force: option({ key: "force", fallback: false, unit: "", doc: "replace a file that is there", parse: flag }),
    wait: option({ key: "wait", fallback: 600, unit: "", doc: "how long to wait for one", parse: duration }),
  },
  examples: [["trellis receive --from a --to /tmp", "the next file that gateway a sends"]],
  async run(args) {
    const ask: Ask = (method, params) => call(socketOf(args), method, params);
    const offer = await nextOffer(ask, args.from, args.wait);
    const target = isDirectory(args.to) ? join(args.to, offer.name) : args.to;
    try {
      if (existsSync(target) && !args.force)
        throw new TrellisError("receive/exists", `${target} is there already`, { hint: "--force replaces it" });
      const sha256 = await fill(ask, offer, target);
      await ask("receive-close", { id: offer.id });
      const { peerName, name, size } = offer;
      print(args, { from: peerName, name, size, sha256, path: target }, () => [
        `${target}: ${size} bytes from ${peerName}, SHA-256 ${sha256}`,
      ]);
    } catch (thrown) {
      await ask("receive-close", { id: offer.id, failure: messageOf(thrown) }).catch(() => {});
      throw thrown;
    }
  },
});

async function nextOffer(ask: Ask, from: string | undefined, wait: number): Promise<Offer> {
  const end = performance.now() + wait * 1000;
  while (performance.now() < end) {
    const { offer } = await ask("receive-take", from === undefined ? {} : { from });
    if (offer) return offer as Offer;
  }
  throw new TrellisError("receive/nothing", "nobody sent a file", { hint: "on the other gateway: trellis send" });
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** Writes beside the target and renames when all is there and the hash is right; gives the SHA-256 in hex. */
async function fill(ask: Ask, offer: Offer, target: string): Promise<string> {
  const part = `${target}.part`;
  const hash = new Bun.CryptoHasher("sha256");
  const progress = progressOf("received", offer.size);
  const file = await open(part, "w", 0o600);
  let done = 0;
  try {
    for (;;) {
      const read = await ask("receive-read", { id: offer.id });
      if (read.kind === "failed") throw new TrellisError("transfer/failed", String(read.reason));
      if (read.kind === "data") {
        const piece = Buffer.from(String(read.data), "base64");
        hash.update(piece);
        await file.writeFile(piece);
        done += piece.length;
        progress.at(done);
      } else if (read.kind === "end") {
        const sha256 = hash.digest("hex");
        if (sha256 !== read.sha256)
          throw new TrellisError(
            "transfer/hash",
            `the file has SHA-256 ${sha256}, its sender says ${String(read.sha256)}`,
          );
        await file.sync();
        await rename(part, target);
        return sha256;
      }
    }
  } catch (thrown) {
    rmSync(part, { force: true });
    throw thrown;
  } finally {
    progress.end();
    await file.close();
  }
}
