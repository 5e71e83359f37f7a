import { call } from "../api/client.io.ts";
import { command, NONE } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { age, facts, shortId, size } from "./show.ts";

interface Counts {
  readonly packets: number;
  readonly bytes: number;
}

interface Status {
  readonly name: string;
  readonly nodeId: string;
  readonly meshName: string;
  readonly meshId: string;
  readonly address: string;
  readonly port: number;
  readonly device: string | null;
  readonly dataPlane: string;
  readonly provider: string;
  readonly expelled: string | null;
  readonly uptimeSeconds: number;
  readonly members: number;
  readonly peersUp: number;
  readonly pid: number;
  readonly policy: { readonly summary: string; readonly enforced: boolean; readonly reason: string | null };
  readonly names: { readonly domain: string; readonly server: string | null; readonly reason: string | null };
  readonly sync: {
    readonly records: number | null;
    readonly reason: string | null;
    readonly neighbours: readonly string[];
    readonly mqtt: {
      readonly on: readonly string[];
      readonly broker: "embedded" | "mosquitto";
      readonly reason: string | null;
    } | null;
  };
  readonly admission: { readonly enforced: readonly string[]; readonly reason: string; readonly answered: number };
  readonly discovery: { readonly on: readonly string[]; readonly reason: string };
  readonly traffic: {
    readonly sent: Counts;
    readonly received: Counts;
    readonly drops: Readonly<Record<string, number>>;
  };
}

export const status = command({
  name: "status",
  doc: "what this gateway is and does",
  positionals: NONE,
  options: NONE,
  examples: [
    ["trellis status", "for people"],
    ["trellis status --json", "for scripts, with every counter"],
  ],
  async run(args) {
    const s = await call<Status>(socketOf(args), "status");
    print(args, s, () =>
      facts([
        ["gateway", `${s.name} in mesh ${s.meshName}`],
        ...(s.expelled === null ? [] : [["OUT", s.expelled] as const]),
        ["address", s.address],
        ["node id", `${shortId(s.nodeId)}, mesh id ${shortId(s.meshId)}`],
        [
          "data path",
          s.device === null ? `${s.dataPlane}, no device: no IP traffic` : `${s.dataPlane}, device ${s.device}`,
        ],
        ["policy", policyText(s.policy)],
        ["names", s.names.server === null ? `not answered: ${s.names.reason}` : `NAME.${s.names.domain}`],
        ["records", recordsText(s.sync)],
        ["MQTT", mqttText(s.sync.mqtt)],
        ["underlay", `UDP port ${s.port}`],
        ["beacons", s.discovery.on.length > 0 ? `on ${s.discovery.on.join(", ")}` : `none: ${s.discovery.reason}`],
        ["crypto", s.provider],
        ["members", `${s.members} with this one, ${s.peersUp} of the others have a session`],
        ["sent", carried(s.traffic.sent)],
        ["received", carried(s.traffic.received)],
        ["dropped", dropped(s.traffic.drops)],
        ["strangers", strangers(s.admission)],
        ["running", `for ${age(1000 * s.uptimeSeconds)}, process ${s.pid}`],
      ]),
    );
  },
});

/** Without a policy there is nothing to enforce, and nothing to say about it. */
function policyText({ summary, enforced, reason }: Status["policy"]): string {
  if (summary === "none" || enforced) return summary;
  return `${summary}, NOT enforced: ${reason}`;
}
const recordsText = ({ records, reason, neighbours }: Status["sync"]): string =>
  records === null ? `none: ${reason}` : `${records}, exchanged with ${neighbours.length} neighbours`;

function mqttText(mqtt: Status["sync"]["mqtt"]): string {
  const { on = [], broker, reason = "starting" } = mqtt ?? {};
  const by = broker === "mosquitto" && on.some((place) => !place.startsWith("[")) ? " (Mosquitto)" : "";
  return [
    ...(on.length > 0 ? [`at ${on.join(", ")}${by}`] : []),
    ...(reason === null ? [] : [`not served: ${reason}`]),
  ].join("; ");
}

const strangers = ({ enforced, reason, answered }: Status["admission"]): string =>
  enforced.length === 0
    ? `looked at by the daemon: ${reason}`
    : `looked at in the kernel on ${enforced.join(", ")}; ${answered} got a cookie there`;

const carried = ({ packets, bytes }: Counts): string => `${size(bytes)} in ${packets} packets`;

function dropped(drops: Readonly<Record<string, number>>): string {
  const some = Object.entries(drops).filter(([, count]) => count > 0);
  return some.length === 0 ? "nothing" : some.map(([reason, count]) => `${reason} ${count}`).join(", ");
}
