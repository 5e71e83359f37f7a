/** What a policy says about one attempt, and why: the rules as they are written, one after the other. The kernel's table (compile.ts) must agree. */
import {
  type Action,
  type Attempt,
  type Identity,
  type Policy,
  protocolName,
  type Rule,
  type Selector,
} from "./policy.ts";

export interface Verdict {
  readonly action: Action;
  /** The rule that decided, from 1; undefined for the default. */
  readonly rule: number | undefined;
}

/** `self` is the address of the gateway that enforces the policy. */
export function evaluate(policy: Policy, self: string, attempt: Attempt): Verdict {
  const at = policy.rules.findIndex((rule) => misses(rule, self, attempt).length === 0);
  const rule = policy.rules[at];
  return rule ? { action: rule.action, rule: at + 1 } : { action: policy.fallback, rule: undefined };
}

export const selects = (selector: Selector, self: string, who: Identity): boolean => {
  switch (selector.kind) {
    case "any":
      return true;
    case "self":
      return who.address === self;
    case "name":
      return who.name === selector.name;
    case "role":
      return who.roles.includes(selector.role);
    case "address":
      return who.address === selector.address;
  }
};

export type Part = "from" | "to" | "protocol" | "port";

/** The parts of a rule that do not match; none when it matches. */
function misses(rule: Rule, self: string, { from, to, protocol, port }: Attempt): Part[] {
  const out: Part[] = [];
  if (!rule.from.some((s) => selects(s, self, from))) out.push("from");
  if (!rule.to.some((s) => selects(s, self, to))) out.push("to");
  if (rule.protocols && !rule.protocols.includes(protocol)) out.push("protocol");
  if (rule.ports && !rule.ports.some((r) => port >= r.first && port <= r.last)) out.push("port");
  return out;
}

export interface Explanation extends Verdict {
  /** The rule's text, or the default. */
  readonly decided: string;
  readonly why: string;
  /** For an attempt that fell to the default: a rule that all but one part of it would match. */
  readonly nearest: { readonly rule: number; readonly text: string; readonly miss: Part } | undefined;
}

export function explain(policy: Policy, self: string, attempt: Attempt): Explanation {
  const verdict = evaluate(policy, self, attempt);
  const rule = verdict.rule === undefined ? undefined : policy.rules[verdict.rule - 1];
  if (rule) return { ...verdict, decided: rule.text, why: reasons(rule, self, attempt), nearest: undefined };
  const looked = policy.rules.length;
  const why = looked === 0 ? "there are no rules" : `none of the ${looked} rules matches`;
  return { ...verdict, decided: `default ${policy.fallback}`, why, nearest: nearestTo(policy, self, attempt) };
}

function nearestTo(policy: Policy, self: string, attempt: Attempt): Explanation["nearest"] {
  for (const [at, rule] of policy.rules.entries()) {
    const [miss, ...more] = misses(rule, self, attempt);
    if (miss && more.length === 0) return { rule: at + 1, text: rule.text, miss };
  }
  return undefined;
}

function reasons(rule: Rule, self: string, { from, to, protocol, port }: Attempt): string {
  const ends = [because(rule.from, self, from), because(rule.to, self, to)];
  const carried = rule.protocols ? [protocolName(protocol)] : [];
  const where = rule.ports ? [`port ${port}`] : [];
  return [...ends, ...carried, ...where].join(", ");
}

function because(selectors: readonly Selector[], self: string, who: Identity): string {
  const by = selectors.find((s) => selects(s, self, who));
  const name = who.name || who.address;
  switch (by?.kind) {
    case "self":
      return `${name} is this gateway`;
    case "role":
      return `${name} has the role ${by.role}`;
    case "address":
      return `${name} has that address`;
    case "name":
      return `${name} by name`;
    default:
      return `${name} is a member`;
  }
}

/** Names and addresses that rules name and nobody in the mesh has: allowed, since they may join later, and worth a word. */
export function unknownIn(policy: Policy, members: readonly Identity[]): string[] {
  const names = new Set(members.map((m) => m.name));
  const addresses = new Set(members.map((m) => m.address));
  const roles = new Set(members.flatMap((m) => m.roles));
  const unknown = policy.rules.flatMap((rule) =>
    [...rule.from, ...rule.to].flatMap((s) => {
      if (s.kind === "name") return names.has(s.name) ? [] : [s.name];
      if (s.kind === "address") return addresses.has(s.address) ? [] : [s.address];
      return s.kind === "role" && !roles.has(s.role) ? [`role:${s.role}`] : [];
    }),
  );
  return [...new Set(unknown)];
}
