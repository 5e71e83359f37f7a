/**
 * Tells the kernel's programs whom the daemon has to hear (bpf/admission.h): keys, session indices, addresses. When the kernel does
 * not take an entry the rules are suspended, so that nobody is dropped for what is missing.
 */
import { concat } from "../base/bytes.ts";
import type { Endpoint } from "../base/endpoint.ts";
import { messageOf } from "../base/errors.ts";
import { FRAME } from "../mesh/frame.ts";
import type { AdmissionKeys, Datagram } from "../mesh/types.ts";
import type { IngressFilter } from "./addon.io.ts";
import { PeerAddresses } from "./peer-addresses.ts";

export class Admission {
  readonly #filter: IngressFilter;
  readonly #addresses = new PeerAddresses();
  readonly #sessions = new Map<number, string>();
  #reason = "no keys yet";

  constructor(filter: IngressFilter) {
    this.#filter = filter;
  }

  /** Empty while the rules hold. */
  get reason(): string {
    return this.#reason;
  }

  keys({ macKey, cookieSecrets: [current, previous] }: AdmissionKeys): void {
    if (!current || this.#isSuspended) return;
    this.#reason = "";
    this.#try(() => this.#filter.keys(concat(macKey, current, previous ?? current)));
  }

  /** Before the other end can know the index. */
  install(peer: string, localIndex: number, endpoint: Endpoint): void {
    this.#sessions.set(localIndex, peer);
    this.#try(() => this.#filter.session(localIndex, true));
    this.place(peer, endpoint);
  }

  remove(localIndex: number): void {
    this.#sessions.delete(localIndex);
    this.#try(() => this.#filter.session(localIndex, false));
  }

  place(peer: string, { address, port }: Endpoint): void {
    this.#apply(this.#addresses.place(peer, port === 0 ? undefined : address));
  }

  forget(peer: string): void {
    for (const [index, owner] of this.#sessions) if (owner === peer) this.remove(index);
    this.#apply(this.#addresses.place(peer, undefined));
  }

  /** Before they are sent: whom we call may answer. */
  sending(datagrams: readonly Datagram[]): void {
    for (const { endpoint, payload } of datagrams)
      if (payload[0] === FRAME.handshake && endpoint.port !== 0) this.#try(() => this.#filter.called(endpoint.address));
  }

  #apply({ gone, come }: ReturnType<PeerAddresses["place"]>): void {
    if (come !== undefined) this.#try(() => this.#filter.peer(come, true));
    if (gone !== undefined) this.#try(() => this.#filter.peer(gone, false));
  }

  get #isSuspended(): boolean {
    return this.#reason !== "" && this.#reason !== "no keys yet";
  }

  #try(write: () => void): void {
    if (this.#isSuspended) return;
    try {
      write();
    } catch (error) {
      this.#reason = `the kernel did not take an entry: ${messageOf(error)}`;
      this.#filter.keys(undefined);
    }
  }
}
