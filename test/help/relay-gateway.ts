/**
 * A gateway's data path without its daemon, in a network namespace: TUN, sessions with fixed keys, routes, and the relay. Driven by
 * `RelayLine` over standard input.
 */

import type { AeadName } from "../../runtime/crypto/provider.ts";
import { loadAddon, type RelayHook, relayObjects, steeringObject } from "../../runtime/dataplane/addon.io.ts";
import { openNative } from "../../runtime/dataplane/native.io.ts";
import type { Neighbour } from "../../runtime/dataplane/neighbours.ts";
import type { DataPlaneStats } from "../../runtime/dataplane/port.ts";
import type { HookGroups } from "../../runtime/dataplane/relay-attach.ts";
import type { RelayCounters } from "../../runtime/dataplane/relay-layout.ts";
import { serve } from "./child.ts";
import { indexOf, overlay, sessionOf } from "./relay-frames.ts";

export interface GatewayOptions {
  readonly name: string;
  readonly port: number;
  readonly device: string | undefined;
  readonly mtu: number;
  readonly hooks: HookGroups;
  /** As `RelaySetup`. */
  readonly memory: string;
}

export type GatewayRequest =
  | {
      readonly call: "meet";
      readonly other: string;
      readonly address: string;
      readonly port: number;
      readonly aead: AeadName;
    }
  | { readonly call: "endpoint"; readonly other: string; readonly address: string; readonly port: number }
  | { readonly call: "route"; readonly destination: string; readonly primary: string }
  | { readonly call: "status" }
  | { readonly call: "close" };

export interface GatewayAnswers {
  readonly status: {
    readonly pid: number;
    readonly stats: DataPlaneStats;
    readonly relayed: RelayCounters;
    readonly kernel: {
      readonly attached: Readonly<Record<string, readonly RelayHook[]>>;
      readonly reason: string;
      readonly relayed?: RelayCounters;
    };
    readonly neighbours: readonly Neighbour[];
  };
}

async function main({ name, hooks, memory, ...options }: GatewayOptions): Promise<void> {
  const { addon, reason } = loadAddon();
  if (!addon) throw new Error(reason);
  const plane = await openNative(
    addon,
    { ...options, interface: undefined, address: overlay(name), prefixLength: 64, workers: 0 },
    { control() {}, event() {} },
    { aes256Gcm: 1, chacha20Poly1305: 1 },
    { steering: steeringObject() },
    { hooks, objects: relayObjects(), memory },
  );
  await serve<GatewayRequest>(async (request) => {
    switch (request.call) {
      case "meet": {
        const { other, address, port, aead } = request;
        plane.installSession(overlay(other), { ...sessionOf(name, other), aead }, { address, port });
        plane.useSession(overlay(other), indexOf(name, other));
        return plane.allow(overlay(other), `${overlay(other)}/128`);
      }
      case "endpoint":
        return plane.setEndpoint(overlay(request.other), { address: request.address, port: request.port });
      case "route":
        return plane.setRoute(overlay(request.destination), overlay(request.primary), undefined);
      case "status":
        return {
          pid: process.pid,
          stats: plane.stats(),
          relayed: plane.relayed(),
          kernel: plane.kernelRelay,
          neighbours: plane.neighbours(),
        };
      case "close":
        return await plane.close();
    }
  });
  await plane.close();
  process.exit(0);
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? "{}") as GatewayOptions);
