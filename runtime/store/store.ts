/**
 * The store: ranges of entries with quotas over an engine. A commit is acknowledged when it is durable; commits that wait
 * for the medium at the same time go in one batch. What is kept beside the entries (usage, format) is in the same batch.
 */
import { concat, letGo, toHex } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { Ms } from "../base/time.ts";
import { checksum, seal, unseal } from "./checked.ts";
import { FlashBudget } from "./flash-budget.ts";
import { type Entry, endOf, type KeyChange, type KeyValue } from "./key-value.ts";
import {
  after,
  decodeSchema,
  encodeSchema,
  MIGRATIONS,
  type Migration,
  migrate,
  SCHEMA,
  SCHEMA_KEY,
} from "./migrate.ts";
import { RANGE_NAMES, RANGES, type RangeName, rangeOf } from "./ranges.ts";
import { decodeUsage, EMPTY, encodeUsage, replaced, type Usage, type Weight } from "./usage.ts";

export interface Change {
  readonly range: RangeName;
  readonly key: Uint8Array;
  /** Without it the entry goes. */
  readonly value: Uint8Array | undefined;
}

/** What the medium's wear may hold up: `deferrable` changes are refused while the flash budget is overdrawn. */
export type Urgency = "required" | "deferrable";

export interface StoreOptions {
  readonly now?: () => Ms;
  readonly flashBytesPerDay?: number;
  readonly schema?: number;
  readonly migrations?: readonly Migration[];
}

/** What a look at every entry found. */
export interface Verdict {
  readonly entries: number;
  /** One line each, at most `PROBLEMS_MAX`; none when all is well. */
  readonly problems: readonly string[];
}

/** What the store held at one moment. */
export interface StoreSnapshot {
  /** Bytes of keys and values, near enough to show how far one is. */
  readonly bytes: number;
  /** As `Snapshot.next`, over one range after the other. */
  next(limit: number): Promise<readonly (Entry & { readonly range: RangeName })[]>;
  close(): Promise<void>;
}

/** What records need of it. */
export type RecordStore = Pick<Store, "get" | "list" | "commit" | "relax">;

interface Waiting {
  readonly changes: readonly Change[];
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

const PROBLEMS_MAX = 20;
const SLICE = 500;
/** Changes that share a batch; more waits for the next one. */
const GROUP_MAX = 1_000;
const FLASH_KEY = Uint8Array.of(0, 1);
const usageKey = (range: RangeName): Uint8Array => Uint8Array.of(0, 2, RANGES[range].prefix);
const keyIn = (range: RangeName, key: Uint8Array): Uint8Array => concat(Uint8Array.of(RANGES[range].prefix), key);

export class Store {
  readonly #engine: KeyValue;
  readonly #now: () => Ms;
  readonly #budget: FlashBudget;
  #usage: ReadonlyMap<RangeName, Usage>;
  /** A write failed: whether its batch is there nobody knows yet. */
  #unsettled = false;
  readonly #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #counted = 0;

  private constructor(engine: KeyValue, now: () => Ms, budget: FlashBudget, usage: ReadonlyMap<RangeName, Usage>) {
    this.#engine = engine;
    this.#now = now;
    this.#budget = budget;
    this.#usage = usage;
  }

  /** Throws `store/newer` for a store of a later release, `store/damaged` for one whose own entries do not hold. */
  static async open(engine: KeyValue, options: StoreOptions = {}): Promise<Store> {
    const now = options.now ?? (() => 0);
    await settleFormat(engine, options.schema ?? SCHEMA, options.migrations ?? MIGRATIONS);
    const usage = await loadUsage(engine);
    const left = await loadOwn(engine, FLASH_KEY, decodeLeft);
    const budget = new FlashBudget(now(), options.flashBytesPerDay, left);
    return new Store(engine, now, budget, usage);
  }

  /** A copy, or undefined. Throws `store/damaged` when the entry is not what was stored. */
  async get(range: RangeName, key: Uint8Array): Promise<Uint8Array | undefined> {
    const full = keyIn(range, key);
    const sealed = await this.#engine.get(full);
    if (sealed === undefined) return undefined;
    const value = unseal(full, sealed);
    if (value === undefined) throw damaged(`an entry of ${range} is not what was stored`);
    return value;
  }

  /** Entries in the order of their keys, at most `limit`, behind the key `behind`. Throws as `get` does. */
  async list(range: RangeName, limit: number, behind?: Uint8Array): Promise<readonly Entry[]> {
    const from = behind ? after(keyIn(range, behind)) : Uint8Array.of(RANGES[range].prefix);
    const found = await this.#engine.scan(from, endOf(RANGES[range].prefix), limit);
    return found.map(({ key, value: sealed }) => {
      const value = unseal(key, sealed);
      if (value === undefined) throw damaged(`an entry of ${range} is not what was stored`);
      return { key: key.subarray(1), value };
    });
  }

  /** With every commit that was acknowledged. `next` throws as `get` does, and `store/opened-anew`; to be closed. */
  snapshot(): StoreSnapshot {
    const entries = this.#engine.snapshot(Uint8Array.of(1), Uint8Array.of(255));
    return {
      bytes: RANGE_NAMES.reduce((sum, name) => sum + this.usage(name).bytes, 0),
      next: async (limit) =>
        (await entries.next(limit)).map(({ key, value: sealed }) => {
          const range = rangeOf(key);
          const value = unseal(key, sealed);
          if (!range || !value) throw damaged(`the entry ${toHex(key)} is not what was stored`);
          return { range, key: key.subarray(1), value };
        }),
      close: () => entries.close(),
    };
  }

  usage(range: RangeName): Usage {
    return this.#usage.get(range) ?? EMPTY;
  }

  get flash(): { readonly perDay: number; readonly lastDay: number; readonly left: number } {
    const now = this.#now();
    this.#spend();
    return { perDay: this.#budget.perDay, lastDay: this.#budget.lastDay(now), left: this.#budget.left(now) };
  }

  /**
   * All of it or nothing; durable when it resolves. Throws `store/quota`, `store/too-large`, `store/flash-budget` and what
   * the engine throws (`store/full`); nothing has changed then.
   */
  commit(changes: readonly Change[], urgency: Urgency = "required"): Promise<void> {
    if (urgency === "deferrable" && this.#budget.left(this.#now()) < 0)
      return Promise.reject(
        new TrellisError("store/flash-budget", "what the flash may take in a day has been written", {
          hint: `${this.#budget.perDay} bytes a day; what can wait does`,
        }),
      );
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  /** Looks at every entry. */
  async verify(): Promise<Verdict> {
    const problems: string[] = [];
    let entries = 0;
    for (const range of RANGE_NAMES) {
      const found = await this.#verifyRange(range, problems);
      entries += found.entries;
      const kept = this.usage(range);
      const same = found.entries === kept.entries && found.bytes === kept.bytes && found.sum === kept.sum;
      if (!same) problems.push(`${range}: ${found.entries} entries are there, ${kept.entries} were written`);
    }
    return { entries, problems: problems.slice(0, PROBLEMS_MAX) };
  }

  compact(): Promise<void> {
    return this.#engine.compact();
  }

  /** After everything was read: lets go of the memory that this took. */
  async relax(): Promise<void> {
    await this.#writing;
    await this.#engine.relax();
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#engine.close();
  }

  async #verifyRange(range: RangeName, problems: string[]): Promise<Usage> {
    let usage = EMPTY;
    let from: Uint8Array = Uint8Array.of(RANGES[range].prefix);
    for (;;) {
      const slice = await this.#engine.scan(from, endOf(RANGES[range].prefix), SLICE);
      for (const { key, value } of slice) {
        if (unseal(key, value) === undefined) problems.push(`${range}: entry ${toHex(key.subarray(1))} is damaged`);
        usage = replaced(usage, undefined, weigh(key, value));
      }
      const last = slice.at(-1);
      if (!last || slice.length < SLICE) return usage;
      from = after(last.key);
    }
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (!(await this.#settle())) continue;
      const group = new Group(this.#engine, this.#usage);
      const taken: Waiting[] = [];
      while (this.#waiting.length > 0 && group.changes.size < GROUP_MAX) {
        const one = this.#waiting.shift() as Waiting;
        try {
          await group.add(one.changes);
          taken.push(one);
        } catch (reason) {
          one.reject(reason);
        }
      }
      await this.#writeGroup(group, taken);
    }
    this.#writing = undefined;
  }

  async #writeGroup(group: Group, taken: readonly Waiting[]): Promise<void> {
    if (taken.length === 0) return;
    const own = [...group.usage].map(([name, usage]) => sealedChange(usageKey(name), encodeUsage(usage)));
    const left = sealedChange(FLASH_KEY, encodeLeft(this.#budget.left(this.#now())));
    try {
      await this.#engine.write([...group.changes.values(), ...own, left]);
      this.#usage = new Map([...this.#usage, ...group.usage]);
      group.letGo();
      for (const one of taken) one.resolve();
    } catch (reason) {
      this.#unsettled = true;
      for (const one of taken) one.reject(reason);
    }
    this.#spend();
  }

  /** False when what waited has been refused, because the medium still takes nothing. */
  async #settle(): Promise<boolean> {
    if (!this.#unsettled) return true;
    try {
      await this.#engine.settle();
      this.#usage = await loadUsage(this.#engine);
      this.#unsettled = false;
    } catch (reason) {
      for (const one of this.#waiting.splice(0)) one.reject(reason);
    }
    return !this.#unsettled;
  }

  #spend(): void {
    const written = this.#engine.written();
    this.#budget.spend(written - this.#counted, this.#now());
    this.#counted = written;
  }
}

/** Commits that become one batch: each is judged as if those before it were written. */
class Group {
  readonly changes = new Map<string, KeyChange>();
  readonly usage = new Map<RangeName, Usage>();
  readonly #engine: KeyValue;
  readonly #before: ReadonlyMap<RangeName, Usage>;

  constructor(engine: KeyValue, before: ReadonlyMap<RangeName, Usage>) {
    this.#engine = engine;
    this.#before = before;
  }

  /** Throws when the commit breaks a limit; the group is as it was then. */
  async add(changes: readonly Change[]): Promise<void> {
    const usage = new Map<RangeName, Usage>();
    const next = new Map<string, KeyChange>();
    for (const { range, key, value } of changes) checkSize(range, key, value);
    const there = await Promise.all(changes.map(({ range, key }) => this.#engine.get(keyIn(range, key))));
    for (const [i, { range, key, value }] of changes.entries()) {
      const full = keyIn(range, key);
      const name = toHex(full);
      const known = next.get(name) ?? this.changes.get(name);
      const was = known ? known.value : there[i];
      const is = value && seal(full, value);
      next.set(name, { key: full, value: is });
      const before = usage.get(range) ?? this.usage.get(range) ?? this.#before.get(range) ?? EMPTY;
      usage.set(range, replaced(before, was && weigh(full, was), is && weigh(full, is)));
    }
    for (const value of there) if (value) letGo(value);
    for (const [range, after] of usage) checkQuota(range, this.#before.get(range) ?? EMPTY, after);
    for (const [range, after] of usage) this.usage.set(range, after);
    for (const [name, change] of next) this.changes.set(name, change);
  }

  /** Once it is written. A large value is many of them. */
  letGo(): void {
    for (const { value } of this.changes.values()) if (value) letGo(value);
  }
}

function checkSize(range: RangeName, key: Uint8Array, value: Uint8Array | undefined): void {
  const { keyMax, valueMax } = RANGES[range];
  if (key.length <= keyMax && (value?.length ?? 0) <= valueMax) return;
  throw new TrellisError(
    "store/too-large",
    `an entry of ${range} has a key of ${keyMax} bytes and ${valueMax} at most`,
  );
}

/** What shrinks is never refused. */
function checkQuota(range: RangeName, before: Usage, after: Usage): void {
  const { entries, bytes } = RANGES[range];
  const grows = after.entries > before.entries || after.bytes > before.bytes;
  if (!grows || (after.entries <= entries && after.bytes <= bytes)) return;
  throw new TrellisError("store/quota", `${range} is full: ${before.entries} entries, ${before.bytes} bytes`, {
    hint: `at most ${entries} entries and ${bytes} bytes; delete what is not needed`,
  });
}

/** Without the prefix and the checksum, which are the store's. */
const weigh = (key: Uint8Array, sealed: Uint8Array): Weight => ({
  bytes: key.length - 1 + Math.max(0, sealed.length - 4),
  sum: sealed.length < 4 ? 0 : checksum(sealed),
});

const sealedChange = (key: Uint8Array, value: Uint8Array): KeyChange => ({ key, value: seal(key, value) });

async function settleFormat(engine: KeyValue, want: number, migrations: readonly Migration[]): Promise<void> {
  const version = await loadOwn(engine, SCHEMA_KEY, decodeSchema);
  if (version === undefined) {
    const some = await engine.scan(Uint8Array.of(0), Uint8Array.of(0xff), 1);
    if (some.length > 0) throw damaged("the store does not say which format it has");
  } else await migrate(engine, version, want, migrations);
  if (version !== want) await engine.write([sealedChange(SCHEMA_KEY, encodeSchema(want))]);
}

async function loadUsage(engine: KeyValue): Promise<ReadonlyMap<RangeName, Usage>> {
  const usage = new Map<RangeName, Usage>();
  for (const name of RANGE_NAMES) usage.set(name, (await loadOwn(engine, usageKey(name), decodeUsage)) ?? EMPTY);
  return usage;
}

async function loadOwn<T>(
  engine: KeyValue,
  key: Uint8Array,
  decode: (value: Uint8Array) => T | undefined,
): Promise<T | undefined> {
  const sealed = await engine.get(key);
  if (sealed === undefined) return undefined;
  const value = unseal(key, sealed);
  const own = value && decode(value);
  if (own === undefined) throw damaged("the store's own entries are not what was stored");
  return own;
}

function encodeLeft(left: number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setFloat64(0, left);
  return out;
}

function decodeLeft(value: Uint8Array): number | undefined {
  const left = value.length === 8 ? new DataView(value.buffer, value.byteOffset, 8).getFloat64(0) : Number.NaN;
  return Number.isNaN(left) ? undefined : left;
}

const damaged = (what: string): TrellisError =>
  new TrellisError("store/damaged", what, {
    hint: "it is set aside at the next start, and what peers have comes back",
  });
