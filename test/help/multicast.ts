/** One end of a link in its network namespace, with the group that beacons go to; driven over standard input. */
import { createSocket } from "node:dgram";
import { type Addon, loadAddon, type Multicast } from "../../runtime/dataplane/addon.io.ts";
import { GROUPS } from "../../runtime/discovering.io.ts";
import { serve } from "./child.ts";

export type LinkRequest =
  | { readonly call: "open" }
  | { readonly call: "heard" }
  | { readonly call: "join"; readonly interface: string }
  | { readonly call: "leave"; readonly interface: string }
  | { readonly call: "send"; readonly interface: string; readonly source: string; readonly text: string }
  | { readonly call: "flood"; readonly interface: string; readonly source: string; readonly count: number }
  | { readonly call: "unicast"; readonly to: string; readonly text: string };

export interface LinkAnswers {
  /** Since `open`. */
  readonly heard: readonly { readonly address: string; readonly port: number; readonly text: string }[];
}

class End {
  readonly #addon: Addon;
  #group: Multicast | undefined;
  #heard: LinkAnswers["heard"][number][] = [];

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  async answer(r: LinkRequest): Promise<unknown> {
    if (r.call === "open") return this.#open();
    if (r.call === "heard") return this.#heard;
    if (r.call === "unicast") return await unicast(r.to, r.text);
    const index = this.#addon.interfaces().find((i) => i.name === r.interface)?.index ?? 0x7ff0;
    if (r.call === "join") this.#group?.join(index);
    else if (r.call === "leave") this.#group?.leave(index);
    else if (r.call === "send") this.#group?.send(index, r.source, new TextEncoder().encode(r.text));
    else for (let i = 0; i < r.count; i++) this.#flood(index, r.source);
    return undefined;
  }

  close(): void {
    this.#group?.close();
  }

  #open(): void {
    this.close();
    const heard: LinkAnswers["heard"][number][] = [];
    this.#heard = heard;
    this.#group = this.#addon.openMulticast(GROUPS, (batch) => {
      for (const { address, port, payload } of batch)
        heard.push({ address, port, text: new TextDecoder().decode(payload) });
    });
  }

  /** A full queue is what a flood makes. */
  #flood(index: number, source: string): void {
    try {
      this.#group?.send(index, source, new Uint8Array(88));
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
    }
  }
}

function unicast(to: string, text: string): Promise<void> {
  const socket = createSocket(to.includes(":") ? "udp6" : "udp4");
  return new Promise((resolve, reject) =>
    socket.send(text, GROUPS.port, to, (error) => {
      socket.close();
      if (error) reject(error);
      else resolve();
    }),
  );
}

if (import.meta.main) {
  const { addon, reason } = loadAddon();
  if (!addon) throw new Error(reason);
  const end = new End(addon);
  await serve<LinkRequest>((request) => end.answer(request));
  end.close();
}
