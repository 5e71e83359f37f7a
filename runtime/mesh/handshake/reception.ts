/**
 * Who calls by F3, and what it is told. What a caller can make us compute is bounded: per source by what failed, per member
 * by what it asked for.
 */
import { toHex, wipe } from "../../base/bytes.ts";
import type { Endpoint } from "../../base/endpoint.ts";
import { RateLimit, sourcePrefix } from "../../base/rate-limit.ts";
import { type Ms, seconds } from "../../base/time.ts";
import type { PublicKeys } from "../../identity/keys.ts";
import { consumeIdentity, type OpenedIdentity, type OpenedPurpose, type Verdict } from "./first-contact.ts";
import type { HandshakeDeps } from "./machine.ts";
import type { Directory, RemoteMember } from "./ports.ts";
import { chooseAead } from "./schedule.ts";

/** F3 that led to no session: five at once, then one per two seconds, per source. */
export const FAILURES = { burst: 5, refill: seconds(2), sources: 1024 } as const;
/** First contacts of a member that has other ways to talk: as many. */
export const CONTACTS = { burst: 5, refill: seconds(2), members: 4096 } as const;

/** For agreements that nothing is done with. */
const NO_SECRET = new Uint8Array(32);

/** Whom to answer under which keys; `member` when there is to be a session. */
interface Heard {
  readonly keys: PublicKeys;
  readonly member: RemoteMember | undefined;
  readonly verdict: Verdict;
}

type Caller<P extends OpenedIdentity["purpose"]> = Extract<OpenedIdentity, { purpose: P }>;

const ENDED = {
  revoked: { code: "member/revoked", message: "this gateway was revoked" },
  expired: { code: "member/expired", message: "this gateway's certificate has expired" },
} as const;

export class Reception {
  readonly #deps: HandshakeDeps;
  readonly #directory: Directory;
  readonly #freeIndex: () => number;
  readonly #failures = new RateLimit(FAILURES.burst, FAILURES.refill, FAILURES.sources);
  readonly #contacts = new RateLimit(CONTACTS.burst, CONTACTS.refill, CONTACTS.members);

  constructor(deps: HandshakeDeps, directory: Directory, freeIndex: () => number) {
    this.#deps = deps;
    this.#directory = directory;
    this.#freeIndex = freeIndex;
  }

  mayTry(source: Endpoint, now: Ms): boolean {
    return this.#failures.has(sourcePrefix(source), now);
  }

  /** Undefined for a stranger: it hears nothing. Whoever gets no session has paid a token of its source. */
  async hear(opened: OpenedPurpose | undefined, source: Endpoint, now: Ms): Promise<Heard | undefined> {
    const heard = opened && (await this.#hear(opened, source, now));
    if (heard?.member === undefined) this.#failures.spend(sourcePrefix(source), now);
    return heard;
  }

  async #hear(opened: OpenedPurpose, source: Endpoint, now: Ms): Promise<Heard | undefined> {
    const { crypto, admission } = this.#deps;
    const joins = opened.purpose === "join";
    const secret = joins ? admission?.secretOf(opened.inviteId) : undefined;
    const caller = joins && !secret ? undefined : consumeIdentity(crypto, opened, secret);
    if (!caller) return this.#drop("secret");
    return caller.purpose === "join"
      ? await this.#hearJoiner(caller, opened, source)
      : await this.#hearMember(caller, opened, now);
  }

  async #hearMember(caller: Caller<"member">, opened: OpenedPurpose, now: Ms): Promise<Heard | undefined> {
    const shown = await this.#directory.identify(caller.chain);
    if (!shown) return this.#drop("chain");
    const key = toHex(shown.id);
    if (!this.#contacts.has(key, now)) return this.#drop("too-often");
    if (!(await caller.verify(shown.keys))) return this.#drop("signature");
    this.#contacts.spend(key, now); // only now: nobody can spend another's
    const member = shown.ended ? undefined : await this.#directory.admit(caller.chain, true);
    if (member) return { keys: member.keys, member, verdict: this.#accept(opened, undefined) };
    const refusal = shown.ended ? ENDED[shown.ended] : { code: "member/not-admitted", message: "no room for members" };
    return { keys: shown.keys, member, verdict: { accepted: false, ...refusal, record: shown.record } };
  }

  async #hearJoiner(caller: Caller<"join">, opened: OpenedPurpose, source: Endpoint): Promise<Heard | undefined> {
    const { keys, name } = caller;
    if (!(await caller.verify())) return this.#drop("signature");
    if (!(await this.#canBeAnswered(keys))) return this.#drop("keys"); // before an invite is spent on it
    const answer = await this.#deps.admission?.admit({ inviteId: opened.inviteId, keys, name, source });
    if (answer?.accepted === false) return { keys, member: undefined, verdict: answer };
    const member = answer && (await this.#directory.admit(answer.chain, true));
    if (member) return { keys, member, verdict: this.#accept(opened, answer.chain) };
    const message = "the gateway could not admit";
    return { keys, member, verdict: { accepted: false, code: "invite/failed", message } };
  }

  /** Whether both agreements with these keys work: a point of low order or a malformed lattice key is nobody's. */
  async #canBeAnswered(keys: PublicKeys): Promise<boolean> {
    const { crypto } = this.#deps;
    const secret = crypto.x25519.agree(NO_SECRET, keys.x25519);
    const kem = await crypto.mlKem768.encapsulate(keys.mlKem768, NO_SECRET);
    if (!secret || !kem) return false;
    wipe(secret, kem.secret);
    return true;
  }

  #accept({ rates }: OpenedPurpose, chain: Uint8Array | undefined): Verdict {
    return { accepted: true, index: this.#freeIndex(), aead: chooseAead(rates, this.#deps.local.rates), chain };
  }

  #drop(reason: string): undefined {
    this.#deps.meter.count(`handshake.drop.${reason}`);
  }
}
