import { join } from "node:path";
import { call } from "../api/client.io.ts";
import { messageOf } from "../base/errors.ts";
import { chooseProvider } from "../crypto/choose.ts";
import { type FoundRelay, loadAddon } from "../dataplane/addon.io.ts";
import { gatherFacts } from "../dataplane/capabilities.io.ts";
import { type Capability, capabilities, missingRequired, type RootKeyPlace } from "../dataplane/capabilities.ts";
import { leftRelays } from "../dataplane/relay-left.io.ts";
import { RELAY_MEMORY, RelayMemory } from "../dataplane/relay-memory.io.ts";
import { command, type Globals, NONE } from "./command.ts";
import { print, socketOf, viewHome, width } from "./context.ts";
import { wrap } from "./help.ts";

export const doctor = command({
  name: "doctor",
  doc: "what this machine has and lacks, what follows, what to do",
  positionals: NONE,
  options: NONE,
  examples: [["trellis doctor", "works without a daemon"]],
  async run(args) {
    const { provider, reason } = await chooseProvider();
    const { place, problem } = await rootKey(args);
    const rows = capabilities(
      gatherFacts({
        provider: { name: reason ? `${provider.name}, because of ${reason}` : provider.name, fast: !reason },
        rootKey: place,
        left: left(args),
        serviceManager: await isSupervised(args),
        unix: Math.floor(Date.now() / 1000),
        floor: 0,
      }),
    );
    const told = rows.filter((r) => problem === undefined || r.id !== "root-key"); // not known then
    const ready = missingRequired(rows).length === 0;
    print(args, { capabilities: told, ready, stateProblem: problem ?? null }, () => [
      ...told.flatMap(lines),
      ...(problem === undefined ? [] : [`the state directory could not be looked at: ${problem}`]),
      "",
      ready
        ? "this machine can carry IP traffic"
        : "this machine cannot carry IP traffic; what is MISSING keeps it from that",
    ]);
  },
});

async function rootKey(g: Globals): Promise<{ readonly place: RootKeyPlace; readonly problem?: string }> {
  try {
    const home = await viewHome(g);
    return { place: (await home.roots()).length > 0 ? "plain" : "absent" };
  } catch (thrown) {
    return { place: "absent", problem: messageOf(thrown) };
  }
}

/** A daemon of this gateway that was killed comes back for its own. */
function left(g: Globals): readonly FoundRelay[] {
  const { addon } = loadAddon();
  return addon ? leftRelays(addon, new RelayMemory(join(g.stateDir, RELAY_MEMORY)).read()) : [];
}

/** Asks the daemon, where one runs. */
async function isSupervised(g: Globals): Promise<boolean> {
  try {
    return (await call<{ supervised: boolean }>(socketOf(g), "status", {}, PATIENCE)).supervised;
  } catch {
    return false; // no daemon, or none that this user may ask: the table says what follows
  }
}

const PATIENCE = 2000; // milliseconds
const INDENT = " ".repeat(11);

function lines({ found, need, id, detail, consequence, fix }: Capability): string[] {
  const mark = found ? "ok" : need === "required" ? "MISSING" : "lacking";
  const [first = "", ...rest] = wrap(detail, width() - 28);
  const head = [`${mark.padEnd(9)}${id.padEnd(17)}  ${first}`, ...rest.map((line) => " ".repeat(28) + line)];
  if (found) return head;
  return [...head, ...wrap(`without it: ${consequence}`, width(), INDENT), ...wrap(`get it: ${fix}`, width(), INDENT)];
}
