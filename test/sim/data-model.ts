/** A data path that seals and opens with the keys it was given, so that a key change that loses packets is seen. */
import { concat } from "../../runtime/base/bytes.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import { FRAME, SealedHeader } from "../../runtime/mesh/frame.ts";
import type { DataSession, MeshAction } from "../../runtime/mesh/types.ts";

const PACKET = new Uint8Array(64).fill(7);

export class DataModel {
  readonly #crypto: CryptoProvider;
  readonly #sessions = new Map<number, { readonly session: DataSession; counter: bigint }>();
  readonly #sending = new Map<string, number>();

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto;
  }

  apply(a: MeshAction): void {
    if (a.type === "installSession") this.#sessions.set(a.session.localIndex, { session: a.session, counter: 0n });
    else if (a.type === "useSession") this.#sending.set(a.peer, a.localIndex);
    else if (a.type === "removeSession") this.#sessions.delete(a.localIndex);
    else if (a.type === "removePeer") this.#sending.delete(a.peer);
  }

  /** One packet to each peer, under the session in use. */
  packets(): { peer: string; payload: Uint8Array }[] {
    const out: { peer: string; payload: Uint8Array }[] = [];
    for (const [peer, index] of this.#sending) {
      const entry = this.#sessions.get(index);
      if (!entry) continue;
      const { remoteIndex, aead, sendKey } = entry.session;
      const header = SealedHeader.encode({
        type: FRAME.data,
        flags: 0,
        receiver: remoteIndex,
        counter: entry.counter++,
      });
      const sealed = this.#crypto.aead[aead].seal(sendKey, nonceOf(header), header, PACKET);
      out.push({ peer, payload: concat(header, sealed) });
    }
    return out;
  }

  /** Whether a session that is installed opens it. */
  opens(datagram: Uint8Array): boolean {
    const header = SealedHeader.decode(datagram);
    const session = header && this.#sessions.get(header.receiver)?.session;
    if (!session) return false;
    const aad = datagram.subarray(0, SealedHeader.size);
    const sealed = datagram.subarray(SealedHeader.size);
    return this.#crypto.aead[session.aead].open(session.receiveKey, nonceOf(aad), aad, sealed) !== undefined;
  }
}

const nonceOf = (header: Uint8Array): Uint8Array => concat(new Uint8Array(4), header.subarray(8, 16));
