/** The mesh core: the only door to handshakes, sessions and roster gossip. Pure: an event in, actions out. */
import { equal, toHex } from "../base/bytes.ts";
import type { Endpoint } from "../base/endpoint.ts";
import { randomIndex } from "../base/random.ts";
import { type Ms, seconds } from "../base/time.ts";
import { Calling } from "./calling.ts";
import { Delivery } from "./delivery.ts";
import { DueQueue } from "./due-queue.ts";
import { FRAME } from "./frame.ts";
import { Handshakes } from "./handshake/machine.ts";
import type { Presence } from "./handshake/outbox.ts";
import type { Admission, Established, Failed, HandshakeAction, LocalNode, RemoteMember } from "./handshake/ports.ts";
import { Hearing } from "./hearing.ts";
import { Joining } from "./joining.ts";
import { KEEP_ALL, Keeping } from "./keeping.ts";
import { laterFor, silentAt } from "./life-signs.ts";
import { Outbox } from "./outbox.ts";
import { type Peer, PeerTable, type Post } from "./peers.ts";
import type { MeshDeps, MeshDirectory } from "./ports.ts";
import { Sessions } from "./sessions.ts";
import { Spreading } from "./spreading.ts";
import { Stream } from "./stream/stream.ts";
import type {
  Datagram,
  DataPlaneEvent,
  Edge,
  MeshAction,
  MeshCommand,
  MeshEvent,
  PeerView,
  Reachability,
  Way,
} from "./types.ts";
import { viewOf } from "./view.ts";
import { Watching } from "./watching.ts";
import { Ways } from "./ways.ts";
import { Whereabouts } from "./whereabouts.ts";

/** A large mesh looks so often whether others should be kept. */
const KEEP_AGAIN = seconds(30);
const CHOOSE_PAUSE = seconds(1);

export class Mesh {
  readonly #deps: MeshDeps;
  readonly #peers: PeerTable;
  readonly #queue = new DueQueue<Peer>();
  readonly #out = new Outbox();
  readonly #delivery = new Delivery(this.#out);
  readonly #ways: Ways;
  readonly #calling: Calling;
  readonly #whereabouts: Whereabouts;
  readonly #watching: Watching;
  readonly #keeping: Keeping;
  readonly #spreading: Spreading;
  readonly #sessions: Sessions;
  readonly #hearing: Hearing;
  #keepAt: Ms;
  #chosen: Ms = Number.NEGATIVE_INFINITY;
  #local: LocalNode;
  #directory: MeshDirectory | undefined;
  #handshakes: Handshakes;
  #join: Joining | undefined;
  #stopped = false;
  #toldSecret: Uint8Array | undefined;

  constructor(deps: MeshDeps, now: Ms) {
    this.#deps = deps;
    this.#local = deps.local;
    this.#directory = deps.directory;
    this.#peers = new PeerTable(() => this.#newStream());
    this.#ways = new Ways({ ...deps, peerAt: (address) => this.#peers.byAddress(address) });
    this.#calling = new Calling({ ...deps, ways: this.#ways });
    const parts = { ...deps, out: this.#out, peers: this.#peers, ways: this.#ways, calling: this.#calling };
    const remember = ({ id }: Peer, endpoint: Endpoint): void => this.#directory?.setEndpoint(id, endpoint);
    this.#whereabouts = new Whereabouts({ ...parts, remember });
    this.#watching = new Watching(deps, this.#out, this.#ways);
    this.#keeping = new Keeping(deps.crypto, deps.local.keys.id);
    this.#spreading = new Spreading({
      ...parts,
      admit: (chain, hint, at) => this.#admit(chain, hint, at),
      revoke: (record, at) => this.#revoke(record, at),
    });
    if (deps.directory) this.#spreading.begin(deps.directory);
    const [whereabouts, delivery, spreading] = [this.#whereabouts, this.#delivery, this.#spreading];
    this.#sessions = new Sessions({
      ...parts,
      ...{ whereabouts, delivery, spreading, remember },
      newStream: () => this.#newStream(),
      settled: (id, localIndex) => this.#handshakes.settled(id, localIndex),
      used: () => this.#chooseSoon(),
    });
    this.#hearing = new Hearing({
      ...parts,
      ...{ whereabouts, delivery, spreading, watching: this.#watching, sessions: this.#sessions },
      hasRoster: () => this.#directory !== undefined,
      confirmed: (localIndex) => this.#handshakes.confirmed(localIndex),
      newPlace: () => this.#chooseSoon(),
    });
    this.#keepAt = now;
    this.#handshakes = this.#startHandshakes(deps.admission, now);
    for (const member of this.#directory?.list() ?? []) {
      if (equal(member.id, this.#local.keys.id)) continue;
      const endpoint = this.#directory?.endpointOf(member.id);
      const peer = this.#peers.of(member.id, now);
      this.#peers.name(peer, member);
      if (endpoint) this.#peers.place(peer, endpoint);
    }
    const { membership, keys } = deps.local;
    if (membership && deps.directory) this.#ways.begin(keys, membership, deps.directory, now); // who joins just now leads nowhere
    this.#choose(now);
    for (const peer of this.#peers.takeTouched()) this.#queue.set(peer, this.#due(peer));
  }

  /** One event at a time: the next only after this resolved. Never throws for what came from the network. */
  async handle(event: MeshEvent, now: Ms): Promise<MeshAction[]> {
    if (this.#stopped) return [];
    if (event.type === "datagrams") for (const d of event.batch) await this.#receive(d, now);
    else if (event.type === "dataPlane") await this.#notice(event.event, now);
    else if (event.type === "command") await this.#command(event.command, now);
    else await this.#tick(now);
    this.#tellKeys(now);
    await this.#settle(now);
    return this.#out.take();
  }

  /** When to send `tick` next; undefined: not before another event. */
  deadline(): Ms | undefined {
    if (this.#stopped) return undefined;
    const never = Number.POSITIVE_INFINITY;
    const mine = Math.min(this.#queue.next ?? never, this.#join?.due ?? never, this.#keepAt);
    const next = Math.min(mine, this.#handshakes.deadline() ?? never, this.#ways.due);
    return Number.isFinite(next) ? next : undefined;
  }

  peers(now: Ms): readonly PeerView[] {
    const others = (this.#directory?.list() ?? []).filter((m) => !equal(m.id, this.#local.keys.id));
    const via = (m: { readonly address: string }): string | undefined => this.#ways.to(m.address)?.primary;
    return others.map((m) => viewOf(m, this.#peers.byId(m.id), via(m), now, this.#deps.settings));
  }

  /** Where others can reach us, as far as we know. */
  reachability(now: Ms): Reachability {
    return this.#whereabouts.reachability(now);
  }

  /** As link state sees the way to an overlay address. */
  wayTo(address: string): Way | undefined {
    return this.#ways.explain(address);
  }

  /** Whether one of those that `attend` named takes nothing, as far as we can tell. */
  standsStill(address: string): boolean {
    const peer = this.#peers.at(address);
    return peer !== undefined && this.#watching.standsStill(peer);
  }

  /** Every link that anybody tells of. */
  links(): readonly Edge[] {
    return this.#ways.edges();
  }

  /** Entries of every table that strangers can make grow, for tests of the bounds. */
  get load(): Readonly<Record<string, number>> {
    return { ...this.#handshakes.load, ...this.#ways.load, peers: this.#peers.size };
  }

  #newStream(): Stream {
    return new Stream(() => randomIndex(this.#deps.random));
  }

  /** After each event: news goes out, streams send what they may, and who was touched is due anew. */
  async #settle(now: Ms): Promise<void> {
    this.#spreading.spreadNews();
    if (now >= this.#keepAt) this.#choose(now);
    this.#whereabouts.noticeNeighbours();
    await this.#followWays(now);
    for (const peer of this.#peers.takeTouched()) {
      this.#whereabouts.tellNeighbours(peer, now);
      this.#out.flush(peer, now);
      this.#followPath(peer, now);
      this.#whereabouts.offerPlaces(peer, now);
      this.#queue.set(peer, this.#due(peer));
    }
  }

  /** Something has changed that may change whom we keep. In a large mesh much changes, and once a second is enough. */
  #chooseSoon(): void {
    const pause = this.#peers.size > KEEP_ALL ? CHOOSE_PAUSE : 0;
    this.#keepAt = Math.min(this.#keepAt, this.#chosen + pause);
  }

  #choose(now: Ms): void {
    const peers = this.#peers.listed;
    this.#chosen = now;
    this.#keepAt = peers.length > KEEP_ALL ? now + KEEP_AGAIN : Number.POSITIVE_INFINITY;
    const kept = this.#keeping.choose(peers, this.#deps.settings.dials, now);
    for (const p of peers) {
      if (p.kept === kept.has(p)) continue;
      p.kept = !p.kept;
      this.#peers.touch(p);
    }
  }

  #tellKeys(now: Ms): void {
    const keys = this.#handshakes.admissionKeys(now);
    if (!keys || keys.cookieSecrets[0] === this.#toldSecret) return;
    this.#toldSecret = keys.cookieSecrets[0];
    this.#out.put({ type: "admission", keys });
  }

  async #followWays(now: Ms): Promise<void> {
    await this.#ways.followMembers(now);
    for (const peer of this.#peers.touched) await this.#ways.follow(peer, peer.kept || now < peer.keptThereUntil, now);
    await this.#ways.tick(now);
    for (const action of this.#ways.take()) {
      if (action.type === "epoch" || action.type === "subnets") this.#out.put(action);
      else if (action.type === "route") {
        const { destination, route } = action;
        this.#out.put({ type: "setRoute", destination, primary: route?.primary, backup: route?.backup });
        this.#peers.byAddress(destination);
      } else {
        const peer = this.#peers.byAddress(action.peer);
        if (peer) this.#out.push(peer, { kind: "routing", data: action.data, ...(peer.kept && { kept: true }) });
      }
    }
  }

  #followPath(peer: Peer, now: Ms): void {
    peer.path.follow(peer.current && peer.endpoint, now);
    const bytes = peer.path.news(now);
    if (bytes !== undefined && peer.member) this.#out.put({ type: "limitFrames", peer: peer.member.address, bytes });
  }

  #probe(peer: Peer, now: Ms): void {
    for (const plaintext of peer.path.probes(now)) if (peer.current) this.#out.seal(peer, peer.current, plaintext, now);
  }

  #startHandshakes(admission: Admission | undefined, now: Ms): Handshakes {
    const { crypto, random, verifyForeign, meter } = this.#deps;
    const isProven = (source: Endpoint): boolean => this.#peers.byEndpoint(source)?.current !== undefined;
    const isFree = (index: number): boolean => this.#peers.byIndex(index) === undefined;
    const deps = { crypto, random, verifyForeign, meter, isProven, isFree };
    const wrapped = admission && this.#announcing(admission);
    return new Handshakes({ ...deps, local: this.#local, directory: this.#directory, admission: wrapped }, now);
  }

  #announcing(admission: Admission): Admission {
    return {
      secretOf: (id) => admission.secretOf(id),
      admit: async (request) => {
        const answer = await admission.admit(request);
        const member = answer.accepted ? await this.#directory?.admit(answer.chain) : undefined;
        if (member) {
          this.#out.say({
            kind: "admitted",
            name: member.name,
            peer: member.address,
            inviteId: toHex(request.inviteId),
          });
        }
        return answer;
      },
    };
  }

  #learn(id: Uint8Array, endpoint: Endpoint, now: Ms): Peer {
    const peer = this.#peers.of(id, now);
    const member = this.#directory?.byId(id);
    if (member) this.#peers.name(peer, member);
    if (!peer.current) this.#peers.place(peer, endpoint);
    return peer;
  }

  async #command(c: MeshCommand, now: Ms): Promise<void> {
    if (c.type === "connect") {
      if (equal(c.id, this.#local.keys.id)) return;
      const peer = this.#learn(c.id, c.endpoint, now);
      this.#chooseSoon();
      this.#calling.want(peer, now);
      await this.#care(peer, now);
    } else if (c.type === "ping") {
      const peer = this.#peers.byAddress(c.peer);
      if (!peer) return;
      this.#calling.want(peer, now);
      this.#delivery.ping(peer, c.token, now);
      if (!peer.current) await this.#care(peer, now);
    } else if (c.type === "revoke") await this.#revoke(c.record, now);
    else if (c.type === "admit") await this.#admit(c.chain, undefined, now);
    else if (c.type === "post") await this.#post(c.peer, c, now);
    else if (c.type === "rekey") {
      const peer = this.#peers.byAddress(c.peer);
      if (peer?.current) await this.#dial(peer, now);
    } else if (c.type === "join") {
      this.#join = new Joining(c.invite, c.name, now);
      if (c.invite.endpoints.length === 0) this.#failToJoin("join/no-endpoint", "the invite names no endpoint");
      await this.#tryToJoin(now);
    } else if (c.type === "addresses") this.#whereabouts.announce(c.endpoints, now);
    else if (c.type === "announce") await this.#ways.announce(c.subnets, now);
    else if (c.type === "attend") for (const p of this.#peers.all()) p.attended = c.peers.has(p.member?.address ?? "");
    else if (c.type === "sighted") await this.#sighted(c, now);
    else for (const peer of this.#peers.all()) this.#out.tell(peer, { kind: "goodbye" }, now);
  }

  async #sighted(c: Extract<MeshCommand, { type: "sighted" }>, now: Ms): Promise<void> {
    const peer = this.#peers.byId(c.id);
    const mayCall = peer !== undefined && (peer.kept || now < peer.wantedUntil);
    const step = this.#whereabouts.sighted(c, mayCall, now);
    this.#chooseSoon(); // it has a place now
    if (step === "contact") await this.#call(c.id, undefined, c.endpoint, now);
    else if (step === "call" && peer && !this.#handshakes.isAnswering(c.id, now) && this.#calling.turnTo(peer, now))
      await this.#call(c.id, peer.member, c.endpoint, now);
  }

  async #tryToJoin(now: Ms): Promise<void> {
    const join = this.#join;
    if (!join || now < join.due) return;
    const endpoint = join.take(now);
    if (!endpoint) return;
    const actions = await this.#handshakes.join(join.invite, join.name, endpoint, now);
    const first = actions.find((a) => a.type === "send");
    if (first?.type === "send") join.started(toHex(first.datagram.payload.subarray(8, 16)));
    await this.#apply(actions, now);
  }

  #failToJoin(code: string, message: string): void {
    this.#join = undefined;
    this.#out.say({ kind: "joinFailed", code, message });
  }

  async #notice(e: DataPlaneEvent, now: Ms): Promise<void> {
    if (e.type === "carried") return this.#noteCarried(e.sessions, now);
    if (e.type === "measured") return this.#noteMeasured(e);
    const peer = "peer" in e ? this.#peers.byAddress(e.peer) : this.#peers.byIndex(e.localIndex);
    if (!peer) return;
    if (e.type === "silent" || e.type === "alive") await this.#hearLink(peer, e.type === "alive", now);
    else if (e.type === "moved" || e.type === "carries") this.#whereabouts.move(peer, e.endpoint, now);
    else if (e.type === "linkAlive" || e.type === "linkSilent")
      this.#whereabouts.heardAt(peer, e.endpoint, e.type === "linkAlive", now);
    else if (e.type === "place") peer.places.notice(e.endpoint);
    else if (e.type === "exhausted" && peer.current?.localIndex === e.localIndex) await this.#dial(peer, now);
    else if (e.type === "wanted" && !peer.current) {
      this.#calling.want(peer, now);
      await this.#care(peer, now);
    }
  }

  #noteMeasured({ links }: Extract<DataPlaneEvent, { type: "measured" }>): void {
    for (const { peer, roundTrip, shut = false } of links) {
      const found = this.#peers.byAddress(peer);
      if (!found) continue;
      found.linkTrip = roundTrip;
      found.shut = shut;
    }
  }

  #noteCarried(sessions: readonly number[], now: Ms): void {
    for (const index of sessions) {
      const peer = this.#peers.byIndex(index);
      const session = peer?.sessions.find((s) => s.localIndex === index);
      if (!peer || !session) continue;
      session.used ??= now;
      peer.usedAt = now;
      peer.path.carried(now);
    }
  }

  async #hearLink(peer: Peer, answers: boolean, now: Ms): Promise<void> {
    if (!answers && peer.answers !== false) peer.silentSince = now;
    if (answers && peer.answers === false) this.#calling.reached(peer, now);
    peer.answers = answers;
    this.#noticeSilence(peer, now);
    this.#chooseSoon();
    if (!answers && peer.current) this.#whereabouts.fellSilent(peer, now);
    await this.#care(peer, now);
  }

  async #tick(now: Ms): Promise<void> {
    await this.#apply(this.#handshakes.tick(now), now);
    await this.#tryToJoin(now);
    for (const peer of this.#queue.take(now)) await this.#care(this.#peers.of(peer.id, now), now);
  }

  /** When the peer next needs something. */
  #due(p: Peer): Ms {
    const s = this.#deps.settings;
    const expiry = this.#sessions.expiryOf(p);
    const dial = this.#dialAt(p);
    if (!p.current) return Math.min(expiry, dial, p.posts.length > 0 ? p.wantedUntil : Number.POSITIVE_INFINITY);
    const tell = p.owesNeighbours ? p.nextNeighbours : Number.POSITIVE_INFINITY;
    const stream = p.stream.due ?? Number.POSITIVE_INFINITY;
    return Math.min(
      expiry,
      dial,
      this.#calling.idleAt(p),
      tell,
      stream,
      p.path.due,
      p.links.due,
      p.lastSent + s.keepalive + laterFor(p),
      this.#watching.askAt(p),
      this.#watching.urgeAt(p),
      this.#spreading.digestAt(p),
      this.#calling.upgradeAt(p),
      p.seek.due,
      this.#whereabouts.lookAt(p),
    );
  }

  #dialAt(p: Peer): Ms {
    return this.#local.membership ? this.#calling.dialAt(p, this.#local.keys.id) : Number.POSITIVE_INFINITY;
  }

  async #care(p: Peer, now: Ms): Promise<void> {
    this.#sessions.endExpired(p, now);
    if (now >= this.#calling.idleAt(p)) this.#part(p, now);
    if (!p.current && now >= p.wantedUntil) this.#delivery.endWaiting(p, now);
    if (now >= this.#dialAt(p)) await this.#dial(p, now);
    if (now >= this.#calling.upgradeAt(p)) this.#whereabouts.upgrade(p, now);
    if (now >= this.#whereabouts.lookAt(p)) this.#whereabouts.look(p, now);
    if (p.current && now >= p.seek.due) this.#whereabouts.seekOn(p, now);
    if (now >= this.#spreading.digestAt(p)) this.#spreading.sendDigest(p, now);
    if (p.current && now >= p.path.due) this.#probe(p, now);
    if (now >= this.#watching.askAt(p)) await this.#watching.ask(p, now);
    if (now >= this.#watching.urgeAt(p)) this.#watching.urge(p, now);
    if (now >= p.lastSent + this.#deps.settings.keepalive + laterFor(p)) this.#out.greet(p, now);
  }

  /** Nobody needs the session any more. */
  #part(p: Peer, now: Ms): void {
    this.#out.tell(p, { kind: "goodbye" }, now);
    this.#sessions.endAll(p, "not in use");
  }

  /**
   * A neighbour that is silent is none for routing. The data path knows best: one whose daemon stands still relays on, and a link
   * may be dead long before that shows here.
   */
  #noticeSilence(p: Peer, now: Ms): void {
    p.silent = p.current !== undefined && !(p.answers ?? now < silentAt(p, this.#deps.settings));
    this.#whereabouts.noticeNeighbours();
  }

  async #dial(p: Peer, now: Ms): Promise<void> {
    this.#noticeSilence(p, now);
    const path = this.#calling.dial(p, now);
    if (path) await this.#call(p.id, p.member, path, now, this.#calling.presenceOf(p, now));
  }

  async #call(
    id: Uint8Array,
    member: RemoteMember | undefined,
    place: Endpoint,
    now: Ms,
    presence: Presence = "unheard",
  ): Promise<void> {
    const h = this.#handshakes;
    if (h.isCalling(id, place)) return;
    await this.#apply(
      await (member ? h.connect(member, place, now, presence) : h.contact(id, place, now, presence)),
      now,
    );
  }

  async #receive(d: Datagram, now: Ms): Promise<void> {
    if (d.payload[0] === FRAME.control) await this.#hearing.receive(d, now);
    else await this.#apply(await this.#handshakes.receive(d, now), now);
  }

  async #admit(chain: Uint8Array, hint: Endpoint | undefined, now: Ms): Promise<boolean> {
    const member = await this.#directory?.admit(chain);
    if (!member) {
      this.#deps.meter.count("mesh.admit.refused");
      return false;
    }
    if (equal(member.id, this.#local.keys.id)) return true;
    const peer = this.#peers.of(member.id, now);
    this.#peers.name(peer, member);
    this.#chooseSoon();
    if (hint) peer.places.tell(hint);
    return true;
  }

  async #post(address: string, post: Post, now: Ms): Promise<void> {
    const peer = this.#peers.byAddress(address);
    if (!peer) return this.#delivery.undelivered(address, post);
    if (!this.#delivery.post(peer, post, now)) return;
    this.#calling.want(peer, now);
    await this.#care(peer, now);
  }

  /** Whether the record holds. */
  async #revoke(record: Uint8Array, now: Ms): Promise<boolean> {
    const result = await this.#directory?.applyRevocation(record);
    if (!result || "refused" in result) {
      this.#deps.meter.count("mesh.revocation.refused");
      return false;
    }
    this.#spreading.spreadNews();
    for (const member of result.revoked) {
      this.#out.say({ kind: "revoked", name: member.name, peer: member.address });
      if (equal(member.id, this.#local.keys.id)) this.#stop(record, now);
      else this.#expel(member, record, now);
    }
    return true;
  }

  /** Who falls by a record is told before the session goes, as far as sending it once reaches: on a new stream, where nothing is before it. */
  #expel({ id, address }: RemoteMember, record: Uint8Array, now: Ms): void {
    this.#handshakes.forget(id);
    this.#watching.forget(address);
    const peer = this.#peers.byId(id);
    if (peer) {
      peer.stream = this.#newStream();
      this.#out.push(peer, { kind: "revocation", data: record });
      this.#out.flush(peer, now);
      for (const s of peer.sessions) this.#out.put({ type: "removeSession", localIndex: s.localIndex });
      this.#peers.remove(peer);
      this.#queue.delete(peer);
      this.#whereabouts.expelled(peer);
    }
    this.#out.put({ type: "removePeer", peer: address });
  }

  /** We are out: nobody is served any more. */
  #stop(record: Uint8Array, now: Ms): void {
    for (const { member } of this.#peers.all()) if (member) this.#expel(member, record, now);
    this.#stopped = true;
  }

  async #apply(actions: readonly HandshakeAction[], now: Ms): Promise<void> {
    for (const a of actions) {
      if (a.type === "send") this.#out.put(a);
      else if (a.type === "established") await this.#establish(a.session, now);
      else if (a.type === "repeated") this.#sessions.confirm(a.localIndex, now);
      else if (this.#join?.has(a.exchange)) {
        // A refusal is the same by every way.
        if (this.#join.failed(a.exchange, now) || a.told) this.#failToJoin(a.code, a.message);
        else await this.#tryToJoin(now);
      } else if (a.told) await this.#refused(a, now);
      else this.#gaveUp(a.peer, now);
    }
  }

  #gaveUp(id: Uint8Array, now: Ms): void {
    const peer = this.#peers.byId(id);
    if (!peer) return;
    this.#calling.gaveUp(peer, now);
    this.#chooseSoon();
  }

  /** Who was revoked while away is told with the record: it is out, whoever says so. */
  async #refused({ peer: id, code, message, record }: Failed, now: Ms): Promise<void> {
    if (record && (await this.#revoke(record, now)) && this.#stopped) return;
    const peer = this.#peers.byId(id);
    if (!peer) return;
    this.#calling.refused(peer, now);
    this.#out.say({ kind: "refused", name: peer.member?.name ?? toHex(id).slice(0, 16), code, message });
  }

  async #establish(e: Established, now: Ms): Promise<void> {
    if (e.joined && !(await this.#adopt(e.joined, now))) return;
    // Revoked meanwhile. A joiner meets its issuer before it has the issuer's chain, which gossip brings.
    if (!e.joined && this.#directory && !this.#directory.byId(e.peer.id)) return;
    this.#sessions.install(e, now);
  }

  async #adopt(joined: { readonly chain: Uint8Array; readonly genesis: Uint8Array }, now: Ms): Promise<boolean> {
    const name = this.#join?.name ?? "";
    this.#join = undefined;
    const adopted = await this.#deps.adopt(joined);
    if (!adopted) {
      this.#out.say({ kind: "joinFailed", code: "join/refused-chain", message: "the issued chain does not hold" });
      return false;
    }
    this.#local = adopted.local;
    this.#directory = adopted.directory;
    this.#spreading.begin(adopted.directory);
    this.#handshakes = this.#startHandshakes(adopted.admission, now);
    this.#out.say({ kind: "joined", name, chain: joined.chain });
    this.#out.put({ type: "persist" });
    return true;
  }
}
