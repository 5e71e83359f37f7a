/**
 * The data path behind one port: the native tunnel (TUN, worker threads, libcrypto) or, where the machine allows none,
 * a userspace socket that carries control frames only. No call is made per data packet.
 */
import type { Endpoint } from "../base/endpoint.ts";
import type { AdmissionKeys, AeadRates, Datagram, DataPlaneEvent, DataSession } from "../mesh/types.ts";

export interface DataPlaneOptions {
  /** UDP port of the underlay, both address families; 0 lets the kernel choose. */
  readonly port: number;
  /** Bind the underlay to this interface (SO_BINDTODEVICE); undefined means all. */
  readonly interface: string | undefined;
  /** Name of the TUN device; undefined means no TUN. */
  readonly device: string | undefined;
  /** Overlay address of this node and its prefix length; configured on the device. */
  readonly address: string;
  readonly prefixLength: number;
  /** Largest inner packet, bytes. */
  readonly mtu: number;
  /** Worker threads; 0 lets the data path choose by cores. */
  readonly workers: number;
}

export interface DataPlaneHandlers {
  /** Everything that is not a data frame, in batches, oldest first. The payloads belong to the callee. */
  control(batch: readonly Datagram[]): void;
  event(event: DataPlaneEvent): void;
}

/** Counters since start. `bytes` count inner packets. */
export interface DataPlaneStats {
  readonly sent: { readonly packets: number; readonly bytes: number };
  readonly received: { readonly packets: number; readonly bytes: number };
  /** Drops by reason, e.g. `replay`, `auth`, `source`, `destination`, `noSession`, `malformed`, `noRoute`, `tunFull`. */
  readonly drops: Readonly<Record<string, number>>;
  readonly sessions: readonly SessionStats[];
}

export interface SessionStats {
  readonly localIndex: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  /** Milliseconds since the last authenticated packet; undefined before the first. */
  readonly idleMs: number | undefined;
}

/** One of the ways to a peer: to an endpoint, over an interface. What is measured comes from questions and answers that went over it. */
export interface LinkView {
  /** Overlay address. */
  readonly peer: string;
  readonly endpoint: Endpoint;
  /** That it leaves by; undefined where that is not known. */
  readonly interface: string | undefined;
  /** What goes to the peer directly goes over it. */
  readonly carries: boolean;
  /** Nobody answers there, or nobody has yet; where the peer itself was met, the first answer is not waited for. */
  readonly silent: boolean;
  /** By its latest answer the peer's daemon stands still: its kernel answers and relays, and nothing for the peer itself is taken. */
  readonly still: boolean;
  /** Smoothed; undefined before the first answer. */
  readonly roundTripMs: number | undefined;
  /** Of the last question that was answered. */
  readonly lastRoundTripMs: number | undefined;
  /** Of the round trip, smoothed. */
  readonly jitterMs: number | undefined;
  /** Shares of what was lost lately on its way there and back, 0 to 1. */
  readonly lostOut: number;
  readonly lostIn: number;
  /** What was sent over it, by whomever; `bytes` are UDP payload. */
  readonly frames: number;
  readonly bytes: number;
  /** Of its interface here, ms of round trip. */
  readonly cost: number;
  /** Its interface here or at the other end is metered: it carries only when no other link does. */
  readonly metered: boolean;
  /** The interface here or at the other end has used up its cap: nothing but control goes over it. */
  readonly capped: boolean;
}

/** What holds of links over an interface. */
export interface InterfaceTerms {
  readonly name: string;
  readonly cost: number;
  readonly metered: boolean;
  /** Value of the interface's byte counter from which on the cap is reached; undefined: no cap. */
  readonly limit: number | undefined;
}

export interface AdmissionView {
  /** Where the rules hold: `sockets`, and `eth0 (tcx)` and so on for devices. Empty: nowhere. */
  readonly enforced: readonly string[];
  /** Why they do not hold; empty while they do. */
  readonly reason: string;
  /** First messages of strangers that the kernel itself answered, with a cookie. */
  readonly answered: number;
}

export interface DataPlane {
  readonly kind: "native" | "userspace";
  /** The UDP port in use. */
  readonly port: number;
  /** The TUN device in use; undefined without one. */
  readonly device: string | undefined;
  readonly rates: AeadRates;
  /** Whom the kernel keeps from the daemon. */
  readonly admission: AdmissionView;
  admit(keys: AdmissionKeys): void;
  send(datagrams: readonly Datagram[]): void;
  /** Largest data frame that is known to reach this peer, bytes: what does not fit goes in several. 0: whatever the device takes. */
  limitFrames(peer: string, bytes: number): void;
  installSession(peer: string, session: DataSession, endpoint: Endpoint): void;
  useSession(peer: string, localIndex: number): void;
  removeSession(localIndex: number): void;
  setEndpoint(peer: string, endpoint: Endpoint): void;
  /**
   * Where else the peer may be than at its endpoint, the most likely first. Each place is asked under the keys of the session; one
   * where it answers is a link, which carries when those before it are silent. At most four are used, the endpoint included.
   */
  setPlaces(peer: string, places: readonly Endpoint[]): void;
  /** In place of all terms before. */
  setTerms(terms: readonly InterfaceTerms[]): void;
  removePeer(peer: string): void;
  /** Cryptokey routing: inner packets to `prefix` (e.g. `fd00::1/128`, `10.1.0.0/16`) go to `peer`, and only they come from it. */
  allow(peer: string, prefix: string): void;
  /** Interfaces may have come, gone or been replaced by others of the same name. */
  interfacesChanged(): void;
  /**
   * The same for a subnet that several gateways announce: inner packets to it go to the first of them that is reached (a neighbour that falls
   * silent is passed over at once), and may come from any. With our own address among them they end here too. None: it is nobody's.
   */
  setSubnet(prefix: string, gateways: readonly string[]): void;
  stats(): DataPlaneStats;
  /** To neighbours, and to who might become one; none where this data path asks nobody. */
  links(): readonly LinkView[];
  /**
   * Frames for the overlay address `destination` that cannot be sent to it directly, our own and those we relay, go to the
   * neighbour `primary`, and to `backup` while the primary is silent. Undefined takes the route away. Both are overlay
   * addresses of peers with a session and a direct endpoint.
   *
   * An endpoint with port 0 and an overlay address means "through the mesh": such a datagram, or a session whose endpoint it
   * is, travels behind a relay header along this route; what arrives behind one comes from such an endpoint.
   */
  setRoute(destination: string, primary: string | undefined, backup: string | undefined): void;
  /** Stops the workers and removes everything it put into the kernel. */
  /** With `relaysOn` what is in the kernel goes on relaying until the next start, as after a `kill`. */
  close(relaysOn?: boolean): Promise<void>;
}
