import { call } from "../api/client.io.ts";
import type { JsonObject } from "../api/protocol.ts";
import { command, NONE } from "./command.ts";
import { print, socketOf } from "./context.ts";

export const status = command({
  name: "status",
  doc: "what this gateway is and does",
  positionals: NONE,
  options: NONE,
  examples: [["trellis status --json", "for scripts"]],
  async run(args) {
    const s = await call<JsonObject>(socketOf(args), "status");
    print(args, s, () => [
      `${s.name} in mesh ${s.meshName} (${String(s.meshId).slice(0, 16)})`,
      `address    ${s.address}`,
      `node id    ${String(s.nodeId).slice(0, 16)}`,
      `data path  ${s.dataPlane}, device ${s.device ?? "none"}, UDP port ${s.port}`,
      `crypto     ${s.provider}`,
      `members    ${s.members}, sessions ${s.peersUp}`,
      `up since   ${s.uptimeSeconds} s`,
    ]);
  },
});
