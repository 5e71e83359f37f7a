import { toWireError } from "../api/protocol.ts";
import { chooseProvider } from "../crypto/choose.ts";
import { gatherFacts } from "../dataplane/capabilities.io.ts";
import { capabilities, missingRequired } from "../dataplane/capabilities.ts";
import { command, NONE } from "./command.ts";
import { print, viewHome } from "./context.ts";

export const doctor = command({
  name: "doctor",
  doc: "what this machine has, what it lacks, what follows, what to do",
  positionals: NONE,
  options: NONE,
  examples: [["trellis doctor", "works without a daemon"]],
  async run(args) {
    const { provider } = await chooseProvider();
    const roots = await viewHome(args)
      .then((home) => home.roots())
      .catch((thrown: unknown) => toWireError(thrown) && []);
    const rows = capabilities(
      gatherFacts({
        provider: { name: provider.name, fast: provider.name === "native" },
        rootKey: roots.length > 0 ? "plain" : "absent",
        unix: Math.floor(Date.now() / 1000),
        floor: 0,
      }),
    );
    print(args, { capabilities: rows, ready: missingRequired(rows).length === 0 }, () =>
      rows.flatMap((r) => {
        const mark = r.found ? "ok     " : r.need === "required" ? "MISSING" : "lacking";
        const head = `${mark}  ${r.id.padEnd(18)} ${r.detail}`;
        return r.found ? [head] : [head, `           without it: ${r.consequence}`, `           get it: ${r.fix}`];
      }),
    );
  },
});
