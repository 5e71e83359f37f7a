import { call } from "../api/client.io.ts";
import { flag, text } from "../config/parsers.ts";
import { command, type Globals, NONE, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { type FlowIds, type FlowView, flowFilter, flowTable, serviceOf, verdictOf } from "./flow-view.ts";
import { draw, isWatched, pause } from "./live.ts";

const EVERY = 1000; // ms

export const onceOption = option({
  key: "once",
  fallback: false,
  unit: "",
  doc: "print once and end, also at a terminal",
  parse: flag,
});
export const filterOption = option({
  key: "filter",
  fallback: "",
  shown: "all of them",
  unit: "",
  doc: "words with commas between that all must fit: a peer, a protocol, a port, in or out by who opened it, allowed or denied",
  parse: text,
});

export const flows = command({
  name: "flows",
  doc: "what flows over the mesh device, and what was denied",
  positionals: NONE,
  options: {
    filter: filterOption,
    new: option({
      key: "new",
      fallback: false,
      unit: "",
      doc: "a line for each new flow, as it begins, until ^C",
      parse: flag,
    }),
    once: onceOption,
  },
  examples: [
    ["trellis flows", "live at a terminal, the busiest first"],
    ["trellis flows --filter b,tcp,22", "with b, about port 22"],
    ["trellis flows --new --filter denied", "each attempt that the policy denies"],
    ["trellis flows --json", "all of them, for scripts"],
  ],
  async run(args) {
    const wanted = flowFilter(args.filter);
    if (args.new) return await follow(args, wanted);
    for (;;) {
      const { flows: all, total } = await call<{ total: number; flows: readonly FlowView[] }>(socketOf(args), "flows");
      const some = all.filter(wanted);
      if (!isWatched(args)) return print(args, { total, flows: some }, () => flowTable(some));
      draw(`${total} flows, ${some.length} shown; ^C ends`, flowTable(some));
      await pause(EVERY);
    }
  },
});

interface Told {
  readonly next: number;
  /** By the kernel since it began, and by the daemon since the last call. */
  readonly lost: number;
  readonly skipped: number;
  readonly events: readonly (FlowIds & { readonly number: number })[];
}

/** Until the daemon or the user ends it. */
async function follow(g: Globals, wanted: (f: FlowIds) => boolean): Promise<never> {
  let after: number | undefined;
  let lost: number | undefined;
  for (;;) {
    const told: Told = await call(socketOf(g), "flow-events", after === undefined ? {} : { after });
    const missed = told.lost - (lost ?? told.lost) + told.skipped;
    if (missed > 0) console.error(`${missed} more were too fast to be told`);
    after = told.next;
    lost = told.lost;
    for (const event of told.events.filter(wanted))
      print(g, event, () => [
        `${event.opener === "in" ? "from" : "to"} ${event.peer}  ${serviceOf(event)}  ${event.verdict}, ${verdictOf(event)}`,
      ]);
    await pause(EVERY);
  }
}
