/** Which addresses belong to peers: one may belong to several, behind one NAT. */
export class PeerAddresses {
  readonly #of = new Map<string, string>();
  readonly #count = new Map<string, number>();

  /** The peer is at this address now, or nowhere; gives the address that no peer had before and the one that none has any more. */
  place(
    peer: string,
    address: string | undefined,
  ): { readonly gone: string | undefined; readonly come: string | undefined } {
    const before = this.#of.get(peer);
    if (before === address) return { gone: undefined, come: undefined };
    if (address === undefined) this.#of.delete(peer);
    else this.#of.set(peer, address);
    const come = address !== undefined && this.#add(address, 1) === 1 ? address : undefined;
    const gone = before !== undefined && this.#add(before, -1) === 0 ? before : undefined;
    return { gone, come };
  }

  #add(address: string, step: 1 | -1): number {
    const count = (this.#count.get(address) ?? 0) + step;
    if (count === 0) this.#count.delete(address);
    else this.#count.set(address, count);
    return count;
  }
}
