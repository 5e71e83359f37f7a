/** What the mesh core needs from outside, and its timers. */
import type { Endpoint } from "../base/endpoint.ts";
import type { Meter } from "../base/meter.ts";
import type { RandomBytes } from "../base/random.ts";
import { type Ms, minutes, seconds } from "../base/time.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { Admission, Directory, LocalNode, RemoteMember, VerifyForeign } from "./handshake/ports.ts";
import type { Routing } from "./routing/routing.ts";
import type { RoutingDeps } from "./routing/types.ts";

export interface RosterMember extends RemoteMember {
  /** Encoded chain, leaf first. */
  readonly chain: Uint8Array;
}

/** The roster. It holds this node's own chain as well, so that others can be shown it. */
export interface MeshDirectory extends Directory {
  /** Another number whenever members or revocations changed. */
  readonly revision: number;
  byId(id: Uint8Array): RosterMember | undefined;
  byCertificateHash(hash: Uint8Array): RosterMember | undefined;
  byAddress(address: string): RosterMember | undefined;
  admit(chain: Uint8Array): Promise<RosterMember | undefined>;
  list(): readonly RosterMember[];
  applyRevocation(
    record: Uint8Array,
  ): Promise<{ readonly revoked: readonly RosterMember[]; readonly news: boolean } | { readonly refused: string }>;
  revocationRecords(): readonly Uint8Array[];
  setEndpoint(id: Uint8Array, endpoint: Endpoint): void;
  endpointOf(id: Uint8Array): Endpoint | undefined;
}

/** What a joiner becomes. */
export interface Adopted {
  readonly local: LocalNode;
  readonly directory: MeshDirectory;
  readonly admission: Admission | undefined;
}

export interface MeshSettings {
  readonly rekeyAfter: Ms; //      of use; the side with the smaller id starts a rekey
  readonly rekeyUnused: Ms; //     keys under which nothing was carried, the same
  readonly rekeyFallback: Ms; //   so much later the other side does, when nothing happened
  readonly rejectAfter: Ms; //     of use; such keys are never used any more
  readonly rejectUnused: Ms; //    of keys however little they were used
  readonly keepalive: Ms; //       something is sent at least so often
  readonly askAfter: Ms; //        nothing heard: the peer is asked
  readonly silentAfter: Ms; //     nothing heard: the peer counts as silent
  readonly retryFirst: Ms; //      first pause between attempts, doubled each time
  readonly retryMax: Ms;
  readonly attemptLimit: Ms; //    an attempt that takes longer is given up
  /** Whether to start handshakes with this member by ourselves; its own are answered in any case. */
  readonly dials: (member: RemoteMember) => boolean;
}

export const MESH_SETTINGS: MeshSettings = {
  rekeyAfter: seconds(120),
  rekeyUnused: minutes(30),
  rekeyFallback: seconds(10),
  rejectAfter: seconds(300), // a daemon that stands still for its lease, 120 s, right before a rekey, relays on for all of it
  rejectUnused: minutes(60),
  keepalive: seconds(10),
  askAfter: seconds(12),
  silentAfter: seconds(25),
  retryFirst: seconds(1),
  retryMax: seconds(60),
  attemptLimit: seconds(20),
  dials: () => true,
};

/** The door of link state: what `Routing` offers. */
export type LinkState = Omit<Routing, never>;
export type MakeRouting = (deps: RoutingDeps, now: Ms) => LinkState;

export interface MeshDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomBytes;
  /** Without a membership the mesh can only join. */
  readonly local: LocalNode;
  readonly directory: MeshDirectory | undefined;
  readonly admission: Admission | undefined;
  readonly verifyForeign: VerifyForeign;
  /** Makes us the member that an issuer admitted; durable before it resolves. Undefined refuses. */
  adopt(joined: { readonly chain: Uint8Array; readonly genesis: Uint8Array }): Promise<Adopted | undefined>;
  /** What the action `epoch` last said; 0 before there was any. */
  readonly epoch: number;
  readonly settings: MeshSettings;
  readonly meter: Meter;
  /** What makes its link state, where that is not the usual one; for simulations. */
  readonly routing?: MakeRouting | undefined;
}
