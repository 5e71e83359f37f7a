import { chooseProvider } from "../crypto/choose.ts";
import { restoreBackup, writeBackup } from "../provisioning/backup.io.ts";
import { systemRandom } from "../system.io.ts";
import { command } from "./command.ts";
import { ownHome, print } from "./context.ts";
import { knownPassphrase, newPassphrase, passphraseFile } from "./passphrase.ts";

export const backup = command({
  name: "backup",
  doc: "this gateway as one sealed file (daemon stopped)",
  positionals: { file: { doc: "where to write it; nothing is overwritten", completes: "file" } },
  options: { passphraseFile },
  examples: [
    [
      "trellis backup /media/usb/a.backup",
      "its keys, the root where it lies here, certificate, members, revocations, invites, policy and records: who opens it is this gateway",
    ],
  ],
  async run(args) {
    const home = await ownHome(args);
    try {
      const passphrase = await newPassphrase(args.passphraseFile, "the backup");
      const { provider } = await chooseProvider();
      const holds = await writeBackup(provider, systemRandom, home, args.file, passphrase);
      print(args, { file: args.file, holds }, () => [
        `written to ${args.file}: ${holds.join(", ")}`,
        "keep file and passphrase apart",
      ]);
    } finally {
      home.release();
    }
  },
});

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
    try {
      const passphrase = await knownPassphrase(args.passphraseFile, "the backup");
      const { provider } = await chooseProvider();
      const holds = await restoreBackup(provider, home, args.file, passphrase);
      print(args, { stateDir: home.path, holds }, () => [
        `restored to ${home.path}: ${holds.join(", ")}`,
        "next: trellis run",
      ]);
    } finally {
      home.release();
    }
  },
});
