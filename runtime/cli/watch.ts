import { call } from "../api/client.io.ts";
import { command, NONE } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { pause } from "./live.ts";

const EVERY = 500; // ms

interface Event {
  readonly number: number;
  readonly at: number;
  readonly kind: string;
  readonly [field: string]: unknown;
}

interface Told {
  readonly next: number;
  readonly skipped: number;
  readonly events: readonly Event[];
}

export const watch = command({
  name: "watch",
  doc: "what happens in the mesh, as it happens",
  positionals: NONE,
  options: NONE,
  examples: [
    ["trellis watch", "until ^C"],
    ["trellis watch --json", "an event a line, for scripts"],
  ],
  async run(args) {
    let after: number | undefined;
    for (;;) {
      const told: Told = await call(socketOf(args), "events", after === undefined ? {} : { after });
      if (told.skipped > 0) console.error(`${told.skipped} more were too fast to be told`);
      after = told.next;
      for (const event of told.events) print(args, event, () => [`${clock(event.at)}  ${sentence(event)}`]);
      await pause(EVERY);
    }
  },
});

const clock = (at: number): string => new Date(at).toISOString().slice(11, 23);

/** Each kind in words; one that this program does not know as it came. */
function sentence(e: Event): string {
  const who = `${e.name ?? e.peer ?? ""}`;
  switch (e.kind) {
    case "sessionUp":
      return `${who}: session (${e.pattern}, took ${Math.round(Number(e.took))} ms)`;
    case "sessionDown":
      return `${who}: no session any more: ${e.reason}`;
    case "silent":
      return `${who}: the link is silent`;
    case "alive":
      return `${who}: the link is alive`;
    case "route":
      return `${who}: ${routed(e)}`;
    case "admitted":
      return `${who}: joined by an invite of this gateway`;
    case "revoked":
      return `${who}: revoked`;
    case "refused":
      return `${who}: refuses us: ${e.message}`;
    default: {
      const { number: _, at: __, kind, ...fields } = e;
      return `${kind} ${JSON.stringify(fields)}`;
    }
  }
}

function routed({ name, primary, backup }: Event): string {
  if (primary === null) return "no way leads there any more";
  const way = primary === name ? "direct" : `by way of ${primary}`;
  return backup === null ? way : `${way}, and over ${backup} when that fails`;
}
