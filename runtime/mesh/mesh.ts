/** The mesh core: the only door to handshakes, sessions and roster gossip. Pure: an event in, actions out. */
import type { Ms } from "../base/time.ts";
import type { MeshDeps } from "./ports.ts";
import type { MeshAction, MeshEvent, PeerView } from "./types.ts";

export class Mesh {
  readonly #deps: MeshDeps;

  constructor(deps: MeshDeps, _now: Ms) {
    this.#deps = deps;
  }

  /** One event at a time: the next only after this resolved. Never throws for what came from the network. */
  async handle(event: MeshEvent, _now: Ms): Promise<MeshAction[]> {
    this.#deps.meter.count(`mesh.event.${event.type}`);
    return [];
  }

  /** When to send `tick` next; undefined: not before another event. */
  deadline(): Ms | undefined {
    return undefined;
  }

  peers(_now: Ms): readonly PeerView[] {
    return [];
  }
}
