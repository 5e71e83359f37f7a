/**
 * What this gateway says of its own links: which neighbours are on which of its lists, when a list must be signed anew, and
 * the reveals by which a link's state changes without that.
 */
import type { RandomBytes } from "../../base/random.ts";
import { type Ms, minutes, seconds } from "../../base/time.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { chainTag, STEPS_MAX, walkBack } from "./chain.ts";
import { type LinkDatabase, type LinkRecord, stateOf } from "./database.ts";
import {
  epochOf,
  keyOf,
  LINKS_MAX,
  type LinkEntry,
  type LinkList,
  PAGES_MAX,
  pageOf,
  type SignedList,
  SUBNETS_MAX,
  sortedSubnets,
} from "./link-list.ts";
import type { Reveal } from "./message.ts";
import { TokenBucket } from "./token-bucket.ts";
import { COSTS, type Label, type LinkValue, type Subnet, VALUES } from "./types.ts";

/** After a change that wants a new list others may follow at once, as at a start. */
const SETTLE: Ms = 50;
/**
 * Before the first list after a start: others may follow, and until it comes the mesh goes by the list of our earlier life. While members say
 * that they are our neighbours whom we have not met again it waits for them, as OSPF does (RFC 3623): what the kernel relays between them goes on meanwhile.
 */
const FIRST = { settle: 300, patience: seconds(2), look: 50 } as const;
/** Between two lists of one page; in the long run `refill`. */
const LISTS = { apart: 250, burst: 4, refill: seconds(5) } as const;
/** States other than down that one link may be given in quick succession. */
const STATES = { burst: 8, refill: seconds(4) } as const;
/** So many steps are left for a down, which must never wait. */
const RESERVE = VALUES - 1;
/** A neighbour stays on its list for so long after its link went down: when it comes back nothing needs to be signed. */
const DOWN_KEPT = minutes(10);
/**
 * With more neighbours than a list holds, as on one large network, a further one is listed only when otherwise the way to it would be
 * more than `stretch` times as dear, or one of the two has hardly an edge. So the mesh stays connected, and well so, without a
 * million edges. That is judged after a while, since others may be about to list what makes it needless, and for each pair at another time.
 */
const CROWD = { stretch: 3, edges: 3, patience: seconds(3), spread: seconds(5) } as const;
const EPOCH_MAX = 0xffff_ffff;

interface OwnLink {
  value: LinkValue;
  /** Since its value has been 0 or another. */
  since: Ms;
  page: number | undefined;
  readonly states: TokenBucket;
}

interface Page {
  readonly number: number;
  /** When it may be signed; infinity: as it stands it is signed. */
  due: Ms;
  last: Ms;
  readonly lists: TokenBucket;
}

export class OwnLists {
  readonly #crypto: CryptoProvider;
  readonly #mesh: Uint8Array;
  readonly #own: Label;
  readonly #database: LinkDatabase;
  /** Chains are made of it. They end with this run, so nothing of it is kept. */
  readonly #secret: Uint8Array;
  readonly #links = new Map<Label, OwnLink>();
  readonly #pages: Page[] = [];
  /** Links whose state is not yet what it should be. */
  readonly #waiting = new Set<Label>();
  /** Links that are up and on no list. */
  readonly #crowd = new Set<Label>();
  #crowdDue: Ms = Number.POSITIVE_INFINITY;
  #subnets: readonly Subnet[] = [];
  #epoch: number;
  #number = 0;
  /** The first link came up. */
  #metAt: Ms | undefined;
  /** When the first list may be signed; looked at anew then. */
  #firstDue: Ms = Number.POSITIVE_INFINITY;

  constructor(
    deps: { crypto: CryptoProvider; random: RandomBytes; mesh: Uint8Array; own: Label; epoch: number },
    database: LinkDatabase,
    now: Ms,
  ) {
    this.#crypto = deps.crypto;
    this.#mesh = deps.mesh;
    this.#own = deps.own;
    this.#database = database;
    this.#secret = deps.random(32);
    this.#epoch = deps.epoch + 1;
    this.#page(0, now);
  }

  /** Of the lists that are signed from now on. */
  get epoch(): number {
    return this.#epoch;
  }

  valueOf(neighbour: Label): LinkValue {
    return this.#links.get(neighbour)?.value ?? 0;
  }

  /** Neighbours that are up, whether they are on a list or not. */
  get up(): Label[] {
    return [...this.#links].flatMap(([neighbour, { value }]) => (value > 0 ? [neighbour] : []));
  }

  setLink(neighbour: Label, value: LinkValue, now: Ms): void {
    const link = this.#links.get(neighbour) ?? this.#newLink(neighbour, now);
    if (link.value === value) return;
    if (link.value === 0 || value === 0) link.since = now;
    link.value = value;
    if (value > 0 && this.#metAt === undefined) {
      this.#metAt = now;
      this.#firstDue = now + FIRST.settle;
    }
    this.#waiting.add(neighbour);
    if (value === 0) this.#crowd.delete(neighbour);
    else if (link.page === undefined && !this.#place(link, 1, now)) {
      this.#crowd.add(neighbour);
      this.#crowdDue = Math.min(this.#crowdDue, link.since + this.#patience(neighbour));
    }
  }

  /** After changes of the graph and when due: lists neighbours beyond the first list that the mesh needs an edge to. */
  relieve(mesh: { distanceTo(neighbour: Label): number; edgesOf(gateway: Label): number }, now: Ms): void {
    this.#crowdDue = Number.POSITIVE_INFINITY;
    for (const neighbour of this.#crowd) {
      const link = this.#links.get(neighbour) as OwnLink;
      const ready = link.since + this.#patience(neighbour);
      const isFar = mesh.distanceTo(neighbour) > CROWD.stretch * (COSTS[link.value] as number);
      const isLonely = Math.min(mesh.edgesOf(neighbour), mesh.edgesOf(this.#own)) < CROWD.edges;
      if (now < ready) this.#crowdDue = Math.min(this.#crowdDue, ready);
      else if ((isFar || isLonely) && this.#place(link, PAGES_MAX, now)) this.#crowd.delete(neighbour);
    }
  }

  /** The same at both ends. */
  #patience(neighbour: Label): Ms {
    const low = (label: Label): number => Number.parseInt(label.slice(-8), 16);
    return CROWD.patience + (CROWD.spread * ((low(neighbour) ^ low(this.#own)) >>> 0)) / 2 ** 32;
  }

  /** At most SUBNETS_MAX count. */
  setSubnets(subnets: readonly Subnet[], now: Ms): void {
    this.#subnets = sortedSubnets(subnets.slice(0, SUBNETS_MAX));
    this.#touch(this.#page(0, now), now);
  }

  forget(neighbour: Label, now: Ms): void {
    const link = this.#links.get(neighbour);
    this.#links.delete(neighbour);
    this.#waiting.delete(neighbour);
    this.#crowd.delete(neighbour);
    if (link?.page !== undefined) this.#touch(this.#page(link.page, now), now);
  }

  /** Whether what we sign anyway is newer than a list of ours of that key and version. */
  supersedes(key: string, version: string): boolean {
    return epochOf(version) < this.#epoch && pageOf(key) < this.#pages.length;
  }

  /** A list of an earlier life of ours is about: all that we say now must be newer. */
  overtake(list: SignedList, now: Ms): void {
    this.#touch(this.#page(list.page, now), now);
    if (list.epoch < this.#epoch) return;
    this.#epoch = Math.min(EPOCH_MAX, list.epoch + 1);
    this.#number = 0;
    for (const page of this.#pages) this.#touch(page, now);
  }

  /** When `relieve` has something to judge. */
  get crowdDue(): Ms {
    return this.#crowdDue;
  }

  get due(): Ms {
    const pages = this.#pages.map((p) => Math.max(p.due, this.#firstDue));
    const links = [...this.#waiting].map((neighbour) => this.#links.get(neighbour)?.states.next ?? 0);
    return Math.min(this.#crowdDue, ...pages, ...links);
  }

  /** Reveals that are allowed now. The database has them already. */
  reveals(now: Ms): { readonly record: LinkRecord; readonly reveal: Reveal }[] {
    const out: { readonly record: LinkRecord; readonly reveal: Reveal }[] = [];
    for (const neighbour of this.#waiting) {
      const link = this.#links.get(neighbour) as OwnLink;
      const record = link.page === undefined ? undefined : this.#database.get(keyOf(this.#own, link.page));
      const index = record?.list.indices.get(neighbour);
      if (record && index !== undefined) {
        const known = record.steps[index] as number;
        const step = known + ((link.value - stateOf(record, index) + VALUES) % VALUES);
        const isSpent = link.value > 0 && step > STEPS_MAX - RESERVE;
        if (isSpent) this.#touch(this.#page(link.page as number, now), now);
        else if (step > known) {
          if (link.value > 0 && !link.states.take(now)) continue; // its turn comes
          const reveal = { index, step, element: this.#element(record.list, neighbour, step) };
          this.#database.reveal(record, reveal);
          out.push({ record, reveal });
        }
      }
      this.#waiting.delete(neighbour); // where nothing was revealed the next list says it
    }
    return out;
  }

  /** The lists that must be signed now. */
  drafts(now: Ms): LinkList[] {
    if (!this.#begins(now)) return [];
    return this.#pages.flatMap((page) => {
      if (page.due > now || !page.lists.take(now)) return [];
      page.due = Number.POSITIVE_INFINITY;
      page.last = now;
      return [this.#draft(page, now)];
    });
  }

  /** Whether the first list may be signed, or was. */
  #begins(now: Ms): boolean {
    if (now < this.#firstDue) return false;
    if (this.#firstDue === Number.NEGATIVE_INFINITY) return true;
    const isMissing = this.#database.claimants(this.#own).some((label) => this.valueOf(label) === 0);
    const isOver = now >= (this.#metAt ?? now) + FIRST.patience;
    this.#firstDue = isMissing && !isOver ? now + FIRST.look : Number.NEGATIVE_INFINITY;
    return this.#firstDue < now;
  }

  #newLink(neighbour: Label, now: Ms): OwnLink {
    const link = { value: 0, since: now, page: undefined, states: new TokenBucket(STATES.burst, STATES.refill, now) };
    this.#links.set(neighbour, link);
    return link;
  }

  /** On the first of so many pages that has room, made by dropping a link that is down where need be. False: there is none. */
  #place(link: OwnLink, pages: number, now: Ms): boolean {
    const used = new Array<number>(pages).fill(0);
    for (const { page } of this.#links.values())
      if (page !== undefined && page < pages) used[page] = (used[page] as number) + 1;
    let page = used.findIndex((count) => count < LINKS_MAX);
    if (page < 0) {
      const spare = [...this.#links.values()].find((l) => l.value === 0 && l.page !== undefined && l.page < pages);
      if (spare?.page === undefined) return false;
      page = spare.page;
      spare.page = undefined;
    }
    link.page = page;
    this.#touch(this.#page(page, now), now);
    return true;
  }

  #page(number: number, now: Ms): Page {
    while (this.#pages.length <= number) {
      const lists = new TokenBucket(LISTS.burst, LISTS.refill, now);
      const never = Number.POSITIVE_INFINITY;
      this.#pages.push({ number: this.#pages.length, due: never, last: Number.NEGATIVE_INFINITY, lists });
    }
    return this.#pages[number] as Page;
  }

  #touch(page: Page, now: Ms): void {
    page.due = Math.min(page.due, Math.max(now + SETTLE, page.last + LISTS.apart, page.lists.next));
  }

  #draft(page: Page, now: Ms): LinkList {
    const head = { origin: this.#own, page: page.number, epoch: this.#epoch, number: ++this.#number };
    for (const [neighbour, link] of this.#links) {
      if (link.page !== page.number || link.value > 0 || now < link.since + DOWN_KEPT) continue;
      this.#links.delete(neighbour);
      this.#waiting.delete(neighbour);
    }
    const listed = [...this.#links].filter(([, l]) => l.page === page.number).sort(([a], [b]) => (a < b ? -1 : 1));
    const links = listed.map(([neighbour, { value }]): LinkEntry => {
      const tag = this.#tag(head.epoch, head.number, neighbour);
      return { neighbour, value, anchor: walkBack(this.#crypto, tag, this.#last(tag), STEPS_MAX, 0) };
    });
    return { ...head, links, subnets: page.number === 0 ? this.#subnets : [] };
  }

  #element(list: SignedList, neighbour: Label, step: number): Uint8Array {
    const tag = this.#tag(list.epoch, list.number, neighbour);
    return walkBack(this.#crypto, tag, this.#last(tag), STEPS_MAX, step);
  }

  #last(tag: Uint8Array): Uint8Array {
    return this.#crypto.hmacSha256(this.#secret, tag);
  }

  #tag(epoch: number, number: number, neighbour: Label): Uint8Array {
    const sequence = new Uint8Array(8);
    new DataView(sequence.buffer).setUint32(0, epoch);
    new DataView(sequence.buffer).setUint32(4, number);
    return chainTag(this.#crypto, this.#mesh, Uint8Array.fromHex(this.#own), sequence, Uint8Array.fromHex(neighbour));
  }
}
