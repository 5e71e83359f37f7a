/** A gateway in a network namespace of admission.test.ts: the three programs over one set of tables, run frame by frame. */
import { writeFileSync } from "node:fs";
import { concat } from "../../runtime/base/bytes.ts";
import { type Addon, ingressObject, loadAddon, relayObjects } from "../../runtime/dataplane/addon.io.ts";
import { INGRESS_VERDICTS, type IngressCounters } from "../../runtime/dataplane/ingress.ts";
import { countersOf } from "../../runtime/dataplane/native.io.ts";
import { serve } from "../help/child.ts";
import { overlay } from "../help/relay-frames.ts";
import { type Datagram, ethernetFrame } from "../help/underlay-packet.ts";

export type Hook = "xdp" | "tc" | "socket";

export interface LabOptions {
  readonly port: number;
}

export interface Trial {
  readonly hook: Hook;
  readonly payload: string;
  readonly from: string;
  readonly port: number;
  readonly to: string;
  readonly segment?: number;
  readonly checksum?: Datagram["checksum"];
  /** Ethernet address it is sent to; by default that of the device on which a trial arrives. */
  readonly mac?: string;
}

export type LabRequest =
  | (Trial & { readonly call: "run" })
  /** The same from as many IPv4 sources, or as many times from one. */
  | (Trial & { readonly call: "flood"; readonly times: number; readonly spread: boolean })
  | { readonly call: "keys"; readonly keys: string | undefined }
  | { readonly call: "session"; readonly index: number; readonly isOurs: boolean }
  | { readonly call: "peer"; readonly address: string; readonly isThere: boolean }
  | { readonly call: "called"; readonly address: string };

export type Counted = Partial<IngressCounters>;

export interface LabAnswers {
  /** What grew by it. `frame` is what became of it at xdp and tc. */
  readonly run: { readonly code: number; readonly counted: Counted; readonly frame: string };
  readonly flood: Counted;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
/** Of `lo`, where trials arrive. */
const LOOPBACK = "00:00:00:00:00:00";

export const frameOf = (trial: Trial, own: number): Uint8Array =>
  ethernetFrame({
    macs: { from: "02:00:00:00:00:0a", to: trial.mac ?? LOOPBACK },
    from: trial.from,
    to: trial.to,
    ports: { from: trial.port, to: own },
    payload: fromHex(trial.payload),
    ...(trial.checksum && { checksum: trial.checksum }),
  });

function open(addon: Addon, port: number) {
  const objects = relayObjects();
  const ingress = ingressObject();
  if (!objects || !ingress) throw new Error("the BPF objects are not built");
  const options = { interface: undefined, device: undefined, prefixLength: 64, mtu: 1400, workers: 1 };
  const tunnel = addon.openTunnel(
    { ...options, port, address: overlay("e") },
    () => {},
    () => {},
  );
  const filter = addon.loadIngressFilter(ingress);
  const relay = addon.loadRelay(port, objects.tc, objects.xdp, filter);
  tunnel.mirror(relay);
  return { tunnel, filter, relay };
}

async function main({ port }: LabOptions): Promise<void> {
  for (const family of ["ipv4", "ipv6"]) writeFileSync(`/proc/sys/net/${family}/conf/lo/forwarding`, "1");
  const { addon, reason } = loadAddon();
  if (!addon) throw new Error(reason);
  const { tunnel, filter, relay } = open(addon, port);

  function once(trial: Trial): { code: number; frame: Uint8Array } {
    const { hook, segment = 0 } = trial;
    if (hook !== "socket")
      return relay.run(frameOf(trial, port), { xdp: hook === "xdp", segment, checksumKnown: false });
    const passed = filter.run(fromHex(trial.payload), segment, trial.from, trial.port);
    return { code: passed ? 1 : 0, frame: new Uint8Array(0) };
  }
  function counting<T>(work: () => T): { result: T; counted: Counted } {
    const before = countersOf(filter);
    const result = work();
    const after = countersOf(filter);
    const grown = INGRESS_VERDICTS.filter((v) => after[v] !== before[v]);
    return { result, counted: Object.fromEntries(grown.map((v) => [v, after[v] - before[v]])) };
  }

  await serve<LabRequest>(async (request) => {
    switch (request.call) {
      case "run": {
        const { result, counted } = counting(() => once(request));
        return { code: result.code, counted, frame: hex(result.frame) };
      }
      case "flood":
        return counting(() => {
          for (let i = 0; i < request.times; i++)
            once(request.spread ? { ...request, from: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}` } : request);
        }).counted;
      case "keys":
        return filter.keys(request.keys === undefined ? undefined : concat(fromHex(request.keys)));
      case "session":
        return filter.session(request.index, request.isOurs);
      case "peer":
        return filter.peer(request.address, request.isThere);
      case "called":
        return filter.called(request.address);
    }
  });
  await tunnel.close();
  relay.close();
  filter.close();
  process.exit(0);
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? "{}") as LabOptions);
