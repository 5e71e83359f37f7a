/** The policy of this gateway: its document in the state directory, what the kernel enforces of it, and what the control socket tells. */
import type { Json, JsonObject } from "./api/protocol.ts";
import type { Handler } from "./api/server.io.ts";
import { compare } from "./base/bytes.ts";
import { messageOf, TrellisError } from "./base/errors.ts";
import { formatIp, type Prefix, parseIp } from "./base/ip.ts";
import type { Log } from "./base/log.ts";
import { seconds } from "./base/time.ts";
import type { Addon } from "./dataplane/addon.io.ts";
import type { Flow, FlowEvent, FlowIds } from "./dataplane/mesh-counters.ts";
import { MeshGuard } from "./dataplane/mesh-guard.io.ts";
import type { Member, Roster } from "./identity/roster.ts";
import { memberNamed } from "./methods.ts";
import { parsePolicy, summaryOf } from "./policy/document.ts";
import { evaluate, explain, unknownIn } from "./policy/evaluate.ts";
import { type Attempt, type Identity, type Policy, type PolicySubnet, protocolName } from "./policy/policy.ts";
import type { OwnHome } from "./provisioning/home.io.ts";

/** `ignore` starts without what cannot be, or shall not be, enforced. */
export type PolicyMode = "enforce" | "ignore";

export interface Stored {
  readonly text: string;
  readonly policy: Policy;
}

/** Throws `policy/syntax`, `policy/document` or `policy/rule`. */
export function readPolicy(text: string): Stored {
  let document: unknown;
  try {
    document = Bun.TOML.parse(text);
  } catch (cause) {
    throw new TrellisError("policy/syntax", `the policy is no TOML: ${messageOf(cause)}`, {
      cause,
      hint: 'default = "deny", then rules = ["allow from any to self icmp"]',
    });
  }
  return { text, policy: parsePolicy(document as Record<string, unknown>) };
}

/** As rules see them. Of two members with one name rules mean the one that everybody finds by it. */
export function identitiesOf(roster: Roster): Identity[] {
  const first = new Map<string, Member>();
  for (const member of roster.list()) {
    const known = first.get(member.name);
    if (!known || isBefore(member, known)) first.set(member.name, member);
  }
  return roster.list().map((m) => ({
    name: first.get(m.name) === m ? m.name : "",
    address: m.address,
    roles: [...m.certificate.roles, ...m.certificate.capabilities],
  }));
}

const isBefore = (a: Member, b: Member): boolean =>
  (a.certificate.serial - b.certificate.serial || compare(a.id, b.id)) < 0;

/** What counts as behind gateways: `revision` changes with it. */
export interface Behind {
  readonly revision: number;
  readonly known: readonly { readonly prefix: Prefix; readonly own: boolean; readonly gateways: readonly string[] }[];
  holding(address: Uint8Array): { readonly own: boolean; readonly gateways: readonly string[] } | undefined;
}
const NOTHING: Behind = { revision: 0, known: [], holding: () => undefined };

/** How often new flows are taken from the kernel, and how many are kept for who asks. */
const EVENTS_EVERY = seconds(1);
const EVENTS_KEPT = 2_000;
const EVENTS_AT_ONCE = 4_096;
/** Of one answer; the busiest come first. */
const FLOWS_SHOWN = 2_000;

export class Policing {
  readonly #home: OwnHome;
  readonly #roster: Roster;
  readonly #self: string;
  readonly #mode: PolicyMode;
  readonly #log: Log;
  #stored: Stored | undefined;
  #guard: MeshGuard | undefined;
  /** Why nothing is enforced here. */
  #reason = "there is no overlay device: this gateway carries no IP traffic";
  #behind = NOTHING;
  #seen = "";
  #timer: Timer | undefined;
  readonly #events: { readonly number: number; readonly event: FlowEvent }[] = [];
  #told = 0;

  private constructor(home: OwnHome, roster: Roster, self: string, mode: PolicyMode, log: Log) {
    this.#home = home;
    this.#roster = roster;
    this.#self = self;
    this.#mode = mode;
    this.#log = log;
  }

  /** Throws what `readPolicy` throws when the stored document is damaged. */
  static async open(home: OwnHome, roster: Roster, self: string, mode: PolicyMode, log: Log): Promise<Policing> {
    const policing = new Policing(home, roster, self, mode, log);
    const text = await home.policy();
    if (text !== undefined) policing.#stored = readPolicy(text);
    return policing;
  }

  /** Subnets are judged from the next `update` on. */
  behind(behind: Behind): void {
    this.#behind = behind;
  }

  /** For the device, before it is up. Throws `policy/unenforceable` when there is a policy that the kernel does not take. */
  guard(addon: Addon, object: Uint8Array | undefined, device: string): void {
    const outcome = this.#attached(addon, object, device);
    if ("reason" in outcome) {
      this.#reason = outcome.reason;
      this.#sayUnguarded();
      return;
    }
    this.#guard = outcome;
    this.#reason = this.#ignores ? "as --policy ignore asks" : "";
    this.#seen = this.#state;
    this.#timer = setInterval(() => this.#collect(), EVENTS_EVERY);
    if (this.#ignores) this.#log.warn("the stored policy is NOT enforced, as --policy ignore asks");
    else this.#log.info("the overlay device is guarded", { policy: this.#summary, hook: outcome.hook });
  }

  #attached(addon: Addon, object: Uint8Array | undefined, device: string): MeshGuard | { readonly reason: string } {
    const guard = MeshGuard.load(addon, object, this.#self);
    if ("reason" in guard) return guard;
    let reason: string | undefined;
    try {
      guard.enforce(this.#wanted, ...this.#around());
      reason = guard.attach(device);
    } catch (thrown) {
      reason = messageOf(thrown);
    }
    if (reason === undefined) return guard;
    guard.close();
    return { reason };
  }

  #sayUnguarded(): void {
    const reason = this.#reason;
    if (this.#stored && !this.#ignores)
      throw new TrellisError("policy/unenforceable", `the stored policy cannot be enforced: ${reason}`, {
        hint: "`trellis doctor` says what this machine lacks; `trellis run --policy ignore` runs without it, `trellis policy clear` removes it",
      });
    const what = this.#stored
      ? "the stored policy is NOT enforced"
      : "flows are not counted, no policy can be enforced";
    this.#log.warn(what, { reason });
  }

  get #ignores(): boolean {
    return this.#mode === "ignore" && this.#stored !== undefined;
  }

  get #wanted(): Policy | undefined {
    return this.#ignores ? undefined : this.#stored?.policy;
  }

  get #summary(): string {
    const policy = this.#stored?.policy;
    return policy ? summaryOf(policy.rules.length, policy.fallback) : "none";
  }

  /** Whom rules are about: members, and what is behind them. */
  #around(): readonly [readonly Identity[], readonly PolicySubnet[]] {
    const members = identitiesOf(this.#roster);
    const subnets = this.#behind.known.map(({ prefix, own, gateways }) => ({
      prefix,
      own,
      gateways: own ? [] : members.filter((m) => gateways.includes(m.address)),
    }));
    return [members, subnets.filter((s) => s.own || s.gateways.length > 0)];
  }

  /** Changes whenever another member or subnet counts. */
  get #state(): string {
    return `${this.#roster.revision} ${this.#roster.time.now} ${this.#behind.revision}`;
  }

  /** After whatever may have changed the roster: who is no member any more is a stranger from the next packet on. */
  update(): void {
    if (!this.#guard || this.#seen === this.#state) return;
    this.#seen = this.#state;
    try {
      this.#guard.enforce(this.#wanted, ...this.#around());
    } catch (thrown) {
      this.#seen = "";
      this.#log.error("the policy does not know of a change of members", { error: messageOf(thrown) });
    }
  }

  #collect(): void {
    for (const event of this.#guard?.events(EVENTS_AT_ONCE) ?? []) {
      this.#events.push({ number: this.#told++, event });
      if (this.#events.length > EVENTS_KEPT) this.#events.shift();
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#guard?.close();
    this.#guard = undefined;
    this.#reason = "closed";
  }

  /** For `status`. */
  view(): JsonObject {
    return { summary: this.#summary, enforced: this.#enforced, reason: this.#reason || null };
  }

  get #enforced(): boolean {
    return this.#stored !== undefined && this.#guard !== undefined && !this.#ignores;
  }

  /** Packets dropped, as `policy.<reason>`, both directions together. */
  drops(): Record<string, number> {
    if (!this.#guard) return {};
    const { in: from, out } = this.#guard.drops();
    return Object.fromEntries(
      Object.entries(from).map(([name, n]) => [`policy.${name}`, n + out[name as keyof typeof out]]),
    );
  }

  methods(): Readonly<Record<string, Handler>> {
    return {
      "policy-set": (p) => this.#set(String(p.text)),
      "policy-clear": () => this.#clear(),
      "policy-show": async () => this.#show(),
      "policy-test": async (p) => this.#test(p),
      flows: async () => this.#flows(),
      "flow-events": async (p) => this.#eventsAfter(typeof p.after === "number" ? p.after : this.#told),
    };
  }

  /** In force and stored, or neither. */
  async #set(text: string): Promise<Json> {
    const next = readPolicy(text);
    const guard = this.#guardOrThrow();
    const around = this.#around();
    const [members] = around;
    const before = this.#stored;
    guard.enforce(next.policy, ...around);
    try {
      await this.#home.savePolicy(text);
    } catch (thrown) {
      guard.enforce(before?.policy, ...around);
      throw thrown;
    }
    this.#stored = next;
    this.#log.info("a new policy is enforced", { policy: this.#summary });
    const { fallback, rules } = next.policy;
    return { default: fallback, rules: rules.length, unknown: unknownIn(next.policy, members) };
  }

  #guardOrThrow(): MeshGuard {
    if (this.#guard && !this.#ignores) return this.#guard;
    throw new TrellisError("policy/unenforceable", `this gateway cannot enforce a policy: ${this.#reason}`, {
      hint: this.#ignores ? "start it without --policy ignore" : "`trellis doctor` says what this machine lacks",
    });
  }

  async #clear(): Promise<Json> {
    await this.#home.savePolicy(undefined);
    const was = this.#stored !== undefined;
    this.#stored = undefined;
    if (this.#guard) {
      this.#guard.enforce(undefined, ...this.#around());
      this.#reason = "";
    }
    this.#log.info("there is no policy any more: everything is allowed");
    return { cleared: was };
  }

  #show(): Json {
    const policy = this.#stored?.policy;
    const [fallback, ...counters] = (this.#enforced && this.#guard?.counters()) || [];
    const zero = { packets: 0, bytes: 0 };
    return {
      ...this.view(),
      text: this.#stored?.text ?? null,
      default: policy ? { action: policy.fallback, ...(fallback ?? zero) } : null,
      rules: (policy?.rules ?? []).map(({ action, text }, at) => ({
        rule: at + 1,
        action,
        text,
        ...(counters[at] ?? zero),
      })),
      drops: this.#guard?.drops() ?? null,
    };
  }

  #test(p: JsonObject): Json {
    const stored = typeof p.text === "string" ? readPolicy(p.text) : this.#stored;
    const members = identitiesOf(this.#roster);
    const [froms, tos] = [p.from, p.to].map((word) => this.#who(members, String(word))) as [Identity[], Identity[]];
    const carried = { protocol: Number(p.protocol), port: Number(p.port) };
    const attempts = froms.flatMap((from) => tos.map((to) => ({ from, to, ...carried })));
    // Of a subnet's gateways each must be allowed: the one that is not explains it.
    const policy = stored?.policy;
    const denied = attempts.find((a) => policy && evaluate(policy, this.#self, a).action === "deny");
    const attempt = denied ?? (attempts[0] as Attempt);
    const ends = {
      from: shown(attempt.from),
      to: shown(attempt.to),
      protocol: protocolName(attempt.protocol),
      port: attempt.port,
    };
    const here = attempt.from.address === this.#self || attempt.to.address === this.#self;
    if (attempt.from.address === attempt.to.address)
      throw new TrellisError("policy/same", `${ends.from} does not talk to itself over the mesh`, {
        hint: "name two members",
      });
    if (!stored)
      return {
        ...ends,
        here,
        action: "allow",
        rule: null,
        decided: "no policy",
        why: "there is no policy",
        nearest: null,
      };
    const { rule = null, nearest = null, ...verdict } = explain(stored.policy, this.#self, attempt);
    return { ...ends, here, ...verdict, rule, nearest };
  }

  /** `self`, what `memberNamed` takes, or an address in a subnet: its gateways. Throws `policy/stranger` for an address that nobody has. */
  #who(members: readonly Identity[], word: string): Identity[] {
    const ip = parseIp(word);
    const address = word === "self" ? this.#self : ip ? formatIp(ip) : memberNamed(this.#roster, word).address;
    const subnet = ip && this.#behind.holding(ip);
    const behind = subnet?.own ? [this.#self] : (subnet?.gateways ?? []);
    const own = members.filter((m) => m.address === address);
    const found = own.length > 0 ? own : members.filter((m) => behind.includes(m.address));
    if (found.length > 0) return found;
    throw new TrellisError("policy/stranger", `${word} is no member's address: a policy drops its packets`, {
      hint: "trellis peers lists the members, trellis routes what is behind them",
    });
  }

  #flows(): Json {
    const guard = this.#guard;
    if (!guard)
      throw new TrellisError("flows/none", `flows are not counted here: ${this.#reason}`, { hint: "trellis doctor" });
    const { total, flows } = guard.flows(FLOWS_SHOWN);
    return { total, flows: flows.map((flow) => this.#showFlow(flow)) };
  }

  #eventsAfter(after: number): Json {
    this.#collect();
    const events = this.#events.filter(({ number }) => number >= after);
    return {
      next: this.#told,
      lost: this.#guard?.eventsLost() ?? 0,
      skipped: Math.max(0, (this.#events[0]?.number ?? this.#told) - after),
      events: events.map(({ number, event }) => ({ number, ...this.#showIds(event) })),
    };
  }

  #showIds({ remote, local, protocol, localPort, remotePort, echoId, opener, rule, drop }: FlowIds): JsonObject {
    const peer = this.#nameOf(remote);
    const ports = { localPort: localPort ?? null, remotePort: remotePort ?? null, echoId: echoId ?? null };
    const decided = { rule: rule ?? null, verdict: drop === undefined ? "allowed" : "denied", reason: drop ?? null };
    return { peer, remote, local, protocol: protocolName(protocol), ...ports, opener, ...decided };
  }

  /** Of a member, or of the gateway that an address is behind. */
  #nameOf(remote: string): string {
    const member = this.#roster.byAddress(remote);
    if (member) return member.name;
    const [gateway] = this.#behind.holding(parseIp(remote) ?? new Uint8Array(0))?.gateways ?? [];
    return (gateway && this.#roster.byAddress(gateway)?.name) ?? remote;
  }

  #showFlow(flow: Flow): Json {
    const { in: received, out: sent, answered, closing, age, idle } = flow;
    return {
      ...this.#showIds(flow),
      received: { ...received },
      sent: { ...sent },
      answered,
      closing,
      ageMs: age,
      idleMs: idle,
    };
  }
}

const shown = (who: Identity): string => who.name || who.address;
