/**
 * The policy document: `default = "deny"` and `rules = [...]`, a line per rule:
 *
 *   allow|deny from WHO to WHO [PROTOCOL [PORTS]]
 *
 * WHO is `any`, `self`, a member's name, `role:NAME` or an address; PROTOCOL is `any`, a word or a number; PORTS are of the
 * destination, `22` or `8000-8999`. Each takes several with commas between.
 */
import { TrellisError } from "../base/errors.ts";
import { formatIp, parseIp } from "../base/ip.ts";
import { nearest } from "../base/nearest.ts";
import { isName, isWord } from "../identity/names.ts";
import { type Policy, type PortRange, PROTOCOL_WORDS, type Rule, type Selector, WITH_PORTS } from "./policy.ts";

/** More than anybody writes by hand; each has its own counters in the kernel. */
export const RULES_MAX = 16_383;

const KEYS = ["default", "rules"];

/** `document` is the TOML as an object. Throws `policy/document` or `policy/rule`, which say where and what was expected. */
export function parsePolicy(document: Readonly<Record<string, unknown>>): Policy {
  const stranger = Object.keys(document).find((key) => !KEYS.includes(key));
  if (stranger !== undefined) {
    const meant = nearest(stranger, KEYS);
    throw wrong(`there is no "${stranger}" in a policy`, meant ? `did you mean ${meant}?` : "it has default and rules");
  }
  const { default: fallback, rules = [] } = document;
  if (fallback !== "allow" && fallback !== "deny")
    throw wrong('default must be "allow" or "deny"', 'what no rule matches: default = "deny"');
  if (!Array.isArray(rules) || !rules.every((r) => typeof r === "string"))
    throw wrong("rules must be a list of texts", 'rules = ["allow from any to self tcp 22"]');
  if (rules.length > RULES_MAX) throw wrong(`${rules.length} rules are too many`, `at most ${RULES_MAX}`);
  return { fallback, rules: rules.map((text, at) => parseRule(text, at + 1)) };
}

const wrong = (message: string, hint: string): TrellisError => new TrellisError("policy/document", message, { hint });

const FORM = "allow|deny from WHO to WHO [PROTOCOL [PORTS]]";

/** `number` counts from 1. Throws `policy/rule`. */
export function parseRule(line: string, number: number): Rule {
  const refuse = (message: string, hint = FORM): TrellisError =>
    new TrellisError("policy/rule", `rule ${number}, "${line}": ${message}`, { hint });
  const words = line.trim().split(/\s+/);
  const [action, from, who, to, whom, ...rest] = words;
  if (action !== "allow" && action !== "deny") throw refuse(`it begins with allow or deny, not "${action}"`);
  if (from !== "from" || who === undefined || to !== "to" || whom === undefined || rest.length > 2)
    throw refuse("this is no rule");
  const selectors = (text: string): Selector[] =>
    text.split(",").map((word) => {
      const selector = parseSelector(word);
      if (selector) return selector;
      const prefix = word.includes("/") ? "prefixes cannot be named yet" : "any, self, a name, role:NAME or an address";
      throw refuse(`"${word}" is nobody`, prefix);
    });
  const [protocolWord = "any", portWord] = rest;
  const protocols = parseProtocols(protocolWord);
  if (protocols === "unknown") {
    const meant = nearest(protocolWord, Object.keys(PROTOCOL_WORDS));
    const hint = meant ? `did you mean ${meant}?` : "any, tcp, udp, icmp, sctp, 0 to 255; ports come after it";
    throw refuse(`"${protocolWord}" is no protocol`, hint);
  }
  const ports = portWord === undefined || portWord === "any" ? undefined : parsePorts(portWord);
  if (ports === "unknown") throw refuse(`"${portWord}" are no ports`, "22 or 8000-8999 or 80,443");
  if (ports && !protocols?.every((p) => WITH_PORTS.includes(p)))
    throw refuse("only tcp, udp, sctp, dccp and udplite have ports");
  return { action, from: selectors(who), to: selectors(whom), protocols, ports, text: words.join(" ") };
}

export function parseSelector(word: string): Selector | undefined {
  if (word === "any" || word === "self") return { kind: word };
  if (word.startsWith("role:")) {
    const role = word.slice("role:".length);
    return isWord(role) ? { kind: "role", role } : undefined;
  }
  const address = parseIp(word);
  if (address) return { kind: "address", address: formatIp(address) };
  return isName(word) ? { kind: "name", name: word } : undefined;
}

/** Numbers; undefined for every protocol. */
export function parseProtocols(word: string): readonly number[] | undefined | "unknown" {
  if (word === "any") return undefined;
  const numbers = word.split(",").flatMap((w): readonly (number | undefined)[] => {
    return Object.hasOwn(PROTOCOL_WORDS, w) ? (PROTOCOL_WORDS[w] ?? []) : [number(w, 255)];
  });
  return numbers.every((n) => n !== undefined) ? numbers : "unknown";
}

function parsePorts(word: string): readonly PortRange[] | "unknown" {
  const ranges = word.split(",").map((part) => {
    const [first, last = first, ...more] = part.split("-").map((p) => number(p, 65_535));
    return first === undefined || last === undefined || last < first || more.length > 0 ? undefined : { first, last };
  });
  return ranges.every((r) => r !== undefined) ? ranges : "unknown";
}

const number = (text: string, most: number): number | undefined =>
  /^\d{1,5}$/.test(text) && Number(text) <= most ? Number(text) : undefined;

/** A policy in a line. */
export const summaryOf = (rules: number, fallback: string): string =>
  `${rules} ${rules === 1 ? "rule" : "rules"}, default ${fallback}`;
