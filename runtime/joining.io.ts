/** Joining a mesh without a daemon: the core runs over a socket of its own until the issuer has answered. */
import { equal } from "./base/bytes.ts";
import { type Endpoint, endpointKey } from "./base/endpoint.ts";
import { TrellisError } from "./base/errors.ts";
import { Meter } from "./base/meter.ts";
import { chooseProvider } from "./crypto/choose.ts";
import type { CryptoProvider } from "./crypto/provider.ts";
import { openUserspace } from "./dataplane/userspace.io.ts";
import type { NodeKeys } from "./identity/keys.ts";
import { isName } from "./identity/names.ts";
import { type Member, Roster } from "./identity/roster.ts";
import { loadMembership } from "./membership.ts";
import type { VerifyForeign } from "./mesh/handshake/ports.ts";
import { Mesh } from "./mesh/mesh.ts";
import { type Adopted, MESH_SETTINGS } from "./mesh/ports.ts";
import type { AeadRates, Datagram, MeshAction, MeshEvent } from "./mesh/types.ts";
import type { OwnHome } from "./provisioning/home.io.ts";
import { parseToken } from "./provisioning/token.ts";
import { systemClock, systemRandom } from "./system.io.ts";

export interface JoinOptions {
  readonly token: string;
  readonly name: string;
  /** Seconds. */
  readonly timeout: number;
  /** How it goes, a line at a time, for somebody who waits. */
  readonly tell: (line: string) => void;
}

export interface Joined {
  readonly keys: NodeKeys;
  readonly meshId: Uint8Array;
  readonly crypto: CryptoProvider;
}

/** Rates of the session that joining leaves behind; nothing but control traffic ever uses it. */
const NO_DATA: AeadRates = { aes256Gcm: 1, chacha20Poly1305: 0 };

/** Throws what is wrong with the token, what the issuer told, or `join/no-answer`. */
export async function join(home: OwnHome, options: JoinOptions): Promise<Joined> {
  const { provider } = await chooseProvider();
  const token = parseToken(provider, options.token);
  if (!isName(options.name)) {
    throw new TrellisError("usage/name", `"${options.name}" is no name`, {
      hint: "lower-case letters, digits and hyphens",
    });
  }
  if (await home.member()) {
    throw new TrellisError("join/member", `${home.path} belongs to a mesh already`, {
      hint: "use another --state-dir",
    });
  }
  const keys = await home.keysOrNew(systemRandom);
  let issuer: Member | undefined;
  let roster: Roster | undefined;
  const verifyForeign: VerifyForeign = async (meshId, genesis, chain) => {
    const shown = Roster.of(provider, genesis);
    issuer = equal(shown.meshId, meshId) ? await shown.admit(chain) : undefined;
    return issuer;
  };
  const adopt = async (membership: { chain: Uint8Array; genesis: Uint8Array }): Promise<Adopted> => {
    await home.saveMember(membership);
    const loaded = await loadMembership(home, provider);
    roster = loaded.roster;
    if (issuer) await roster.admit(issuer.chain); // the one member we have met: the daemon will call it first
    return {
      local: { keys, rates: NO_DATA, membership: loaded.membership },
      directory: loaded.roster,
      admission: undefined,
    };
  };
  const mesh = new Mesh(
    {
      crypto: provider,
      random: systemRandom,
      local: { keys, rates: NO_DATA, membership: undefined },
      directory: undefined,
      admission: undefined,
      verifyForeign,
      epoch: 0,
      adopt,
      settings: MESH_SETTINGS,
      meter: new Meter(),
    },
    systemClock.now(),
  );
  const first = { type: "command", command: { type: "join", invite: token, name: options.name } } as const;
  const answered = await drive(mesh, first, options);
  if (roster && issuer) {
    if (answered) roster.setEndpoint(issuer.id, answered);
    await home.saveRoster(roster);
  }
  return { keys, meshId: token.meshId, crypto: provider };
}

const noAnswer = (how: string, asked: ReadonlySet<string>): TrellisError =>
  new TrellisError("join/no-answer", `no gateway took us in ${how}; asked ${[...asked].join(", ") || "nobody"}`, {
    hint: "does the inviting gateway run, and can it be reached there? Who does not know the invite's secret gets no answer",
  });

/** What the person who joins can do about a refusal. */
const REMEDY: Readonly<Record<string, string>> = {
  "invite/used": "ask for a new invite",
  "invite/expired": "ask for a new invite",
  "invite/revoked": "ask for a new invite",
  "invite/unknown": "ask for a new invite; was the gateway that gave it set up anew?",
  "invite/name-taken": "choose another --name",
  "invite/name-fixed": "give the --name that the invite is for",
  "invite/name-outside-space": "give a --name that ends so",
  "invite/node-revoked": "move the state directory away and join with new keys",
  "invite/not-stored": "the disk of the gateway that invites is full or broken",
};

/** A refusal is told under the invite's secret, so it is the gateway's own word. */
function failure(code: string, message: string, asked: ReadonlySet<string>): TrellisError {
  if (!code.startsWith("invite/")) return noAnswer(`(${message})`, asked);
  const hint = REMEDY[code] ?? "ask whoever gave you the invite";
  return new TrellisError(code, `the gateway refuses: ${message}`, { hint });
}

/** Runs the core over a socket until it says `joined`, and gives the endpoint that answered; rejects with its reason otherwise. */
async function drive(mesh: Mesh, first: MeshEvent, { timeout, tell }: JoinOptions): Promise<Endpoint | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let answered: Endpoint | undefined;
  let queue: Promise<void> = Promise.resolve();
  let timer: Timer | undefined;
  const asked = new Set<string>();
  const heard = new Set<string>();
  const once = (seen: Set<string>, endpoint: Endpoint, line: (where: string) => string): void => {
    const where = endpointKey(endpoint);
    if (!seen.has(where)) tell(line(where));
    seen.add(where);
  };
  const perform = (action: MeshAction): void => {
    if (action.type === "send") {
      once(asked, action.datagram.endpoint, (where) => `asking ${where}`);
      plane.send([action.datagram]);
    }
    if (action.type === "installSession") answered = action.endpoint;
    if (action.type !== "notice") return;
    if (action.notice.kind === "joined") resolve();
    if (action.notice.kind === "joinFailed") reject(failure(action.notice.code, action.notice.message, asked));
  };
  const receive = (batch: readonly Datagram[]): void => {
    for (const { endpoint } of batch)
      if (asked.has(endpointKey(endpoint))) once(heard, endpoint, (where) => `${where} answers; agreeing on keys`);
    feed({ type: "datagrams", batch });
  };
  const feed = (event: MeshEvent): void => {
    queue = queue.then(async () => {
      for (const action of await mesh.handle(event, systemClock.now())) perform(action);
      clearTimeout(timer);
      const due = mesh.deadline();
      if (due !== undefined) timer = setTimeout(() => feed({ type: "tick" }), Math.max(0, due - systemClock.now()));
    });
    queue.catch(reject);
  };
  const plane = await openUserspace(
    { port: 0, interface: undefined, device: undefined, address: "::", prefixLength: 64, mtu: 1280, workers: 1 },
    { control: receive, event: () => {} },
  );
  const limit = setTimeout(() => reject(noAnswer(`within ${timeout} s`, asked)), timeout * 1000);
  try {
    feed(first);
    await promise;
    await queue;
    return answered;
  } finally {
    clearTimeout(limit);
    clearTimeout(timer);
    feed({ type: "command", command: { type: "leave" } });
    await queue.catch(() => {});
    clearTimeout(timer);
    await plane.close();
  }
}
