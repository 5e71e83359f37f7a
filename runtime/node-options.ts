/** What a gateway is told when it starts. */
import type { Log } from "./base/log.ts";
import type { MqttOptions } from "./brokering.io.ts";
import type { RelayMode } from "./dataplane/relay-attach.ts";
import type { DiscoveringOptions } from "./discovering.io.ts";
import type { BrokerOptions } from "./meeting.io.ts";
import type { NamesMode } from "./naming.io.ts";
import type { PolicyMode } from "./policing.io.ts";

export interface NodeOptions {
  readonly port: number;
  readonly interface: string | undefined;
  readonly device: string | undefined;
  readonly mtu: number;
  readonly workers: number;
  readonly relay: RelayMode;
  readonly policy: PolicyMode;
  readonly discovery: DiscoveringOptions;
  readonly names: NamesMode;
  readonly links: readonly string[];
  readonly announce: readonly string[];
  readonly masquerade: boolean;
  readonly mqtt: MqttOptions;
  /** Resolves when there is memory for so many bytes more. */
  readonly room: (bytes: number) => Promise<void>;
  readonly brokers: BrokerOptions;
  readonly log: Log;
}
