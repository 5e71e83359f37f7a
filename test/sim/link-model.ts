/**
 * Links as a data path has them, slowed down: each place of each peer is asked once a second, and is a link while it answers. The one
 * that carries does so until it is silent.
 */
import { type Endpoint, endpointKey } from "../../runtime/base/endpoint.ts";
import type { Ms } from "../../runtime/base/time.ts";
import { sipHash24 } from "../../runtime/crypto/siphash.ts";
import { FRAME, HELLO, HelloFrame } from "../../runtime/mesh/frame.ts";
import type { Datagram, DataPlaneEvent, DataSession, MeshAction } from "../../runtime/mesh/types.ts";

export const ASK_EVERY: Ms = 1000;
const PATIENCE: Ms = 3500;

interface Link {
  readonly endpoint: Endpoint;
  question: bigint;
  askedAt: Ms;
  answeredAt: Ms;
  alive: boolean;
}

interface Neighbour {
  home: Endpoint;
  places: readonly Endpoint[];
  session: DataSession | undefined;
  links: Map<string, Link>;
  carries: Link | undefined;
  /** Of `carries`, the last that was told: one that comes back is no news, and comes before others that do. */
  told: Link | undefined;
}

export class LinkModel {
  readonly #neighbours = new Map<string, Neighbour>();
  readonly #sessions = new Map<number, { readonly peer: string; readonly session: DataSession }>();
  #questions = 0n;

  apply(a: MeshAction): void {
    if (a.type === "installSession") {
      this.#sessions.set(a.session.localIndex, a);
      this.#place(a.peer, a.endpoint);
    } else if (a.type === "useSession") {
      const neighbour = this.#neighbours.get(a.peer);
      if (neighbour) neighbour.session = this.#sessions.get(a.localIndex)?.session;
    } else if (a.type === "removeSession") {
      const entry = this.#sessions.get(a.localIndex);
      const neighbour = entry && this.#neighbours.get(entry.peer);
      this.#sessions.delete(a.localIndex);
      if (neighbour?.session !== entry?.session || !neighbour) return;
      neighbour.session = undefined;
      neighbour.links.clear();
      neighbour.carries = undefined;
      neighbour.told = undefined;
    } else if (a.type === "setEndpoint") this.#place(a.peer, a.endpoint);
    else if (a.type === "setPlaces") {
      const neighbour = this.#neighbours.get(a.peer);
      if (neighbour) neighbour.places = a.places;
    } else if (a.type === "removePeer") this.#neighbours.delete(a.peer);
  }

  #place(peer: string, home: Endpoint): void {
    const neighbour = this.#neighbours.get(peer);
    if (neighbour) neighbour.home = home;
    else
      this.#neighbours.set(peer, {
        home,
        places: [],
        session: undefined,
        links: new Map(),
        carries: undefined,
        told: undefined,
      });
  }

  /** Questions to send now, and what has changed since the last time. */
  turn(now: Ms): { readonly questions: readonly Datagram[]; readonly events: readonly DataPlaneEvent[] } {
    const questions: Datagram[] = [];
    const events: DataPlaneEvent[] = [];
    for (const [peer, neighbour] of this.#neighbours) {
      if (!neighbour.session) continue;
      this.#follow(neighbour);
      this.#tell(peer, neighbour, now, events);
      for (const link of neighbour.links.values()) questions.push(this.#ask(neighbour.session, link, now));
    }
    return { questions, events };
  }

  /** The links are those to its endpoint and places. */
  #follow(neighbour: Neighbour): void {
    const wanted = [neighbour.home, ...neighbour.places].filter(({ port }) => port !== 0);
    const links = wanted.map((endpoint): [string, Link] => {
      const key = endpointKey(endpoint);
      const fresh = { endpoint, question: -1n, askedAt: 0, answeredAt: Number.NEGATIVE_INFINITY, alive: false };
      return [key, neighbour.links.get(key) ?? fresh];
    });
    neighbour.links = new Map(links);
  }

  #tell(peer: string, neighbour: Neighbour, now: Ms, events: DataPlaneEvent[]): void {
    const wasAlive = neighbour.carries !== undefined;
    for (const link of neighbour.links.values()) {
      const alive = now - link.answeredAt < PATIENCE;
      if (alive !== link.alive)
        events.push({ type: alive ? "linkAlive" : "linkSilent", peer, endpoint: link.endpoint });
      link.alive = alive;
    }
    const ranked = [neighbour.carries, neighbour.told, ...neighbour.links.values()];
    const links = new Set(neighbour.links.values()); // one that was left and is taken up again is another
    neighbour.carries = ranked.find((link) => link?.alive && links.has(link));
    const { carries } = neighbour;
    if ((carries !== undefined) !== wasAlive) events.push({ type: carries ? "alive" : "silent", peer });
    if (!carries || carries === neighbour.told) return;
    neighbour.told = carries;
    events.push({ type: "carries", peer, endpoint: carries.endpoint });
  }

  #ask({ remoteIndex, hopSendKey }: DataSession, link: Link, now: Ms): Datagram {
    link.question = ++this.#questions;
    link.askedAt = now;
    const { tag } = HelloFrame.offsets;
    const payload = HelloFrame.encode({
      type: FRAME.hello,
      kind: HELLO.ask,
      patience: PATIENCE,
      link: remoteIndex,
      asked: link.question,
      answered: 0n,
      tag: new Uint8Array(8),
    });
    payload.set(sipHash24(hopSendKey, payload.subarray(0, tag)), tag);
    return { endpoint: link.endpoint, payload };
  }

  /** A neighbour has answered, under its keys. */
  answered(peer: string, { endpoint, payload }: Datagram): void {
    const hello = HelloFrame.decode(payload);
    const link = this.#neighbours.get(peer)?.links.get(endpointKey(endpoint));
    if (hello?.kind === HELLO.answer && link?.question === hello.asked) link.answeredAt = link.askedAt;
  }

  /** Where frames to the peer go; undefined while no link lives. */
  carrying(peer: string): Endpoint | undefined {
    return this.#neighbours.get(peer)?.carries?.endpoint;
  }

  /** Whose endpoint this is. */
  at(endpoint: Endpoint): string | undefined {
    return [...this.#neighbours].find(([, { home }]) => endpointKey(home) === endpointKey(endpoint))?.[0];
  }

  isLink(peer: string, endpoint: Endpoint): boolean {
    return this.#neighbours.get(peer)?.links.get(endpointKey(endpoint))?.alive ?? false;
  }
}
