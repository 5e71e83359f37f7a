import { statSync } from "node:fs";
import { chooseProvider } from "../crypto/choose.ts";
import {
  type Contents,
  contentsAtRest,
  refuseExisting,
  restoreBackup,
  writeBackup,
} from "../provisioning/backup.io.ts";
import { systemRandom } from "../system.io.ts";
import { command, type Globals } from "./command.ts";
import { ownHome, print, socketOf } from "./context.ts";
import { beginLongWork } from "./long-work.ts";
import { knownPassphrase, newPassphrase, passphraseFile } from "./passphrase.ts";
import { progressOf } from "./progress.ts";
import { contentsOfDaemon } from "./running-backup.ts";

export const backup = command({
  name: "backup",
  doc: "this gateway as one sealed file ; the daemon may run",
  positionals: { file: { doc: "where to write it; nothing is overwritten", completes: "file" } },
  options: { passphraseFile },
  examples: [
    [
      "trellis backup /media/usb/a.backup",
      "its keys, the root where it lies here, certificate, members, revocations, invites, policy and records: who opens it is this gateway",
    ],
  ],
  async run(args) {
    refuseExisting(args.file);
    const passphrase = await newPassphrase(args.passphraseFile, "the backup");
    const { provider } = await chooseProvider();
    const memory = beginLongWork(args);
    const { holds, bytes, parts, close } = (await contentsOfDaemon(socketOf(args))) ?? (await contentsHere(args));
    const progress = progressOf("sealed", bytes);
    try {
      await writeBackup(provider, systemRandom, args.file, passphrase, parts, (done) => {
        progress.at(done);
        return memory.room(0);
      });
    } finally {
      progress.end();
      await close();
    }
    const { size } = statSync(args.file);
    print(args, { file: args.file, bytes: size, holds }, () => [
      `written to ${args.file}, ${size} bytes: ${holds.join(", ")}`,
      "keep file and passphrase apart",
    ]);
  },
});

async function contentsHere(args: Globals): Promise<Contents> {
  const home = await ownHome(args);
  const contents = await contentsAtRest(home);
  return { ...contents, close: () => contents.close().finally(home.release) };
}

export const restore = command({
  name: "restore",
  doc: "a gateway from its backup, into an empty state directory",
  positionals: { file: { doc: "what trellis backup has written", completes: "file" } },
  options: { passphraseFile },
  examples: [
    [
      "trellis restore /media/usb/a.backup",
      "what it wrote since comes back from the others; where the first one still runs the two disturb each other: one of them has to go",
    ],
  ],
  async run(args) {
    const home = await ownHome(args);
    const passphrase = await knownPassphrase(args.passphraseFile, "the backup");
    const { provider } = await chooseProvider();
    const memory = beginLongWork(args);
    const progress = progressOf("read", statSync(args.file, { throwIfNoEntry: false })?.size ?? 0);
    try {
      const holds = await restoreBackup(provider, home, args.file, passphrase, (done) => {
        progress.at(done);
        return memory.room(0);
      });
      progress.end();
      print(args, { stateDir: home.path, holds }, () => [
        `restored to ${home.path}: ${holds.join(", ")}`,
        "next: trellis run",
      ]);
    } finally {
      progress.end();
      home.release();
    }
  },
});
