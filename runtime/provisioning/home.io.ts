/** A node's state directory: its keys, its membership, and what it has learned. Every file is written whole, or not at all. */
import { join } from "node:path";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { generateKeys, keysFromSecrets, type NodeKeys } from "../identity/keys.ts";
import { generateRoot, type RootKey, rootFromSecrets } from "../identity/root.ts";
import { Roster } from "../identity/roster.ts";
import {
  decodeState,
  encodeState,
  KEYS_FILE,
  MEMBER_FILE,
  type MemberState,
  REVOCATIONS_FILE,
  ROOT_FILE,
  ROSTER_FILE,
  type StateFile,
  TIME_FILE,
} from "../identity/state.ts";
import { ensurePrivateDirectory, openFiles } from "../store/atomic.io.ts";
import type { Files } from "../store/files.ts";
import { InviteBook } from "./invite-book.ts";

const NAME = {
  keys: "keys.cbor",
  root: "root.cbor",
  member: "member.cbor",
  roster: "roster.cbor",
  revocations: "revocations.cbor",
  time: "time.cbor",
  invites: "invites.cbor",
} as const;

export class Home {
  readonly path: string;
  readonly #crypto: CryptoProvider;
  readonly #files: Files;

  private constructor(path: string, crypto: CryptoProvider, files: Files) {
    this.path = path;
    this.#crypto = crypto;
    this.#files = files;
  }

  /** Opens the directory, making it (0700) where there is none. */
  static async open(path: string, crypto: CryptoProvider): Promise<Home> {
    await ensurePrivateDirectory(path);
    return new Home(path, crypto, await openFiles(path));
  }

  get socket(): string {
    return join(this.path, "control.sock");
  }

  async #load<T>(name: string, file: StateFile<T>): Promise<T | undefined> {
    const content = await this.#files.read(name);
    return content && decodeState(this.#crypto, file, content);
  }

  #save<T>(name: string, file: StateFile<T>, value: T): Promise<void> {
    return this.#files.write(name, encodeState(this.#crypto, file, value));
  }

  async keys(): Promise<NodeKeys | undefined> {
    const secrets = await this.#load(NAME.keys, KEYS_FILE);
    return secrets && keysFromSecrets(this.#crypto, secrets);
  }

  /** The node's keys, made and stored where there are none. */
  async keysOrNew(random: RandomBytes): Promise<NodeKeys> {
    const known = await this.keys();
    if (known) return known;
    const keys = await generateKeys(this.#crypto, random);
    await this.#save(NAME.keys, KEYS_FILE, keys.secrets);
    return keys;
  }

  async roots(): Promise<readonly RootKey[]> {
    const secrets = (await this.#load(NAME.root, ROOT_FILE)) ?? [];
    return Promise.all(secrets.map((s) => rootFromSecrets(this.#crypto, s)));
  }

  async newRoot(random: RandomBytes): Promise<RootKey> {
    const root = await generateRoot(this.#crypto, random);
    await this.#save(NAME.root, ROOT_FILE, [root.secrets]);
    return root;
  }

  member(): Promise<MemberState | undefined> {
    return this.#load(NAME.member, MEMBER_FILE);
  }

  saveMember(member: MemberState): Promise<void> {
    return this.#save(NAME.member, MEMBER_FILE, member);
  }

  /** The roster as it was kept, verified anew. */
  async roster(genesis: Uint8Array): Promise<Roster> {
    const time = await this.#load(NAME.time, TIME_FILE);
    const roster = Roster.of(this.#crypto, genesis, time?.floor ?? 0);
    const members = (await this.#load(NAME.roster, ROSTER_FILE)) ?? [];
    await roster.restore(members, (await this.#load(NAME.revocations, REVOCATIONS_FILE)) ?? []);
    return roster;
  }

  async saveRoster(roster: Roster): Promise<void> {
    await this.#save(NAME.revocations, REVOCATIONS_FILE, roster.revocationRecords());
    await this.#save(NAME.roster, ROSTER_FILE, roster.snapshot());
  }

  async invites(): Promise<InviteBook> {
    const content = await this.#files.read(NAME.invites);
    if (!content) return new InviteBook();
    const book = InviteBook.decode(content);
    if (book) return book;
    throw new TrellisError("state/corrupt", "the file of issued invites is damaged", {
      hint: `move ${join(this.path, NAME.invites)} away; open invites are lost with it`,
    });
  }

  saveInvites(book: InviteBook): Promise<void> {
    return this.#files.write(NAME.invites, book.encode());
  }
}
