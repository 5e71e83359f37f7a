/** What happened in a world, in numbers. */
import { FRAME } from "../../runtime/mesh/frame.ts";
import type { DataSession, MeshAction } from "../../runtime/mesh/types.ts";
import { HEADER_BYTES, type Packet } from "./network/packet.ts";

/** Datagrams and their bytes on the underlay, headers included. */
interface Traffic {
  datagrams: number;
  bytes: number;
}

export class Counts {
  readonly handshake: Traffic = { datagrams: 0, bytes: 0 };
  readonly control: Traffic = { datagrams: 0, bytes: 0 };
  readonly payload: Traffic = { datagrams: 0, bytes: 0 };
  /** Data packets that arrived and that a session of the receiver opened, or none did. */
  opened = 0;
  unopened = 0;
  sessionsUp = 0;
  sessionsDown = 0;
  readonly #names = new Map<string, string>();
  readonly #used = new Set<string>();

  /** Handshakes that ended in a session which at least one side took into use. */
  get handshakes(): number {
    return this.#used.size;
  }

  packet({ payload }: Packet): void {
    const type = payload[0];
    const traffic = type === FRAME.data ? this.payload : type === FRAME.control ? this.control : this.handshake;
    traffic.datagrams++;
    traffic.bytes += payload.length + HEADER_BYTES;
  }

  data(opened: boolean): void {
    if (opened) this.opened++;
    else this.unopened++;
  }

  action(who: string, a: MeshAction): void {
    if (a.type === "installSession") this.#names.set(`${who} ${a.session.localIndex}`, nameOf(a.session));
    else if (a.type === "useSession") this.#used.add(this.#names.get(`${who} ${a.localIndex}`) ?? "");
    else if (a.type === "notice" && a.notice.kind === "sessionUp") this.sessionsUp++;
    else if (a.type === "notice" && a.notice.kind === "sessionDown") this.sessionsDown++;
  }
}

/** The same at both ends. */
const nameOf = (s: DataSession): string =>
  `${Math.min(s.localIndex, s.remoteIndex)} ${Math.max(s.localIndex, s.remoteIndex)}`;
