/** Compiles a policy, as one gateway sees it, to the table that the kernel looks up. Order and priority are settled here. */
import { parseIp } from "../base/ip.ts";
import { selects } from "./evaluate.ts";
import type { Identity, Policy, PolicySubnet, Selector } from "./policy.ts";
import { lookUpAddress, SubnetTrie } from "./subnet-trie.ts";
import {
  FLOW_TIMES,
  type FlowTimes,
  memberHash,
  OWN_LEAF,
  PolicyHeader,
  PolicySubnets,
  PROBES_MAX,
  TABLE_FLAG,
} from "./table.ts";
import {
  buildTrie,
  joinTries,
  LEAF,
  LEAF_NUMBER,
  lookUp,
  NO_RULE,
  type Numbered,
  ROW_WORDS,
  ROWS_MAX,
  Rows,
  tooLarge,
} from "./trie.ts";

export interface Terms {
  /** This gateway among them. */
  readonly members: readonly Identity[];
  readonly subnets?: readonly PolicySubnet[];
  readonly generation: number;
  readonly counterBase: number;
  readonly times?: FlowTimes;
  /** Bytes before the IP header; BPF_PROG_TEST_RUN puts Ethernet's there. */
  readonly link?: number;
}

/** Packets in the overlay have this gateway at one end; the rules are about the other. */
export type Direction = "in" | "out";
const DIRECTIONS = ["in", "out"] as const;

/** The rules that can match in one direction, by what their other end names. */
interface Sides {
  readonly any: Numbered[];
  readonly byName: Map<string, Numbered[]>;
  readonly byAddress: Map<string, Numbered[]>;
  readonly byRole: Map<string, Numbered[]>;
}

/** A policy compiled for one gateway. Its tries stay as they are while members come and go, so that a table for others takes little. */
export class PolicyProgram {
  readonly #policy: Policy | undefined;
  readonly #self: Identity;
  readonly #rows = new Rows(HEADER_ROWS);
  readonly #roots: readonly Roots[];

  /** `policy` undefined: everything is allowed, and counted. */
  constructor(policy: Policy | undefined, self: Identity) {
    this.#policy = policy;
    this.#self = self;
    this.#roots = DIRECTIONS.map((direction) => new Roots(this.#rows, sidesOf(policy, self, direction)));
  }

  /** Rows of 64 bytes. Throws `policy/too-large`. */
  table({ members, subnets = [], generation, counterBase, times = FLOW_TIMES, link = 0 }: Terms): Uint8Array {
    const self = this.#self.address;
    const hash = hashOf(members.filter((m) => m.address !== self));
    const [anyIn, anyOut] = this.#roots.map((roots) => roots.any()) as [number, number];
    const slots = hash.placed.map(({ member, address, at }) => {
      const named = this.#roots.map((roots) => roots.named(member));
      return { at, words: [...address, ...named, ...this.#roots.map((roots) => roots.ofRoles(member))] };
    });
    const owners = subnets.map(({ own, gateways }) =>
      own ? undefined : this.#roots.map((roots) => roots.joint(gateways)),
    );
    const first = this.#rows.length;
    const placed = placeSubnets(subnets, owners, first + hash.rows);
    const rows = first + hash.rows + placed.rows.length;
    if (rows > ROWS_MAX) throw tooLarge();
    const words = new Uint32Array(ROW_WORDS * rows);
    words.set(this.#rows.words);
    for (const slot of slots) words.set(slot.words, ROW_WORDS * first + slot.at);
    for (const [at, row] of placed.rows.entries()) words.set(row, ROW_WORDS * (first + hash.rows + at));
    const table = new Uint8Array(words.buffer);
    const allows = this.#policy?.fallback !== "deny";
    const flags = [
      this.#policy ? TABLE_FLAG.enforce : 0,
      allows ? TABLE_FLAG.defaultAllow : 0,
      subnets.length > 0 ? TABLE_FLAG.subnets : 0,
    ];
    const header = PolicyHeader.encode({
      generation,
      flags: flags.reduce((a, b) => a | b),
      link,
      mask: hash.rows - 1,
      seed: hash.seed,
      anyIn,
      anyOut,
      counterBase,
      ...times,
      members: first,
      own: bytesOf(self) ?? new Uint8Array(16),
    });
    table.set(header);
    table.set(PolicySubnets.encode({ root: placed.root }), header.length);
    return table;
  }
}

/** Row 0 and row 1. */
const HEADER_ROWS = 2;

/** The rows of the gateways, each with its two roots, then those of the tries. */
function placeSubnets(
  subnets: readonly PolicySubnet[],
  owners: readonly (readonly number[] | undefined)[],
  first: number,
): { readonly root: number; readonly rows: readonly (readonly number[])[] } {
  const rows: number[][] = [];
  const numbers = new Map<string, number>();
  const leaves = subnets.map(({ prefix }, at) => {
    const roots = owners[at];
    if (!roots) return { prefix, leaf: OWN_LEAF };
    const key = roots.join();
    const number = numbers.get(key) ?? first + rows.push([0, 0, 0, 0, ...roots, NO_RULE, NO_RULE]) - 1;
    numbers.set(key, number);
    return { prefix, leaf: (LEAF | number) >>> 0 };
  });
  const trie = new SubnetTrie(first + rows.length);
  return { root: trie.build(leaves), rows: [...rows, ...trie.rows] };
}

function sidesOf(policy: Policy | undefined, own: Identity, direction: Direction): Sides {
  const sides: Sides = { any: [], byName: new Map(), byAddress: new Map(), byRole: new Map() };
  for (const [at, rule] of policy?.rules.entries() ?? []) {
    const [near, far] = direction === "in" ? [rule.to, rule.from] : [rule.from, rule.to];
    if (!near.some((s) => selects(s, own.address, own))) continue;
    for (const selector of far) listOf(sides, selector)?.push({ rule, number: at + 1 });
  }
  return sides;
}

/** Where a rule about the other end belongs; nowhere when it is about ourselves. */
function listOf(sides: Sides, selector: Selector): Numbered[] | undefined {
  switch (selector.kind) {
    case "any":
      return sides.any;
    case "self":
      return undefined;
    case "name":
      return entry(sides.byName, selector.name);
    case "address":
      return entry(sides.byAddress, selector.address);
    case "role":
      return entry(sides.byRole, selector.role);
  }
}

function entry(map: Map<string, Numbered[]>, key: string): Numbered[] {
  const list = map.get(key) ?? [];
  map.set(key, list);
  return list;
}

const merged = (...lists: readonly (readonly Numbered[] | undefined)[]): Numbered[] => {
  const some = lists.filter((l) => l !== undefined);
  return some.length === 1 ? [...(some[0] as Numbered[])] : some.flat().sort((a, b) => a.number - b.number);
};

/** A rule that names somebody twice stands once. */
const unique = (list: readonly Numbered[]): Numbered[] =>
  list.filter(({ number }, at) => list.findIndex((other) => other.number === number) === at);

/** The tries of one direction, each built when it is first wanted. Members with the same roles share theirs. */
class Roots {
  readonly #rows: Rows;
  readonly #sides: Sides;
  readonly #built = new Map<string, number>();

  constructor(rows: Rows, sides: Sides) {
    this.#rows = rows;
    this.#sides = sides;
  }

  any(): number {
    return this.#root("any", () => this.#sides.any);
  }

  named({ name, address }: Identity): number {
    const { byName, byAddress } = this.#sides;
    const some = name === "" ? undefined : byName.get(name);
    if (!some && !byAddress.has(address)) return NO_RULE;
    return this.#root(`named ${name} ${address}`, () => merged(some, byAddress.get(address)));
  }

  ofRoles({ roles }: Identity): number {
    const counted = [...new Set(roles)].filter((role) => this.#sides.byRole.has(role)).sort();
    if (counted.length === 0) return NO_RULE;
    return this.#root(`roles ${counted.join(" ")}`, () =>
      merged(...counted.map((role) => this.#sides.byRole.get(role))),
    );
  }

  /** All rules about these gateways, for packets that each of them must be allowed. */
  joint(gateways: readonly Identity[]): number {
    const { any, byName, byAddress, byRole } = this.#sides;
    const whole = gateways.map((who) => {
      const roles = [...new Set(who.roles)].filter((role) => byRole.has(role)).sort();
      return this.#root(`whole ${who.name} ${who.address} ${roles.join(" ")}`, () =>
        unique(merged(any, byName.get(who.name), byAddress.get(who.address), ...roles.map((role) => byRole.get(role)))),
      );
    });
    if (whole.length === 1) return whole[0] as number;
    const key = `joint ${whole.join(" ")}`;
    const root = this.#built.get(key) ?? joinTries(this.#rows, whole);
    this.#built.set(key, root);
    return root;
  }

  #root(key: string, rules: () => readonly Numbered[]): number {
    const root = this.#built.get(key) ?? buildTrie(this.#rows, rules());
    this.#built.set(key, root);
    return root;
  }
}

interface Slot {
  readonly member: Identity;
  readonly address: Uint32Array;
  /** Its first word, from the first row of the hash on. */
  readonly at: number;
}

const SLOT_WORDS = 8;

/** Places the members in the smallest hash, at most half full, in which each is near where it belongs. */
function hashOf(members: readonly Identity[]): { rows: number; seed: number; placed: Slot[] } {
  const known = members.flatMap((member) => {
    const address = wordsOf(member.address);
    return address ? [{ member, address }] : [];
  });
  for (let rows = 2 ** Math.ceil(Math.log2(Math.max(PROBES_MAX, known.length))); rows < ROWS_MAX; rows *= 2) {
    for (let seed = 1; seed < 16; seed += 2) {
      const placed = place(known, rows, seed);
      if (placed) return { rows, seed, placed };
    }
  }
  throw tooLarge();
}

function place(known: readonly Pick<Slot, "member" | "address">[], rows: number, seed: number): Slot[] | undefined {
  const taken = new Uint8Array(rows);
  const placed: Slot[] = [];
  for (const { member, address } of known) {
    const home = memberHash(address, seed);
    let tries = 0;
    while (tries < PROBES_MAX && taken[(home + tries) & (rows - 1)] === 2) tries++;
    if (tries === PROBES_MAX) return undefined;
    const row = (home + tries) & (rows - 1);
    const at = ROW_WORDS * row + SLOT_WORDS * (taken[row] as number);
    taken[row] = (taken[row] as number) + 1;
    placed.push({ member, address, at });
  }
  return placed;
}

/** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
const bytesOf = (text: string): Uint8Array | undefined => parseIp(text.includes(":") ? text : `::ffff:${text}`);

/** As the kernel reads them: 32 bits of the address at a time, in this machine's order. */
function wordsOf(text: string): Uint32Array | undefined {
  const address = bytesOf(text);
  const view = address && new DataView(address.buffer, address.byteOffset);
  return view && Uint32Array.from({ length: 4 }, (_, i) => view.getUint32(4 * i, true));
}

/** The rule of a table for a member's packet, as the kernel finds it; 0 when there is none, undefined for who is no member. */
export function lookUpRule(
  table: Uint8Array,
  direction: Direction,
  address: string,
  protocol: number,
  port: number,
): number | undefined {
  const header = PolicyHeader.decode(table);
  const wanted = wordsOf(address);
  if (!header || !wanted) return undefined;
  const words = new Uint32Array(table.buffer, table.byteOffset, table.byteLength / 4);
  const member =
    find(words, wanted, memberHash(wanted, header.seed), header) ?? findGateway(words, address, header.flags);
  if (member === undefined) return undefined;
  const out = direction === "out" ? 1 : 0;
  const roots = [out ? header.anyOut : header.anyIn, words[member + 4 + out], words[member + 6 + out]];
  const found = roots.map((root) => lookUp(words, root ?? NO_RULE, protocol, port) & LEAF_NUMBER).filter((n) => n > 0);
  return found.length === 0 ? 0 : Math.min(...found);
}

/** The first word of the gateways of the subnet that an address lies in. */
function findGateway(words: Uint32Array, address: string, flags: number): number | undefined {
  const bytes = parseIp(address);
  if (!bytes || (flags & TABLE_FLAG.subnets) === 0) return undefined;
  const leaf = lookUpAddress(words, words[ROW_WORDS] as number, bytes);
  return leaf === OWN_LEAF || leaf === NO_RULE ? undefined : ROW_WORDS * (leaf & ~LEAF);
}

function find(
  words: Uint32Array,
  wanted: Uint32Array,
  hash: number,
  { members, mask }: { readonly members: number; readonly mask: number },
): number | undefined {
  for (let probe = 0; probe < PROBES_MAX; probe++) {
    const row = ROW_WORDS * (members + ((hash + probe) & mask));
    for (const at of [row, row + SLOT_WORDS]) {
      if (wanted.every((w, i) => words[at + i] === w)) return at;
      if (wanted.every((_, i) => words[at + i] === 0)) return undefined;
    }
  }
  return undefined;
}
