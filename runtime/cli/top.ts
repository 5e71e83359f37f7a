import { call } from "../api/client.io.ts";
import { flag } from "../config/parsers.ts";
import { command, NONE, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { type FlowView, flowFilter, rates, rateTable } from "./flow-view.ts";
import { filterOption, onceOption } from "./flows.ts";
import { draw, isWatched, pause } from "./live.ts";

const EVERY = 1000; // ms

export const top = command({
  name: "top",
  doc: "who carries how much over the mesh right now",
  positionals: NONE,
  options: {
    services: option({ key: "services", fallback: false, unit: "", doc: "a line per peer and service", parse: flag }),
    filter: filterOption,
    once: onceOption,
  },
  examples: [
    ["trellis top", "live at a terminal: a line per peer, the fastest first"],
    ["trellis top --services", "a line per peer, protocol and port"],
    ["trellis top --json", "what flowed in one second, for scripts"],
  ],
  async run(args) {
    const wanted = flowFilter(args.filter);
    const look = async (): Promise<{ at: number; flows: readonly FlowView[] }> => {
      const { flows } = await call<{ flows: readonly FlowView[] }>(socketOf(args), "flows");
      return { at: performance.now(), flows: flows.filter(wanted) };
    };
    for (let before = await look(); ; ) {
      await pause(EVERY);
      const after = await look();
      const seconds = (after.at - before.at) / 1000;
      const all = rates(before.flows, after.flows, seconds, args.services);
      if (!isWatched(args)) return print(args, { seconds, rates: all }, () => rateTable(all));
      draw("per second; ^C ends", rateTable(all));
      before = after;
    }
  },
});
