import { statSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { call } from "../api/client.io.ts";
import type { JsonObject } from "../api/protocol.ts";
import { TrellisError } from "../base/errors.ts";
import { text } from "../config/parsers.ts";
import { CHUNK_MAX, isFileName } from "../transfer/message.ts";
import { command, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { peerWord } from "./peer-word.ts";
import { progressOf } from "./progress.ts";

interface State extends JsonObject {
  readonly phase: string;
  readonly reason: string;
}

export const send = command({
  name: "send",
  doc: "send a file to a gateway that runs trellis receive",
  positionals: { peer: peerWord, file: { doc: "the file", completes: "file" } },
  options: {
    as: option({
      key: "as",
      fallback: undefined,
      unit: "",
      doc: "the name it is offered by, instead of its own",
      parse: text,
    }),
  },
  examples: [["trellis send b firmware.bin", "while gateway b runs `trellis receive`"]],
  async run(args) {
    const name = args.as ?? basename(args.file);
    const size = sizeOf(args.file);
    if (!isFileName(name)) {
      throw new TrellisError("usage/name", `"${name}" is no name to offer a file by`, {
        hint: "choose one with --as: no slash, no leading dot, no control characters",
      });
    }
    const ask = (method: string, params: JsonObject): Promise<JsonObject> => call(socketOf(args), method, params);
    const id = String((await ask("send-offer", { peer: args.peer, name, size })).id);
    const untilRoom = async (room: number): Promise<State> => {
      for (;;) {
        const state = (await ask("send-state", { id, room })) as State;
        if (state.phase === "failed") throw failed(args.peer, state.reason);
        if (state.phase === "done" || (state.phase === "open" && room > 0 && Number(state.room) >= room)) return state;
        if (state.phase === "open" && room === 0) continue; // all is sent; the receiver still writes
      }
    };
    try {
      let room = 0;
      const sha256 = await pour(args.file, size, async (piece) => {
        if (room < piece.length) room = Number((await untilRoom(piece.length)).room);
        const { taken } = await ask("send-data", { id, data: piece.toString("base64") });
        if (taken !== true) {
          await untilRoom(piece.length); // it has failed since, and this throws why
          throw failed(args.peer, "it takes no more");
        }
        room -= piece.length;
      });
      if (size === 0) await untilRoom(1);
      await ask("send-end", { id, sha256 });
      await untilRoom(0);
      print(args, { peer: args.peer, name, size, sha256 }, () => [`${name}: ${size} bytes, SHA-256 ${sha256}`]);
    } finally {
      await ask("send-forget", { id }).catch(() => {}); // the daemon may be gone: what failed before is what counts
    }
  },
});

function sizeOf(file: string): number {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat?.isFile()) return stat.size;
  throw new TrellisError("usage/file", `${file} is ${stat ? "no file" : "not there"}`);
}

const failed = (peer: string, reason: string): TrellisError =>
  new TrellisError("transfer/failed", `${peer} did not take the file: ${reason}`, {
    hint: "on the other gateway: trellis receive",
  });

/** Reads the file piece by piece; gives its SHA-256 in hex. */
async function pour(file: string, size: number, give: (piece: Buffer) => Promise<void>): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  const progress = progressOf("sent", size);
  const handle = await open(file);
  try {
    for (let at = 0; at < size; ) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(CHUNK_MAX, size - at)));
      if (bytesRead === 0) throw new TrellisError("transfer/changed", `${file} became shorter while it was sent`);
      const piece = buffer.subarray(0, bytesRead);
      hash.update(piece);
      await give(piece);
      at += bytesRead;
      progress.at(at);
    }
  } finally {
    progress.end();
    await handle.close();
  }
  return hash.digest("hex");
}
