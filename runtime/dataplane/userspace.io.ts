/**
 * The data path of a machine without the addon: one UDP socket for control frames. Gateways find, admit and check each
 * other; sealed IP packets are dropped and counted, since nothing here could open them.
 */

import type { Endpoint } from "../base/endpoint.ts";
import { TrellisError } from "../base/errors.ts";
import { Meter } from "../base/meter.ts";
import { FRAME } from "../mesh/frame.ts";
import type { Datagram } from "../mesh/types.ts";
import { openError } from "./open-error.ts";
import type { DataPlane, DataPlaneHandlers, DataPlaneOptions, SessionStats } from "./port.ts";
import { Relay } from "./relay.ts";

/** Longer ones are no control frames of ours; the native path has the same limit. */
const MAX_CONTROL = 2048;

/** AES-256-GCM must be offered for the handshake to have a choice; the lowest rate lets the other end decide. */
const RATES = { aes256Gcm: 1, chacha20Poly1305: 0 } as const;

/**
 * Opens the socket for both address families, or for IPv4 where the machine has no IPv6. Throws as `openError` says when the
 * port cannot be had and `dataplane/interface` when asked for one interface, which takes the addon.
 */
export async function openUserspace(options: DataPlaneOptions, handlers: DataPlaneHandlers): Promise<DataPlane> {
  if (options.interface !== undefined)
    throw new TrellisError("dataplane/interface", "binding to one interface needs the native addon", {
      hint: "leave out --interface, or run `trellis doctor` to see why the addon is missing",
    });
  const meter = new Meter();
  const sessions = new Map<number, string>(); // the peer by our index
  const relay = new Relay(options.address);
  const take = (datagram: Datagram): void => {
    const verdict = relay.take(datagram);
    if ("deliver" in verdict) receive(verdict.deliver, meter, handlers);
    else if ("forward" in verdict) sendOne(socket, verdict.forward, meter);
    else if ("reply" in verdict) sendOne(socket, verdict.reply, meter);
    else if ("place" in verdict) handlers.event({ type: "place", peer: verdict.place, endpoint: verdict.endpoint });
    else if ("drop" in verdict) meter.count(`relay.${verdict.drop}`);
  };
  const socket = await bind(options, meter, take);
  return {
    kind: "userspace",
    port: socket.port,
    device: undefined,
    rates: RATES,
    send(datagrams) {
      for (const datagram of datagrams) {
        const { endpoint, payload } = datagram;
        const out = endpoint.port === 0 ? relay.wrap(endpoint.address, payload) : datagram;
        if (out) sendOne(socket, out, meter);
        else meter.count("relay.route");
      }
    },
    installSession(peer, session, endpoint) {
      sessions.set(session.localIndex, peer);
      relay.install(peer, session, endpoint);
    },
    useSession: (peer, localIndex) => relay.use(peer, localIndex),
    removeSession(localIndex) {
      sessions.delete(localIndex);
      relay.remove(localIndex);
    },
    setEndpoint: (peer, endpoint) => relay.setEndpoint(peer, endpoint),
    setPlaces: (peer, places) => relay.setPlaces(peer, places),
    setTerms() {}, // control goes over any link
    removePeer(peer) {
      for (const [localIndex, owner] of sessions) if (owner === peer) sessions.delete(localIndex);
      relay.removePeer(peer);
    },
    allow() {},
    setSubnet() {},
    limitFrames() {},
    interfacesChanged() {},
    admission: { enforced: [], reason: "the daemon alone looks at what arrives", answered: 0 },
    admit() {},
    setRoute: (destination, primary, backup) => relay.setRoute(destination, primary, backup),
    links: () => [],
    stats: () => ({ sent: NONE, received: NONE, drops: meter.snapshot(), sessions: [...sessions.keys()].map(idle) }),
    async close() {
      socket.close();
    },
  };
}

const NONE = { packets: 0, bytes: 0 };
const idle = (localIndex: number): SessionStats => ({
  localIndex,
  sentPackets: 0,
  sentBytes: 0,
  receivedPackets: 0,
  receivedBytes: 0,
  idleMs: undefined,
});

interface Socket {
  readonly port: number;
  /** Whether it speaks both families; IPv4 addresses are then written `::ffff:a.b.c.d`. */
  readonly dual: boolean;
  send(payload: Uint8Array, port: number, address: string): boolean;
  close(): void;
}

async function bind(options: DataPlaneOptions, meter: Meter, take: (datagram: Datagram) => void): Promise<Socket> {
  try {
    return await bindTo("::", options.port, meter, take);
  } catch (error) {
    if ((error as { code?: string }).code === "EADDRINUSE") throw openError(options, error);
  }
  try {
    return await bindTo("0.0.0.0", options.port, meter, take);
  } catch (error) {
    throw openError(options, error);
  }
}

async function bindTo(
  hostname: string,
  port: number,
  meter: Meter,
  take: (datagram: Datagram) => void,
): Promise<Socket> {
  const socket = await Bun.udpSocket({
    hostname,
    port,
    socket: {
      data(_, payload, from, address) {
        take({ endpoint: { address: unmapped(address), port: from }, payload: new Uint8Array(payload) });
      },
      error() {
        meter.count("socket"); // an ICMP error for something we sent: the timers of the core deal with silence
      },
    },
  });
  return {
    port: socket.port,
    dual: hostname === "::",
    send: (payload, to, address) => socket.send(payload, to, address),
    close: () => socket.close(),
  };
}

function receive(datagram: Datagram, meter: Meter, handlers: DataPlaneHandlers): void {
  const type = datagram.payload[0];
  if (type === undefined || datagram.payload.length > MAX_CONTROL) meter.count("malformed");
  else if (type === FRAME.data) meter.count("noDataPath");
  else handlers.control([datagram]);
}

function sendOne(socket: Socket, { endpoint, payload }: Datagram, meter: Meter): void {
  try {
    if (!socket.send(payload, endpoint.port, addressFor(socket, endpoint))) meter.count("sendFull");
  } catch {
    meter.count("sendFailed"); // no route, a scope that is gone, an address of the other family: as if lost on the way
  }
}

const addressFor = (socket: Socket, { address }: Endpoint): string =>
  socket.dual && !address.includes(":") ? `::ffff:${address}` : address;

const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");
