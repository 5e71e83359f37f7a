/** A node's state directory: its keys, its membership, and what it has learned. Every file is written whole, or not at all. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { generateKeys, keysFromSecrets, type NodeKeys } from "../identity/keys.ts";
import { generateRoot, type RootKey, rootFromSecrets } from "../identity/root.ts";
import { Roster } from "../identity/roster.ts";
import {
  decodeState,
  EPOCH_FILE,
  encodeState,
  KEYS_FILE,
  LINK_COUNTS_FILE,
  type LinkCount,
  MEMBER_FILE,
  type MemberState,
  REVOCATIONS_FILE,
  ROOT_FILE,
  ROSTER_FILE,
  type StateFile,
  TIME_FILE,
} from "../identity/state.ts";
import { ensurePrivateDirectory, openFiles, removeDurably, viewFile, writeError } from "../store/atomic.io.ts";
import type { Files } from "../store/files.ts";
import { type LockOutcome, tryLock } from "../store/lock.io.ts";
import { InviteBook } from "./invite-book.ts";

const NAME = {
  keys: "keys.cbor",
  root: "root.cbor",
  member: "member.cbor",
  roster: "roster.cbor",
  revocations: "revocations.cbor",
  time: "time.cbor",
  epoch: "epoch.cbor",
  invites: "invites.cbor",
  linkCounts: "link-counts.cbor",
  policy: "policy.toml",
  lock: "owner.lock",
} as const;

/** The one that makes a directory that of a gateway. */
export const KEYS: string = NAME.keys;

/** What makes the gateway. */
const STATE: readonly string[] = Object.values(NAME).filter((name) => name !== NAME.lock);

/** What the directory holds, for who only looks. It need not exist, and a daemon may own it. */
export class Home {
  readonly path: string;
  protected readonly crypto: CryptoProvider;
  readonly #read: Files["read"];

  constructor(path: string, crypto: CryptoProvider, read: Files["read"] = viewFile(path)) {
    this.path = path;
    this.crypto = crypto;
    this.#read = read;
  }

  /** Directory of the store of records. */
  get store(): string {
    return join(this.path, "store");
  }

  get socket(): string {
    return join(this.path, "control.sock");
  }

  async #load<T>(name: string, file: StateFile<T>): Promise<T | undefined> {
    const content = await this.#read(name);
    return content && decodeState(this.crypto, file, content);
  }

  async keys(): Promise<NodeKeys | undefined> {
    const secrets = await this.#load(NAME.keys, KEYS_FILE);
    return secrets && keysFromSecrets(this.crypto, secrets);
  }

  async roots(): Promise<readonly RootKey[]> {
    const secrets = (await this.#load(NAME.root, ROOT_FILE)) ?? [];
    return Promise.all(secrets.map((s) => rootFromSecrets(this.crypto, s)));
  }

  /** For good, once the root lies elsewhere. A daemon may run: it never looks at the root. */
  removeRoots(): Promise<void> {
    return removeDurably(join(this.path, NAME.root));
  }

  member(): Promise<MemberState | undefined> {
    return this.#load(NAME.member, MEMBER_FILE);
  }

  /** The roster as it was kept, verified anew. */
  /** 0 before it was ever saved. */
  async epoch(): Promise<number> {
    return (await this.#load(NAME.epoch, EPOCH_FILE))?.epoch ?? 0;
  }

  async roster(genesis: Uint8Array): Promise<Roster> {
    const time = await this.#load(NAME.time, TIME_FILE);
    const roster = Roster.of(this.crypto, genesis, time?.floor ?? 0);
    const members = (await this.#load(NAME.roster, ROSTER_FILE)) ?? [];
    await roster.restore(members, (await this.#load(NAME.revocations, REVOCATIONS_FILE)) ?? []);
    return roster;
  }

  async linkCounts(): Promise<readonly LinkCount[]> {
    return (await this.#load(NAME.linkCounts, LINK_COUNTS_FILE)) ?? [];
  }

  /** The policy's document, as it was given. */
  async policy(): Promise<string | undefined> {
    const content = await this.#read(NAME.policy);
    return content && new TextDecoder().decode(content);
  }

  async invites(): Promise<InviteBook> {
    const content = await this.#read(NAME.invites);
    if (!content) return new InviteBook();
    const book = InviteBook.decode(content);
    if (book) return book;
    throw new TrellisError("state/corrupt", "the file of issued invites is damaged", {
      hint: `move ${join(this.path, NAME.invites)} away; open invites are lost with it`,
    });
  }
}

/** The directory for the one process that may write it: the daemon while it runs, else `init`, `join` and the like. */
export class OwnHome extends Home {
  readonly #files: Files;
  /** Gives the directory back; the end of the process does it too. */
  readonly release: () => void;

  private constructor(path: string, crypto: CryptoProvider, files: Files, release: () => void) {
    super(path, crypto, (name) => files.read(name));
    this.#files = files;
    this.release = release;
  }

  /** Makes the directory (0700) where there is none. Throws `state/in-use` and what the store throws. */
  static async open(path: string, crypto: CryptoProvider): Promise<OwnHome> {
    await ensurePrivateDirectory(path);
    const release = lockOrThrow(path);
    return new OwnHome(path, crypto, await openFiles(path), release);
  }

  /** A home whose files lie elsewhere, for instance in the memory of a simulated gateway; `path` is only shown. */
  static over(path: string, crypto: CryptoProvider, files: Files): OwnHome {
    return new OwnHome(path, crypto, files, () => {});
  }

  #save<T>(name: string, file: StateFile<T>, value: T): Promise<void> {
    return this.#files.write(name, encodeState(this.crypto, file, value));
  }

  /** The node's keys, made and stored where there are none. */
  async keysOrNew(random: RandomBytes): Promise<NodeKeys> {
    const known = await this.keys();
    if (known) return known;
    const keys = await generateKeys(this.crypto, random);
    await this.#save(NAME.keys, KEYS_FILE, keys.secrets);
    return keys;
  }

  async newRoot(random: RandomBytes): Promise<RootKey> {
    const root = await generateRoot(this.crypto, random);
    await this.#save(NAME.root, ROOT_FILE, [root.secrets]);
    return root;
  }

  saveMember(member: MemberState): Promise<void> {
    return this.#save(NAME.member, MEMBER_FILE, member);
  }

  async saveRoster(roster: Roster): Promise<void> {
    await this.#save(NAME.revocations, REVOCATIONS_FILE, roster.revocationRecords());
    await this.#save(NAME.roster, ROSTER_FILE, roster.snapshot());
  }

  saveEpoch(epoch: number): Promise<void> {
    return this.#save(NAME.epoch, EPOCH_FILE, { epoch });
  }

  saveLinkCounts(counts: readonly LinkCount[]): Promise<void> {
    return this.#save(NAME.linkCounts, LINK_COUNTS_FILE, counts);
  }

  savePolicy(text: string | undefined): Promise<void> {
    if (text === undefined) return this.#files.remove(NAME.policy);
    return this.#files.write(NAME.policy, new TextEncoder().encode(text));
  }

  /** Every file as it lies there, for a backup. */
  async *files(): AsyncGenerator<{ readonly name: string; readonly content: Uint8Array }> {
    for (const name of STATE) {
      const content = await this.#files.read(name);
      if (content) yield { name, content };
    }
  }

  /** Of a backup; one that this release does not know is left out. */
  async restoreFile(name: string, content: Uint8Array): Promise<void> {
    if (STATE.includes(name)) await this.#files.write(name, content);
  }

  saveInvites(book: InviteBook): Promise<void> {
    return this.#files.write(NAME.invites, book.encode());
  }
}

function lockOrThrow(path: string): () => void {
  const file = join(path, NAME.lock);
  let outcome: LockOutcome;
  try {
    outcome = tryLock(file);
  } catch (cause) {
    throw writeError(file, cause);
  }
  if (outcome.release) return outcome.release;
  const who = outcome.holder === undefined ? "" : `, process ${outcome.holder}`;
  throw new TrellisError("state/in-use", `another trellis works on ${path}${who}`, {
    hint: "`trellis down` stops a daemon; another gateway needs another --state-dir",
  });
}

/** Whether another process works on this state directory: a daemon does until the very end of its stop. */
export function isOwned(path: string): boolean {
  const file = join(path, NAME.lock);
  if (!existsSync(file)) return false;
  const { release } = tryLock(file);
  release?.();
  return release === undefined;
}
