/**
 * Sending and receiving files, as the command line asks for it. A call that has to wait answers after a few seconds that
 * nothing happened yet, and is made again: so a command that was ended leaves nobody waiting for it.
 */
import { fromHex } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import type { Transfers } from "../transfer/transfers.ts";
import type { Json, JsonObject } from "./protocol.ts";
import type { Handler } from "./server.io.ts";

const PATIENCE_MS = 4000;

export interface TransferPort {
  /** Overlay address of the member that a person means; throws when there is none. */
  addressOf(peer: string): string;
  nameOf(address: string): string;
}

export interface TransferApi {
  readonly methods: Readonly<Record<string, Handler>>;
  /** Something arrived: whoever waits looks again. */
  changed(): void;
}

export function transferApi(transfers: Transfers, clock: Clock, port: TransferPort): TransferApi {
  let next = Promise.withResolvers<void>();
  let timer: Timer | undefined;
  const changed = (): void => {
    next.resolve();
    next = Promise.withResolvers<void>();
    clearTimeout(timer);
    const { due } = transfers;
    if (due !== undefined) timer = setTimeout(expire, Math.max(0, due - clock.now()) + 1);
    timer?.unref();
  };
  const expire = (): void => {
    transfers.expire(clock.now());
    changed();
  };

  /** What `look` finds within the patience; its last answer otherwise. */
  async function soon<T>(look: () => T, isThere: (found: T) => boolean): Promise<T> {
    const end = clock.now() + PATIENCE_MS;
    for (;;) {
      const found = look();
      const left = end - clock.now();
      if (isThere(found) || left <= 0) return found;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, left);
      await Promise.race([next.promise, promise]);
      clearTimeout(timer);
    }
  }

  const gone = (): TrellisError => new TrellisError("transfer/gone", "the daemon knows of no such transfer any more");
  const idOf = (p: JsonObject): string => String(p.id);

  return {
    changed,
    methods: {
      "send-offer": async (p) => {
        const id = transfers.offer(port.addressOf(String(p.peer)), String(p.name), Number(p.size), clock.now());
        if (id === undefined) throw new TrellisError("transfer/busy", "too many files are being sent already");
        return { id };
      },
      "send-state": async (p): Promise<Json> => {
        const room = Number(p.room ?? 0);
        const state = await soon(
          () => transfers.sending(idOf(p), clock.now()),
          (s) => s === undefined || (s.phase === "open" ? room > 0 && s.room >= room : s.phase !== "offered"),
        );
        if (!state) throw gone();
        return { ...state };
      },
      "send-data": async (p) => ({
        taken: transfers.write(idOf(p), Buffer.from(String(p.data), "base64"), clock.now()),
      }),
      "send-end": async (p) => {
        transfers.finish(idOf(p), fromHex(String(p.sha256)) ?? new Uint8Array(32));
        return {};
      },
      "send-forget": async (p) => {
        transfers.forget(idOf(p));
        return {};
      },
      "receive-take": async (p): Promise<Json> => {
        const from = p.from === undefined ? undefined : port.addressOf(String(p.from));
        const offer = await soon(
          () => transfers.take(from, clock.now()),
          (o) => o !== undefined,
        );
        return { offer: offer ? { ...offer, peerName: port.nameOf(offer.peer) } : null };
      },
      "receive-read": async (p): Promise<Json> => {
        const read = await soon(
          () => transfers.read(idOf(p), clock.now()),
          (r) => r?.kind !== "nothing",
        );
        if (!read) throw gone();
        if (read.kind === "data") return { kind: "data", data: Buffer.from(read.data).toString("base64") };
        return read.kind === "end" ? { kind: "end", sha256: Buffer.from(read.sha256).toString("hex") } : { ...read };
      },
      "receive-close": async (p) => {
        transfers.close(idOf(p), p.failure === undefined ? undefined : String(p.failure).slice(0, 200));
        return {};
      },
    },
  };
}
