import { type Rows, RUN, SETTINGS, shownFallback, variableOf } from "../config/settings.ts";
import { settle } from "../config/settle.ts";
import { command, NONE } from "./command.ts";
import { print } from "./context.ts";
import { table } from "./show.ts";

export const config = command({
  name: "config",
  doc: "every setting, its value, and where that comes from",
  positionals: NONE,
  options: RUN,
  examples: [
    ["trellis config", "what trellis run would run with"],
    ["trellis config --config new.conf", "whether a file is right, before the daemon gets it"],
  ],
  async run(args, sources) {
    const { values, origins } = settle<Rows>(SETTINGS, sources);
    const rows = Object.entries<Rows[string]>(SETTINGS).map(([name, setting]) => ({
      key: setting.key,
      value: values[name] ?? null,
      unit: setting.unit,
      from: origins[name] ?? "default",
      variable: variableOf(setting.key),
      doc: setting.doc,
      shown: values[name] ?? (origins[name] === "default" ? shownFallback(setting) : "none"),
    }));
    print(args, { settings: rows }, () =>
      table(
        ["setting", "value", "from", "environment"],
        rows.map((r) => [r.key, `${r.shown} ${r.unit}`.trimEnd(), r.from, r.variable]),
      ),
    );
  },
});
