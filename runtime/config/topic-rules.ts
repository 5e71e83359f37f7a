/** Who may publish or read which MQTT topics, as a setting: `role:sensor publish readings/+, member subscribe alarms/#`. */
import { list, type Parser } from "./parsers.ts";

/** MQTT 3.1.1 §4.7: `#` ends a filter, and both wildcards stand alone between slashes. */
const isFilter = (text: string): boolean =>
  text.split("/").every((level, i, all) => /^[^+#]*$|^\+$/.test(level) || (level === "#" && i === all.length - 1));

/** One blank between its three words. */
const rule: Parser<string> = {
  expects: "WHO publish|subscribe FILTER, where WHO is local, member or role:NAME",
  sign: "RULES",
  parse(given) {
    const [who = "", action = "", filter = "", ...more] = String(given).trim().split(/\s+/);
    const isRule = /^(local|member|role:[a-z0-9-]{1,63})$/.test(who) && /^(publish|subscribe)$/.test(action);
    if (!isRule || filter === "" || more.length > 0 || !isFilter(filter)) return undefined;
    return { value: `${who} ${action} ${filter}` };
  },
};

const rules = list(rule);

/** Nothing for none. */
export const topicRules: Parser<readonly string[]> = {
  ...rules,
  parse: (given) => (given === "" ? { value: [] } : rules.parse(given)),
};
