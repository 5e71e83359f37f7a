import { TrellisError } from "../base/errors.ts";
import { exportStore, importStore, readArchive } from "../store/archive.ts";
import { readParts, writeAtomic } from "../store/atomic.io.ts";
import { type OpenedStore, openStore, type SetAside } from "../store/open-store.io.ts";
import { RANGE_NAMES, RANGES } from "../store/ranges.ts";
import type { Store } from "../store/store.ts";
import { command, NONE } from "./command.ts";
import { ownHome, print } from "./context.ts";

export const store = command({
  name: "store",
  doc: "look after the store (daemon stopped)",
  positionals: {
    action: { doc: "what to do, see the examples", choices: ["check", "compact", "export", "import"] },
    file: { doc: "export, import: the archive", optional: true, completes: "file" },
  },
  options: NONE,
  examples: [
    ["trellis store check", "reads every entry; a damaged store is set aside, and what is whole goes into a new one"],
    ["trellis store compact", "gives back the room of what was replaced and deleted"],
    ["trellis store export store.archive", "every entry into one file; it holds group keys, so keep it secret"],
    ["trellis store import store.archive", "the archive's entries over those that are here"],
  ],
  async run(args) {
    const home = await ownHome(args);
    let opened: OpenedStore | undefined;
    try {
      opened = await openStore(home.store);
      const told = await act(args.action, opened.store, args.file);
      const shown = { ...told, ranges: rangesOf(opened.store), setAside: opened.setAside ?? null };
      print(args, shown, () => [...linesOf(opened?.setAside), ...tableOf(shown.ranges), told.line]);
    } finally {
      await opened?.store.close();
      home.release();
    }
  },
});

async function act(action: string, opened: Store, file: string | undefined): Promise<{ readonly line: string }> {
  if (action === "check") return { line: "every entry is whole" }; // opening it has read them all
  if (action === "compact") {
    await opened.compact();
    return { line: "compacted" };
  }
  if (file === undefined)
    throw new TrellisError("usage/missing", `store ${action} needs a file`, { hint: "trellis store --help" });
  if (action === "export") {
    const snapshot = opened.snapshot();
    await writeAtomic(file, exportStore(snapshot), "foreign").finally(() => snapshot.close());
    return { line: `written to ${file}` };
  }
  for await (const _ of readArchive(readParts(file))); // nothing is written of one that is not whole
  return { line: `${await importStore(opened, readParts(file))} entries read from ${file}` };
}

interface RangeView {
  readonly entries: number;
  readonly bytes: number;
  readonly mostEntries: number;
  readonly mostBytes: number;
}

const rangesOf = (opened: Store): Record<string, RangeView> =>
  Object.fromEntries(
    RANGE_NAMES.map((name) => {
      const { entries, bytes } = opened.usage(name);
      return [name, { entries, bytes, mostEntries: RANGES[name].entries, mostBytes: RANGES[name].bytes }];
    }),
  );

const linesOf = (aside: SetAside | undefined): string[] =>
  aside
    ? [`it was damaged (${aside.reason})`, `${aside.kept} entries were kept; the old one lies in ${aside.path}`]
    : [];

const tableOf = (ranges: Record<string, RangeView>): string[] => {
  const rows = Object.entries(ranges).map(([name, r]) => [
    name,
    `${r.entries}`,
    `${r.mostEntries}`,
    kB(r.bytes),
    kB(r.mostBytes),
  ]);
  return [["range", "entries", "at most", "kB", "at most"], ...rows].map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(8) : cell.padStart(8))).join("  "),
  );
};

const kB = (bytes: number): string => `${Math.ceil(bytes / 1024)}`;
