/** What gateways know of each other, as a table. Numbers and rules are frozen once released: replicas agree because their tables do. */
import type { Capability } from "../identity/certificate.ts";

const kB = 1024;
const MB = 1024 * kB;

export interface Kind {
  readonly number: number;
  /** Who may write: any member, or those with the capability. */
  readonly writers: "member" | Capability;
  /** Largest value, bytes; above `INLINE_MAX` it goes by chunks. */
  readonly valueMax: number;
  /** Records of one author that count: those with its highest versions, deleted ones included. */
  readonly perAuthor: number;
  /** What an author's record too many does: `refuse` tells the writer, `roll` lets the oldest go. */
  readonly overflow: "refuse" | "roll";
  /** Whether values are sealed with the group key; what is not proves itself and must be readable before there is a key. */
  readonly sealed: boolean;
  /** What a reader sees when several authors wrote one key: all of them, or the newest. */
  readonly view: "each" | "newest";
  /** Whether flash that wears out may hold it back. */
  readonly urgency: "required" | "deferrable";
  readonly doc: string;
}

const kind = (row: Kind): Kind => row;

export const KINDS = {
  roster: kind({
    number: 1,
    writers: "member",
    valueMax: 40_000,
    perAuthor: 1,
    overflow: "roll",
    sealed: false,
    view: "each",
    urgency: "required",
    doc: "the author's own certificate chain",
  }),
  revocation: kind({
    number: 2,
    writers: "member",
    valueMax: 60_000,
    perAuthor: 512,
    overflow: "refuse",
    sealed: false,
    view: "each",
    urgency: "required",
    doc: "signed revocations, by their hash",
  }),
  policy: kind({
    number: 3,
    writers: "admin",
    valueMax: 512 * kB,
    perAuthor: 16,
    overflow: "refuse",
    sealed: true,
    view: "newest",
    urgency: "required",
    doc: "documents of policy, by their name",
  }),
  endpoint: kind({
    number: 4,
    writers: "member",
    valueMax: 2 * kB,
    perAuthor: 1,
    overflow: "roll",
    sealed: true,
    view: "each",
    urgency: "deferrable",
    doc: "where the author can be reached",
  }),
  name: kind({
    number: 5,
    writers: "admin",
    valueMax: 512,
    perAuthor: 4_096,
    overflow: "refuse",
    sealed: true,
    view: "newest",
    urgency: "required",
    doc: "names of services and what they stand for",
  }),
  update: kind({
    number: 6,
    writers: "sign-update",
    valueMax: 1 * MB,
    perAuthor: 64,
    overflow: "refuse",
    sealed: true,
    view: "newest",
    urgency: "required",
    doc: "metadata of software updates, by role",
  }),
  round: kind({
    number: 7,
    writers: "member",
    valueMax: 1 * MB,
    perAuthor: 4,
    overflow: "roll",
    sealed: true,
    view: "each",
    urgency: "deferrable",
    doc: "what an author gives to a round of learning",
  }),
  health: kind({
    number: 8,
    writers: "member",
    valueMax: 4 * kB,
    perAuthor: 1,
    overflow: "roll",
    sealed: true,
    view: "each",
    urgency: "deferrable",
    doc: "how the author is",
  }),
  application: kind({
    number: 9,
    writers: "member",
    valueMax: 1 * MB,
    perAuthor: 1_024,
    overflow: "refuse",
    sealed: true,
    view: "newest",
    urgency: "required",
    doc: "retained messages of local applications, by topic",
  }),
} as const;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[];

/** Larger values travel by chunks. */
export const INLINE_MAX: number = 32 * kB;
export const CHUNK_SIZE: number = 32 * kB;
/** Most chunks of one value: the largest value of the table, its seal included. */
export const CHUNKS_MAX: number = Math.ceil((1 * MB + 16) / CHUNK_SIZE);
export const KEY_MAX = 128;

const BY_NUMBER = new Map<number, KindName>(KIND_NAMES.map((name) => [KINDS[name].number, name]));
/** Undefined for a kind of a later release: such records are not kept. */
export const kindOf = (number: number): KindName | undefined => BY_NUMBER.get(number);
