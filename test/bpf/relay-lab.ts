/**
 * A gateway in a network namespace of relay.test.ts: two tunnels with the same sessions, keys and routes. The tables of one are
 * the kernel programs', its neighbours are on the wire; the other relays in userspace, its neighbours are sockets on loopback.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import {
  type KernelRelay,
  loadAddon,
  type RelayObjects,
  relayObjects,
  type Tunnel,
} from "../../runtime/dataplane/addon.io.ts";
import { neighboursOf } from "../../runtime/dataplane/neighbours.ts";
import { relayCounters } from "../../runtime/dataplane/relay-counters.ts";
import { RELAY_VERDICTS, type RelayCounters, type RelayVerdict } from "../../runtime/dataplane/relay-layout.ts";
import { FRAME, HELLO } from "../../runtime/mesh/frame.ts";
import { serve } from "../help/child.ts";
import { indexOf, overlay, sessionOf } from "../help/relay-frames.ts";

export interface LabOptions {
  readonly own: string;
  readonly port: number;
  readonly devices: readonly string[];
  /** Endpoints on the wire, by name. */
  readonly neighbours: Readonly<Record<string, Place>>;
  /** Where else they may be; who is there is said by `places`. */
  readonly places: Readonly<Record<string, Place>>;
}
interface Place {
  readonly address: string;
  readonly port: number;
}

export type LabRequest =
  | {
      readonly call: "kernel";
      readonly frame: string;
      readonly xdp: boolean;
      readonly segment: number;
      readonly checksumKnown: boolean;
    }
  /** Sent by the neighbour `from`, or by nobody's socket. */
  | { readonly call: "userspace"; readonly payload: string; readonly from?: string }
  | { readonly call: "route"; readonly destination: string; readonly primary?: string; readonly backup?: string }
  | { readonly call: "replaceSession"; readonly peer: string; readonly localIndex: number }
  /** Through the program of a later daemon, which knows `known` and routes to `reached` alone, and then through the relay's. */
  | { readonly call: "succession"; readonly frame: string; readonly known?: string; readonly reached?: string }
  | { readonly call: "lease"; readonly ms: number }
  | { readonly call: "places"; readonly peer: string; readonly places: readonly string[] };

export interface LabAnswers {
  /** `verdict` is undefined when nothing was counted; `sentOn` tells which neighbour's counters grew, and by how much. */
  readonly kernel: {
    readonly code: number;
    readonly frame: string;
    readonly verdict?: RelayVerdict;
    readonly count: number;
    readonly sentOn?: { readonly peer: string; readonly frames: number; readonly bytes: number };
  };
  readonly succession: { readonly later: Took; readonly earlier?: Took };
  readonly userspace: { readonly verdict: RelayVerdict; readonly to?: string; readonly payload?: string };
}

interface Took {
  readonly code: number;
  readonly verdict?: RelayVerdict;
  readonly frame: string;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

async function main({ own, port, devices, ...wire }: LabOptions): Promise<void> {
  const { addon, reason } = loadAddon();
  const objects = relayObjects();
  if (!addon || !objects) throw new Error(reason ?? "the relay's programs are not built");
  for (const family of ["ipv4", "ipv6"]) writeFileSync(`/proc/sys/net/${family}/conf/lo/forwarding`, "1");

  const open = (wanted: number): Tunnel =>
    addon.openTunnel(
      {
        port: wanted,
        interface: undefined,
        device: undefined,
        address: overlay(own),
        prefixLength: 64,
        mtu: 1400,
        workers: 1,
      },
      () => {},
      () => {},
    );
  const kernel = open(port);
  const userspace = open(0);
  const relay = addon.loadRelay(port, objects.tc, objects.xdp);
  kernel.mirror(relay);
  for (const device of devices) for (const hook of ["xdp", "tcx"] as const) relay.attach(device, hook);

  const neighbours = wire.neighbours;
  const everywhere = { ...neighbours, ...wire.places };
  const arrivals: { to: string; payload: Uint8Array }[] = [];
  const sockets = new Map<string, Socket>();
  for (const [name, { address }] of Object.entries(everywhere)) {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.bind(0, address.includes(":") ? "::1" : "127.0.0.1");
    await once(socket, "listening");
    socket.on("message", (payload) => {
      const isQuestion = payload[0] === FRAME.hello && payload[1] === HELLO.ask; // the tunnel asks when it likes
      if (!isQuestion) arrivals.push({ to: name, payload });
    });
    sockets.set(name, socket);
  }
  const endpointOf = (tunnel: Tunnel, name: string): { address: string; port: number } => {
    if (tunnel === kernel) return everywhere[name] ?? { address: "", port: 0 };
    const { address, port } = sockets.get(name)?.address() ?? { address: "", port: 0 };
    return { address, port };
  };
  const tunnels = [kernel, userspace];
  const install = (name: string, localIndex: number): void => {
    for (const tunnel of tunnels) {
      const session = { ...sessionOf(own, name), localIndex };
      tunnel.installSession({ peer: overlay(name), ...session, ...endpointOf(tunnel, name) });
      tunnel.useSession(overlay(name), localIndex);
    }
  };
  for (const name of Object.keys(neighbours)) {
    install(name, indexOf(own, name));
    for (const tunnel of tunnels) tunnel.setRoute(overlay(name), overlay(name), undefined);
  }

  const grown = (before: RelayCounters, after: RelayCounters): [RelayVerdict | undefined, number] => {
    const names = RELAY_VERDICTS.filter((name) => after[name] !== before[name]);
    if (names.length > 1) throw new Error(`one frame counted as ${names.join(" and ")}`);
    const [name] = names;
    return [name, name ? after[name] - before[name] : 0];
  };
  const sender = createSocket("udp4");

  async function inUserspace(payload: Uint8Array, from: string | undefined): Promise<LabAnswers["userspace"]> {
    const before = relayCounters(userspace.stats().relay);
    arrivals.length = 0;
    const near = everywhere[from ?? ""]?.address.includes(":") ? "::1" : "127.0.0.1";
    (sockets.get(from ?? "") ?? sender).send(payload, userspace.port, near);
    for (;;) {
      const [verdict] = grown(before, relayCounters(userspace.stats().relay));
      const [arrival] = arrivals;
      if (verdict && arrival) return { verdict, to: arrival.to, payload: hex(arrival.payload) };
      if (verdict && verdict !== "forward" && verdict !== "reply") return { verdict };
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  const sentTo = () => neighboursOf(kernel.stats().links.map((link) => ({ ...link, endpoint: link })));
  function inKernel(request: Extract<LabRequest, { call: "kernel" }>): LabAnswers["kernel"] {
    const totals = new Map(sentTo().map((each) => [each.peer, each]));
    const before = relayCounters(relay.counters());
    const { code, frame } = relay.run(fromHex(request.frame), request);
    const [verdict, count] = grown(before, relayCounters(relay.counters()));
    const [sentOn] = sentTo().flatMap(({ peer, frames, bytes }) => {
      const old = totals.get(peer) ?? { frames: 0, bytes: 0 };
      return frames === old.frames ? [] : [{ peer, frames: frames - old.frames, bytes: bytes - old.bytes }];
    });
    return { code, frame: hex(frame), count, ...(verdict && { verdict }), ...(sentOn && { sentOn }) };
  }

  function inSuccession({ frame, ...knows }: Extract<LabRequest, { call: "succession" }>): LabAnswers["succession"] {
    const tunnel = open(0);
    const later = addon?.loadRelay(port, (objects as RelayObjects).tc, undefined) as KernelRelay;
    tunnel.mirror(later);
    if (!later.succeed(relay.programs())) throw new Error("the relay is not attached");
    for (const device of devices) later.attach(device, "tcx");
    for (const name of [knows.known, knows.reached])
      if (name) {
        const session = { ...sessionOf(own, name), localIndex: indexOf(own, name) };
        tunnel.installSession({ peer: overlay(name), ...session, ...endpointOf(kernel, name) });
        tunnel.useSession(overlay(name), session.localIndex);
      }
    if (knows.reached) tunnel.setRoute(overlay(knows.reached), overlay(knows.reached), undefined);
    const take = (by: KernelRelay, mark?: Uint8Array): Took & { mark: Uint8Array } => {
      const before = relayCounters(by.counters());
      const options = { xdp: false, segment: 0, checksumKnown: false, ...(mark && { mark }) };
      const got = by.run(fromHex(frame), options);
      const [verdict] = grown(before, relayCounters(by.counters()));
      return { code: got.code, frame: hex(got.frame), mark: got.mark, ...(verdict && { verdict }) };
    };
    const { mark, ...first } = take(later);
    const { mark: _, ...second } = first.code === -1 ? take(relay, mark) : { mark };
    const programs = later.programs();
    later.leave(); // the lab's own relay stays where it is
    addon?.removeRelay(programs);
    void tunnel.close();
    return { later: first, ...("code" in second && { earlier: second }) };
  }

  await serve<LabRequest>(async (request) => {
    switch (request.call) {
      case "kernel":
        return inKernel(request);
      case "succession":
        return inSuccession(request);
      case "userspace":
        return await inUserspace(fromHex(request.payload), request.from);
      case "route": {
        const [primary, backup] = [request.primary, request.backup].map((name) => name && overlay(name));
        for (const tunnel of tunnels) tunnel.setRoute(overlay(request.destination), primary, backup);
        return null;
      }
      case "replaceSession": {
        const old = indexOf(own, request.peer);
        install(request.peer, request.localIndex);
        for (const tunnel of tunnels) tunnel.removeSession(old);
        return null;
      }
      case "places":
        for (const tunnel of tunnels)
          tunnel.setPlaces(
            overlay(request.peer),
            request.places.map((name) => endpointOf(tunnel, name)),
          );
        return null;
      case "lease":
        for (const tunnel of tunnels) tunnel.renewLease(request.ms);
        return null;
    }
  });
  await Promise.all(tunnels.map((tunnel) => tunnel.close()));
  relay.close();
  process.exit(0);
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? "{}") as LabOptions);
